"""Who may call, by address, header, cookie, method and path."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.addresses import is_loopback
from service.auth import PAGE, PROBES, Access, Caller
from service.catalogue import Catalogue
from service.catalogue.tables import KeyRow
from service.first_start import CannotServe, first_link, require_keys
from service.keys import create_key, digest, rotate_key
from service.permissions import SCOPES, need_of
from service.problems import Refused
from service.redis_server import EmbeddedRedis
from service.settings import Settings

TOKEN = "t0ken"
LOCAL = {"host": "127.0.0.1:8600"}
BEARER = {"authorization": f"Bearer {TOKEN}"}


class Door:
    """An Access over a real catalogue, asked as the middleware asks it."""

    def __init__(self, catalogue: Catalogue, **settings: Any):
        self.settings = Settings(**settings)
        self.catalogue = catalogue
        self.cookie_name = f"mmv_session_{catalogue.library_id()[:8]}"

    def admit(self, method: str, path: str, headers: dict[str, str], times: int = 1) -> Caller | None:
        async def ask() -> Caller | None:
            access = Access(self.settings, TOKEN)
            access.open(self.catalogue)
            raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
            scope = {"type": "http", "method": method, "path": path, "headers": raw, "client": ("127.0.0.1", 9)}
            try:
                for _ in range(times):
                    caller = await access.admit(scope)
            finally:
                await access.close()
            return caller

        return asyncio.run(ask())

    def refusal(self, method: str, path: str, headers: dict[str, str]) -> str | None:
        """The code of the refusal, None when the request may pass."""
        try:
            self.admit(method, path, headers)
        except Refused as refused:
            return refused.code
        return None


@pytest.fixture
def door(library: Catalogue) -> Door:
    return Door(library)


@pytest.fixture
def open_door(library: Catalogue) -> Door:
    return Door(library, host="0.0.0.0")


def bearer(text: str) -> dict[str, str]:
    return LOCAL | {"authorization": f"Bearer {text}"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1", "[::1]", "LOCALHOST."])
def test_addresses_of_this_machine_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "example.org", "127.0.0.1.example.org", "::", ""])
def test_other_addresses_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["localhost:8600", "127.0.0.1", "[::1]:8600"])
def test_on_loopback_readers_and_editors_need_no_key(door: Door, host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/v1/search"), ("POST", "/v1/videos"), ("DELETE", "/v1/videos/v_1")):
        assert door.refusal(method, path, {"host": host}) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8600", "192.168.0.9", "", "[::1", "a@127.0.0.1.x"]
)
def test_a_name_that_was_rebound_to_this_machine_is_refused(door: Door, host: str) -> None:
    for path in ("/v1/videos", "/", "/v1/session", "/static/app.js"):
        assert door.refusal("GET", path, {"host": host}) == "forbidden_host"


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:3000", "http://localhost:8600", "file://"]
)
def test_a_post_from_a_page_of_another_origin_is_refused(door: Door, origin: str) -> None:
    for method, path in (("POST", "/v1/videos"), ("DELETE", "/v1/videos/v_1"), ("POST", "/v1/session")):
        assert door.refusal(method, path, LOCAL | {"origin": origin}) == "forbidden_origin"


def test_a_cross_site_post_without_an_origin_is_refused(door: Door) -> None:
    assert door.refusal("POST", "/v1/videos", LOCAL | {"sec-fetch-site": "cross-site"}) == "forbidden_origin"


def test_the_own_page_may_post(door: Door) -> None:
    own = LOCAL | {"origin": "http://127.0.0.1:8600", "sec-fetch-site": "same-origin"}
    assert door.refusal("POST", "/v1/videos", own) is None


def test_what_came_through_a_proxy_needs_a_key_on_loopback_too(door: Door, library: Catalogue) -> None:
    for header in ({"x-forwarded-for": "203.0.113.9"}, {"forwarded": "for=203.0.113.9"}, {"via": "1.1 proxy"}):
        assert door.refusal("GET", "/v1/videos", LOCAL | header) == "unauthorized"
        assert door.refusal("GET", "/v1/videos", LOCAL | header | BEARER) is None
    insecure = Door(library, insecure=True)
    assert insecure.refusal("GET", "/v1/videos", LOCAL | {"via": "1.1 proxy"}) is None


def test_admin_calls_need_the_token_even_on_loopback(door: Door) -> None:
    assert door.refusal("GET", "/v1/admin/index", LOCAL) == "unauthorized"
    assert door.refusal("POST", "/v1/admin/index/rebuild", LOCAL | BEARER) is None


@pytest.mark.parametrize(
    "given", ["Bearer wrong", "Bearer", TOKEN, f"Basic {TOKEN}", "Bearer t0k\xe9n", "Bearer t0ken2"]
)
def test_a_wrong_token_is_refused_everywhere(door: Door, given: str) -> None:
    for path in ("/v1/admin/index", "/v1/videos"):
        assert door.refusal("GET", path, LOCAL | {"authorization": given}) == "unauthorized"


def test_on_other_addresses_everything_but_the_probes_and_the_page_needs_a_key(open_door: Door) -> None:
    host = {"host": "search.example"}
    for path in ("/v1/videos", "/docs", "/openapi.json", "/metrics", "/v1/nothing", "/static-offline-docs/x.js"):
        assert open_door.refusal("GET", path, host) == "unauthorized"
        assert open_door.refusal("GET", path, host | BEARER) is None
    for path in (*PROBES, *PAGE, "/static/app.js"):
        assert open_door.refusal("GET", path, {"host": "10.0.0.7"}) is None


def test_as_soon_as_a_key_exists_loopback_needs_one_also_when_it_is_revoked(door: Door, library: Catalogue) -> None:
    issued = create_key(library, "reader", "me")
    for _ in range(2):
        assert door.refusal("GET", "/v1/videos", LOCAL) == "unauthorized"
        assert door.refusal("GET", "/", LOCAL) is None
        library.revoke_key(issued.key.id, "me")
    library.forget_key(issued.key.id, "me")
    assert door.refusal("GET", "/v1/videos", LOCAL) is None


@pytest.mark.parametrize(
    ("role", "codes"),
    [
        ("reader", [None, None, "forbidden_role", "forbidden_role", "forbidden_role"]),
        ("editor", [None, None, None, None, "forbidden_role"]),
        ("admin", [None, None, None, None, None]),
    ],
)
def test_each_role_may_what_it_says(open_door: Door, library: Catalogue, role: Any, codes: list[str | None]) -> None:
    key = bearer(create_key(library, role, "me").text)
    calls = [
        ("GET", "/v1/videos"),
        ("POST", "/v1/search/text"),
        ("POST", "/v1/videos"),
        ("DELETE", "/v1/jobs/j_1"),
        ("GET", "/v1/admin/keys"),
    ]
    assert [open_door.refusal(method, path, key) for method, path in calls] == codes


def test_a_scope_narrows_a_key(open_door: Door, library: Catalogue) -> None:
    key = bearer(create_key(library, "admin", "me", scopes=("uploads", "jobs")).text)
    for method, path in (("POST", "/v1/videos"), ("POST", "/v1/uploads"), ("GET", "/v1/jobs/j_1")):
        assert open_door.refusal(method, path, key) is None, path
    for method, path in (
        ("GET", "/v1/videos"),
        ("GET", "/v1/videos/v_1/media"),
        ("DELETE", "/v1/videos/v_1"),
        ("GET", "/v1/search"),
        ("GET", "/v1/videos/v_1/timeline"),
        ("GET", "/v1/segments/1/thumbnail"),
        ("GET", "/v1/admin/keys"),
    ):
        assert open_door.refusal(method, path, key) == "forbidden_scope", path


def test_a_key_that_was_revoked_replaced_or_has_expired_is_refused(open_door: Door, library: Catalogue) -> None:
    now = datetime.now(UTC)
    issued = create_key(library, "reader", "me", expires_at=now + timedelta(hours=1))
    assert open_door.refusal("GET", "/v1/videos", bearer(issued.text)) is None
    wrong = issued.text[:-4] + "0000" if not issued.text.endswith("0000") else issued.text[:-4] + "1111"
    assert open_door.refusal("GET", "/v1/videos", bearer(wrong)) == "unauthorized"

    newer = rotate_key(library, issued.key.id, "me", grace=timedelta(minutes=5))
    assert newer is not None
    assert open_door.refusal("GET", "/v1/videos", bearer(issued.text)) is None
    with library._database.write() as session:
        row = session.get(KeyRow, issued.key.id)
        assert row is not None
        row.previous_until = now
    assert open_door.refusal("GET", "/v1/videos", bearer(issued.text)) == "unauthorized"
    assert open_door.refusal("GET", "/v1/videos", bearer(newer.text)) is None
    with library._database.write() as session:
        row = session.get(KeyRow, issued.key.id)
        assert row is not None
        row.expires_at = now
    assert open_door.refusal("GET", "/v1/videos", bearer(newer.text)) == "unauthorized"

    other = create_key(library, "reader", "me")
    assert open_door.refusal("GET", "/v1/videos", bearer(other.text)) is None
    library.revoke_key(other.key.id, "me")
    assert open_door.refusal("GET", "/v1/videos", bearer(other.text)) == "unauthorized"


def test_the_use_of_a_key_is_noted(open_door: Door, library: Catalogue) -> None:
    issued = create_key(library, "reader", "me", name="Anna")
    caller = open_door.admit("GET", "/v1/videos", bearer(issued.text), times=20)
    assert caller is not None
    assert (caller.actor, caller.role) == (f"key {issued.key.id} (Anna)", "reader")
    assert library.keys()[0].last_used_at is not None


def test_a_session_is_as_good_as_its_key_and_checks_where_posts_come_from(open_door: Door, library: Catalogue) -> None:
    issued = create_key(library, "editor", "me")
    value = "0" * 16 + "." + "1" * 64
    by = library.stored_key(issued.key.id)
    assert library.add_session("0" * 16, digest(value), datetime.now(UTC) + timedelta(hours=1), by)
    site = {"host": "search.example"}
    cookie = site | {"cookie": f"other=1; {open_door.cookie_name}={value}"}
    assert open_door.refusal("GET", "/v1/videos", cookie) is None
    assert open_door.refusal("POST", "/v1/videos", cookie | {"origin": "https://search.example"}) is None
    assert open_door.refusal("POST", "/v1/videos", cookie | {"origin": "https://evil.example"}) == "forbidden_origin"
    assert open_door.refusal("GET", "/v1/admin/keys", cookie) == "forbidden_role"
    wrong = site | {"cookie": f"{open_door.cookie_name}={value[:-1]}2"}
    assert open_door.refusal("GET", "/v1/videos", wrong) == "unauthorized"
    library.revoke_key(issued.key.id, "me")
    assert open_door.refusal("GET", "/v1/videos", cookie) == "unauthorized"


def test_a_session_that_is_over_is_nobody_where_no_key_is_needed(door: Door) -> None:
    stale = LOCAL | {"cookie": f"{door.cookie_name}={'0' * 16}.{'1' * 64}"}
    assert door.refusal("POST", "/v1/videos", stale) is None
    assert door.refusal("GET", "/v1/admin/keys", stale) == "unauthorized"


def test_a_service_behind_a_proxy_answers_to_its_public_name_and_needs_keys(library: Catalogue) -> None:
    proxied = Door(library, public_hosts="Search.Example , other.example")
    for host in ("search.example", "other.example:443", "localhost:8600"):
        assert proxied.refusal("GET", "/v1/videos", {"host": host}) == "unauthorized"
        assert proxied.refusal("GET", "/v1/videos", {"host": host} | BEARER) is None
    assert proxied.refusal("GET", "/v1/videos", {"host": "evil.example"} | BEARER) == "forbidden_host"


def test_insecure_lets_everybody_in_until_there_is_a_key_but_nobody_be_admin(library: Catalogue) -> None:
    insecure = Door(library, host="0.0.0.0", insecure=True)
    host = {"host": "10.0.0.7:8600"}
    assert insecure.refusal("DELETE", "/v1/videos/v_1", host) is None
    assert insecure.refusal("DELETE", "/v1/videos/v_1", host | {"origin": "http://evil.example"}) == "forbidden_origin"
    assert insecure.refusal("GET", "/v1/admin/keys", host) == "unauthorized"
    create_key(library, "reader", "me")
    assert insecure.refusal("GET", "/v1/videos", host) == "unauthorized"


def test_others_are_served_only_when_there_is_a_valid_key(library: Catalogue) -> None:
    settings = Settings(home=Path("/somewhere"), host="0.0.0.0")
    with pytest.raises(CannotServe, match=r"keys create --role admin --home /somewhere"):
        require_keys(settings, library)
    require_keys(settings.model_copy(update={"insecure": True}), library)
    require_keys(settings.model_copy(update={"host": "::1"}), library)
    with pytest.raises(CannotServe, match="MMV_PUBLIC_HOSTS"):
        require_keys(settings.model_copy(update={"host": "::1", "public_hosts": "x.example"}), library)
    issued = create_key(library, "reader", "me")
    require_keys(settings, library)
    library.revoke_key(issued.key.id, "me")
    with pytest.raises(CannotServe):
        require_keys(settings, library)


def test_the_first_start_has_a_link_and_later_ones_have_none(library: Catalogue) -> None:
    assert first_link(Settings(host="0.0.0.0"), library, "http://10.0.0.7", "me") is None
    link = first_link(Settings(), library, "http://127.0.0.1:8600", "me")
    assert link is not None
    token = link.removeprefix("http://127.0.0.1:8600/#token=")
    until = datetime.now(UTC) + timedelta(days=1)
    assert library.redeem_link(digest(token), "s", digest("s"), until, "session s")
    assert first_link(Settings(), library, "http://127.0.0.1:8600", "me") is None


def test_a_caller_who_asks_too_much_is_told_when_to_come_back(library: Catalogue, settings: Settings) -> None:
    redis = EmbeddedRedis(settings.redis_dir)
    redis.start()
    try:
        limited = Door(library, searches_per_minute=3, uploads_per_minute=1, redis_url=redis.url)
        anna, ben = (bearer(create_key(library, "editor", "me").text) for _ in range(2))
        limited.admit("GET", "/v1/search", anna, times=3)
        with pytest.raises(Refused) as refused:
            limited.admit("POST", "/v1/search/text", anna)
        headers = refused.value.headers or {}
        assert refused.value.code == "rate_limited"
        assert 1 <= int(headers["Retry-After"]) <= 60
        assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("3", "0")
        # Counted for each key and each kind of call; the admin token is the owner's own.
        limited.admit("GET", "/v1/search", ben, times=3)
        limited.admit("GET", "/v1/videos", anna, times=9)
        limited.admit("POST", "/v1/videos", anna)
        assert limited.refusal("POST", "/v1/uploads", anna) == "rate_limited"
        limited.admit("GET", "/v1/search", LOCAL | BEARER, times=9)
        without = Door(library, searches_per_minute=0, redis_url=redis.url)
        without.admit("GET", "/v1/search", anna, times=9)
    finally:
        redis.stop()


def test_without_redis_nothing_is_counted_and_the_log_says_so(
    library: Catalogue, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    away = Door(library, searches_per_minute=1, redis_url=f"unix://{settings.redis_dir}/none.sock")
    with caplog.at_level(logging.WARNING):
        away.admit("GET", "/v1/search", LOCAL, times=5)
    assert [record.message.partition(":")[0] for record in caplog.records] == ["rate limits"]


@pytest.mark.parametrize(
    ("method", "path", "role", "scope"),
    [
        ("GET", "/v1/videos/v_1/erasure", "reader", "library"),
        ("PATCH", "/v1/videos/v_1", "editor", "library"),
        ("HEAD", "/v1/videos/v_1/media", "reader", "media"),
        ("GET", "/v1/videos/v_1/preview", "reader", "search"),
        ("PUT", "/v1/videos/v_1/subtitles", "editor", "library"),
        ("POST", "/v1/search", "reader", "search"),
        ("HEAD", "/v1/uploads/u_1", "editor", "uploads"),
        ("PATCH", "/v1/uploads/u_1", "editor", "uploads"),
        ("GET", "/v1/jobs/j_1/events", "reader", "jobs"),
        ("DELETE", "/v1/jobs/j_1", "editor", "jobs"),
        ("POST", "/v1/jobs/j_1/retry", "editor", "jobs"),
        ("POST", "/v1/admin/bundles/x/promote", "admin", "admin"),
        ("POST", "/v1/searches", "editor", None),
        ("POST", "/v1/unheard-of", "editor", None),
        ("GET", "/metrics", "reader", None),
    ],
)
def test_what_a_call_needs(method: str, path: str, role: str, scope: str | None) -> None:
    need = need_of(method, path)
    assert (need.role, need.scope) == (role, scope)
    assert need.scope is None or need.scope in SCOPES


def test_a_resumed_upload_is_counted_once() -> None:
    assert need_of("POST", "/v1/uploads").counted == "uploads"
    assert need_of("POST", "/v1/uploads/u_1").counted is None
    assert need_of("PATCH", "/v1/uploads/u_1").counted is None
