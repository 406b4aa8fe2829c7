"""Who may call a running server: keys, roles, the page's session, limits, headers, the audit log, secrets in logs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from api_tests.conftest import Library, Server
from api_tests.server import REPOSITORY
from api_tests.test_browser import PLAYED_PAST, RESULT, browser
from models.tests import media_samples
from service.catalogue.records import ROLES
from service.permissions import need_of

__all__ = ["browser"]

ADMIN_CALLS = [
    ("POST", "/v1/admin/index/rebuild"),
    ("GET", "/v1/admin/index"),
    ("GET", "/v1/admin/bundles"),
    ("GET", "/v1/admin/keys"),
    ("GET", "/v1/admin/audit"),
]
SEARCHES_PER_MINUTE = 30


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line."""
    command = [sys.executable, "-m", "service.cli", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, check=False
    )


def create(home: Path, role: str, *options: str) -> dict[str, Any]:
    """A key made by the command line, with its text in `key`."""
    made = run("keys", "create", "--role", role, "--home", str(home), "--json", *options)
    assert made.returncode == 0, made.stderr
    key: dict[str, Any] = json.loads(made.stdout)
    return key


def bearer(key: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


def code_of(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["code"]


@pytest.fixture(scope="module")
def open_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("open") / "home"


@pytest.fixture(scope="module")
def keys(open_home: Path) -> dict[str, dict[str, Any]]:
    """A key of each role, made before the server's first start."""
    return {role: create(open_home, role, "--name", f"the {role}", "--expires", "1h") for role in ROLES}


@pytest.fixture(scope="module")
def open_server(open_home: Path, keys: dict[str, dict[str, Any]]) -> Iterator[Server]:
    """A server on all addresses of the machine, with a key of each role."""
    server = Server(open_home, host="0.0.0.0", environment={"MMV_SEARCHES_PER_MINUTE": str(SEARCHES_PER_MINUTE)})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def film(open_server: Server, keys: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A film in its library; its id."""
    path = media_samples.film(tmp_path_factory.mktemp("film") / "film.mp4", 4, 6.0)
    open_server.http.headers.update(bearer(keys["editor"]))
    try:
        return open_server.add(path)
    finally:
        del open_server.http.headers["Authorization"]


@pytest.mark.parametrize(("method", "path"), ADMIN_CALLS)
def test_admin_calls_need_the_token_on_loopback_too(server: Server, method: str, path: str) -> None:
    response = server.http.request(method, path)
    assert code_of(response) == (401, "unauthorized")
    assert response.headers["www-authenticate"].startswith("Bearer")
    wrong = server.http.request(method, path, headers={"Authorization": "Bearer wrong"})
    assert wrong.status_code == 401


def test_the_token_is_readable_by_its_owner_alone(server: Server) -> None:
    assert ((server.home / "admin-token").stat().st_mode & 0o777) == 0o600


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
def test_a_rebound_name_is_refused(server: Server, host: str) -> None:
    for path in ("/", "/v1/videos", "/openapi.json"):
        assert code_of(server.http.get(path, headers={"Host": host})) == (403, "forbidden_host")


def test_posts_from_other_sites_are_refused(server: Server, library: Library) -> None:
    for method, path in (
        ("POST", "/v1/videos"),
        ("DELETE", f"/v1/videos/{library.silent}"),
        ("POST", "/v1/search/text"),
        ("POST", "/v1/session"),
    ):
        response = server.http.request(method, path, headers={"Origin": "https://evil.example"})
        assert code_of(response) == (403, "forbidden_origin")
    own = server.http.post("/v1/search/text", json={"query": "a door"}, headers={"Origin": server.url})
    assert own.status_code == 200


def test_the_first_start_prints_a_link_that_makes_one_browser_admin(server: Server) -> None:
    (token,) = re.findall(rf"{re.escape(server.url)}/#token=(\w+)", server.log.read_text())
    with httpx.Client(base_url=server.url, trust_env=False) as page:
        assert page.get("/v1/session").json() | {"expires_at": None} == {
            "role": "editor", "name": "", "scopes": [], "signed_in": False, "expires_at": None,
        }  # fmt: skip
        assert page.get("/v1/admin/index").status_code == 401
        assert page.post("/v1/session", json={"token": token}).json()["role"] == "admin"
        assert page.get("/v1/admin/index").status_code == 200
        with httpx.Client(base_url=server.url, trust_env=False) as other:
            assert code_of(other.post("/v1/session", json={"token": token})) == (401, "unauthorized")
            assert other.get("/v1/admin/index").status_code == 401
        newest = page.get("/v1/admin/audit", params={"limit": 200}).json()["entries"]
        assert {"session.opened", "link.made"} <= {entry["action"] for entry in newest}
        cookie = dict(page.cookies)
        assert page.delete("/v1/session").status_code == 204
        assert page.get("/v1/admin/index").status_code == 401
        page.cookies.update(cookie)
        assert page.get("/v1/admin/index").status_code == 401


def test_others_are_not_served_without_a_key(tmp_path: Path) -> None:
    home = tmp_path / "home"
    refused = run("serve", "--host", "0.0.0.0", "--port", "0", "--home", str(home))
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert f"mmv-search keys create --role admin --home {home}" in refused.stderr
    assert "--insecure" in refused.stderr


def test_an_open_server_asks_everybody_for_a_key(open_server: Server) -> None:
    for path in ("/v1/videos", "/v1/search?q=door", "/docs", "/openapi.json", "/metrics", "/v1/nothing"):
        response = open_server.http.get(path)
        assert code_of(response) == (401, "unauthorized"), path
        assert response.headers["www-authenticate"].startswith("Bearer")
    for path in ("/healthz", "/readyz", "/", "/static/app.js"):
        assert open_server.http.get(path).status_code == 200
    assert open_server.http.get("/v1/session").json()["role"] is None


def test_an_open_server_serves_who_has_the_token(open_server: Server) -> None:
    for path in ("/", "/v1/videos", "/v1/search?q=door", "/v1/admin/index"):
        assert open_server.http.get(path, headers=open_server.admin).status_code == 200, path


def test_an_empty_library_finds_nothing_and_says_so_plainly(open_server: Server, tmp_path: Path) -> None:
    body = open_server.http.get("/v1/search", params={"q": "a door"}, headers=open_server.admin).json()
    assert (body["results"], body["next_cursor"], body["generation"]) == ([], None, None)


def test_each_role_may_what_it_says(open_server: Server, keys: dict[str, dict[str, Any]]) -> None:
    statuses = {}
    for role in ROLES:
        http = httpx.Client(base_url=open_server.url, headers=bearer(keys[role]), trust_env=False)
        calls = [
            http.get("/v1/videos"),
            http.post("/v1/search/text", json={"query": "a door"}),
            http.delete("/v1/videos/v_0000000000000000"),
            http.get("/v1/admin/keys"),
        ]
        statuses[role] = [call.status_code for call in calls]
        if role != "admin":
            assert code_of(calls[-1]) == (403, "forbidden_role")
    assert statuses == {
        "reader": [200, 200, 403, 403],
        "editor": [200, 200, 404, 403],
        "admin": [200, 200, 404, 200],
    }


def test_a_key_is_made_rotated_and_revoked_over_http(open_server: Server, keys: dict[str, dict[str, Any]]) -> None:
    http, admin = open_server.http, bearer(keys["admin"])
    wanted = {"role": "reader", "name": "Anna", "scopes": ["search"], "expires_in_s": 3600}
    made = http.post("/v1/admin/keys", json=wanted, headers=admin)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    first = made.json()
    assert http.get("/v1/search?q=door", headers=bearer(first)).status_code == 200
    assert code_of(http.get("/v1/videos", headers=bearer(first))) == (403, "forbidden_scope")

    rotated = http.post(f"/v1/admin/keys/{first['id']}/rotate", headers=admin)
    assert rotated.status_code == 200
    second = rotated.json()
    assert http.get("/v1/search?q=door", headers=bearer(first)).status_code == 401
    assert http.get("/v1/search?q=door", headers=bearer(second)).status_code == 200
    third = http.post(f"/v1/admin/keys/{first['id']}/rotate", json={"grace_s": 60}, headers=admin).json()
    for key in (second, third):
        assert http.get("/v1/search?q=door", headers=bearer(key)).status_code == 200

    listed = http.get("/v1/admin/keys", headers=admin)
    assert not re.search(r"mmv_|[0-9a-f]{64}", listed.text)
    (anna,) = [key for key in listed.json()["keys"] if key["name"] == "Anna"]
    assert (anna["id"], anna["status"], anna["created_by"]) == (
        first["id"],
        "active",
        f"key {keys['admin']['id']} (the admin)",
    )
    assert anna["last_used_at"] is not None

    revoked = http.delete(f"/v1/admin/keys/{first['id']}", headers=admin)
    assert revoked.json()["status"] == "revoked"
    assert code_of(http.get("/v1/search?q=door", headers=bearer(third))) == (401, "unauthorized")
    assert code_of(http.post(f"/v1/admin/keys/{first['id']}/rotate", headers=admin)) == (409, "key_over")
    for method, path in (("DELETE", "/v1/admin/keys/none"), ("POST", "/v1/admin/keys/none/rotate")):
        assert code_of(http.request(method, path, headers=admin)) == (404, "key_not_found")

    entries = http.get("/v1/admin/audit", params={"limit": 4}, headers=admin).json()["entries"]
    assert [(entry["action"], entry["subject"]) for entry in entries] == [
        ("key.revoked", first["id"]),
        ("key.rotated", first["id"]),
        ("key.rotated", first["id"]),
        ("key.created", first["id"]),
    ]
    assert {entry["actor"] for entry in entries} == {f"key {keys['admin']['id']} (the admin)"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"role": "owner"},
        {"role": "reader", "expires_in_s": 0},
        {"role": "reader", "scopes": ["all"]},
        {"role": "reader", "key": "x"},
    ],
)
def test_a_key_that_cannot_be_made_says_why(open_server: Server, keys: dict[str, Any], body: dict[str, Any]) -> None:
    answer = open_server.http.post("/v1/admin/keys", json=body, headers=bearer(keys["admin"]))
    assert code_of(answer) == (422, "invalid_request")


def test_a_key_revoked_on_the_command_line_is_of_no_use_to_the_running_service(
    open_server: Server, open_home: Path
) -> None:
    key = create(open_home, "reader")
    assert open_server.http.get("/v1/videos", headers=bearer(key)).status_code == 200
    assert run("keys", "revoke", key["id"], "--home", str(open_home)).returncode == 0
    assert open_server.http.get("/v1/videos", headers=bearer(key)).status_code == 401
    unknown = run("keys", "revoke", "nothing", "--home", str(open_home))
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)


def test_who_asks_too_much_is_told_when_to_come_back(open_server: Server, open_home: Path) -> None:
    key = bearer(create(open_home, "reader"))
    answers = [open_server.http.get("/v1/search?q=door", headers=key) for _ in range(SEARCHES_PER_MINUTE + 1)]
    # The minute may begin anew in between, so that one more passes; never do all of twice as many.
    if answers[-1].status_code == 200:
        answers = [open_server.http.get("/v1/search?q=door", headers=key) for _ in range(SEARCHES_PER_MINUTE)]
    refused = answers[-1]
    assert code_of(refused) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit-limit"] == str(SEARCHES_PER_MINUTE)
    assert refused.headers["ratelimit-remaining"] == "0"
    assert open_server.http.get("/v1/videos", headers=key).status_code == 200


def test_every_answer_tells_browsers_how_little_it_may_do(server: Server, library: Library) -> None:
    http = server.http
    answers = {
        "page": http.get("/"),
        "script": http.get("/static/app.js"),
        "answer": http.get("/v1/videos"),
        "film": http.get(f"/v1/videos/{library.silent}/media", headers={"Range": "bytes=0-9"}),
        "not found": http.get("/v1/nothing"),
        "wrong method": http.put("/v1/videos"),
        "unauthorized": http.get("/v1/admin/keys"),
        "forbidden": http.get("/v1/videos", headers={"Host": "evil.example"}),
        "documentation": http.get("/docs"),
    }
    for name, answer in answers.items():
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff", name
        assert headers["referrer-policy"] == "no-referrer", name
        assert headers["x-frame-options"] == "DENY", name
        assert "camera=()" in headers["permissions-policy"], name
        assert "default-src 'none'" in headers["content-security-policy"], name
        assert not [header for header in headers if header.startswith("access-control-")], name
    assert answers["answer"].headers["cache-control"] == "no-store"
    assert "unsafe" not in answers["page"].headers["content-security-policy"]
    assert re.search(r"script-src 'self' 'sha256-[^']+';", answers["documentation"].headers["content-security-policy"])
    preflight = http.options(
        "/v1/videos", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}
    )
    assert preflight.status_code == 405
    assert not [header for header in preflight.headers if header.startswith("access-control-")]


def test_the_description_names_what_a_refusal_looks_like(server: Server) -> None:
    paths = server.http.get("/openapi.json").json()["paths"]
    for path, methods in paths.items():
        if path in ("/healthz", "/readyz"):
            continue
        for method, operation in methods.items():
            assert {"401", "403"} <= set(operation["responses"]), (method, path)
            counted = need_of(method.upper(), path).counted
            assert counted is None or "429" in operation["responses"], (method, path)


@pytest.mark.browser
def test_the_page_asks_for_a_key_and_then_shows_and_plays_what_is_found(
    browser: Browser, open_server: Server, keys: dict[str, dict[str, Any]], film: str
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(f"{open_server.url}/?q=a+door")
    dialog = page.locator("#key-dialog")
    expect(dialog).to_be_visible()
    page.fill("#key", "mmv_wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#key-error")).to_contain_text("not a key of this library")
    page.fill("#key", keys["reader"]["key"])
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()

    card = page.locator(f"{RESULT}[data-video-id={film}]").first
    expect(card).to_be_visible()
    poster = card.locator("video").get_attribute("poster")
    assert page.evaluate("url => fetch(url).then((answer) => answer.status)", poster) == 200
    start = float(card.get_attribute("data-start-s") or "nan")
    card.locator("button.play").click()
    assert card.locator("video").evaluate(PLAYED_PAST, start) > start
    expect(page.locator("#who-name")).to_have_text("the reader (reader)")
    expect(page.locator("#open-upload")).to_be_hidden()
    assert page.evaluate("document.cookie") == ""
    assert keys["reader"]["key"] not in page.evaluate(
        "JSON.stringify([localStorage, sessionStorage, document.body.innerHTML])"
    )

    page.reload()
    expect(card).to_be_visible()
    page.click("#sign-out")
    expect(dialog).to_be_visible()
    (cookies, problems) = (context.cookies(), broken)
    context.close()
    assert cookies == []
    assert problems == []


def test_who_deleted_a_video_is_in_the_audit_log(
    open_server: Server, keys: dict[str, dict[str, Any]], film: str
) -> None:
    assert open_server.http.delete(f"/v1/videos/{film}", headers=bearer(keys["editor"])).status_code == 204
    page = open_server.http.get("/v1/admin/audit", params={"limit": 1}, headers=bearer(keys["admin"])).json()
    (entry,) = page["entries"]
    assert (entry["action"], entry["subject"], entry["details"]) == ("video.deleted", film, {})
    assert entry["actor"] == f"key {keys['editor']['id']} (the editor)"
    params = {"limit": 1, "cursor": page["next_cursor"]}
    (before,) = open_server.http.get("/v1/admin/audit", params=params, headers=bearer(keys["admin"])).json()["entries"]
    assert before["id"] < entry["id"]
    wrong = open_server.http.get("/v1/admin/audit", params={"cursor": "x"}, headers=bearer(keys["admin"]))
    assert code_of(wrong) == (422, "bad_cursor")


def test_no_secret_is_in_any_log_or_in_the_library(
    open_server: Server, open_home: Path, keys: dict[str, dict[str, Any]], film: str
) -> None:
    """Last of all: what was written while the tests above used, mistyped, rotated and revoked keys."""
    cookie = open_server.http.post("/v1/session", json={"key": keys["editor"]["key"]})
    ((_, value),) = dict(cookie.cookies).items()
    open_server.http.cookies.clear()
    for wrong in (
        {"key": keys["editor"]["key"], "token": "x"},
        {"key": [keys["editor"]["key"]]},
        [keys["editor"]["key"]],
    ):
        answer = open_server.http.post("/v1/session", json=wrong)
        assert answer.status_code == 422
        assert keys["editor"]["key"] not in answer.text
    assert run("keys", "revoke", keys["reader"]["key"], "--home", str(open_home)).stderr.count("mmv_") == 0
    secrets = [key["key"].rsplit("_", 1)[1] for key in keys.values()] + [value.split(".")[1]]
    secrets.append((open_home / "admin-token").read_text().strip())
    written = [
        open_server.log,
        *(path for path in open_home.rglob("*") if path.is_file() and path.name != "admin-token"),
    ]
    assert len(written) > 5
    for path in written:
        held = path.read_bytes()
        for secret in secrets:
            assert secret.encode() not in held, f"a secret is in {path.name}"
