"""API keys, sessions, one-time links and the audit log in the catalogue, on SQLite and PostgreSQL."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from service import audit
from service.catalogue import Catalogue
from service.catalogue.keys import KeyOver
from service.catalogue.paging import BadCursor
from service.catalogue.tables import KeyRow, SessionRow
from service.keys import create_key, digest, key_id_of, matches, parse_duration, rotate_key, session_id_of

SOON = timedelta(hours=1)


def stored(catalogue: Catalogue, text: str) -> tuple[bool, bool]:
    """Whether a text is a key's current secret, and whether it is its previous one."""
    key_id = key_id_of(text)
    assert key_id is not None
    found = catalogue.stored_key(key_id)
    assert found is not None
    return matches(text, found.sha256), matches(text, found.previous_sha256)


def actions(catalogue: Catalogue) -> list[tuple[str, str, str | None]]:
    return [(entry.actor, entry.action, entry.subject) for entry in catalogue.audit()[0]]


def test_a_key_is_kept_as_a_digest_alone(any_library: Catalogue) -> None:
    issued = create_key(any_library, "editor", "me", name="  the\n cutter\0 ", scopes=("uploads",))
    assert key_id_of(issued.text) == issued.key.id
    assert (issued.key.role, issued.key.name, issued.key.scopes) == ("editor", "the cutter", ("uploads",))
    secret = issued.text.rsplit("_", 1)[1]
    assert len(bytes.fromhex(secret)) == 32
    with any_library._database.read() as session:
        row = session.scalars(select(KeyRow)).one()
        kept = repr([getattr(row, column.key) for column in KeyRow.__table__.columns])
    assert secret not in kept
    assert digest(issued.text) in kept
    assert stored(any_library, issued.text) == (True, False)
    assert not matches(issued.text[:-1] + ("0" if issued.text[-1] != "0" else "1"), digest(issued.text))


@pytest.mark.parametrize("text", ["", "mmv_", "mmv_abc_def", "x" * 81, "mmv_" + "g" * 12 + "_" + "0" * 64, "k" * 5000])
def test_what_is_no_key_has_no_id(text: str) -> None:
    assert key_id_of(text) is None
    assert session_id_of(text) is None


def test_keys_are_valid_until_they_expire_or_are_revoked(any_library: Catalogue) -> None:
    now = datetime.now(UTC)
    assert (any_library.any_key(), any_library.valid_keys()) == (False, 0)
    old = create_key(any_library, "reader", "me", expires_at=now - SOON).key
    key = create_key(any_library, "reader", "me", expires_at=now + SOON).key
    assert (any_library.any_key(), any_library.valid_keys()) == (True, 1)
    assert (old.status(now), key.status(now), key.status(now + SOON)) == ("expired", "active", "expired")
    for _ in range(2):
        revoked = any_library.revoke_key(key.id, "me")
        assert revoked is not None
        assert revoked.status(now) == "revoked"
    assert (any_library.any_key(), any_library.valid_keys()) == (True, 0)
    assert any_library.revoke_key("0" * 12, "me") is None
    assert [action for _, action, _ in actions(any_library)] == ["key.revoked", "key.created", "key.created"]


def test_a_forgotten_key_is_as_if_it_had_never_been(any_library: Catalogue) -> None:
    key = create_key(any_library, "reader", "me").key
    assert any_library.forget_key(key.id, "me")
    assert not any_library.forget_key(key.id, "me")
    assert not any_library.any_key()
    assert actions(any_library)[0] == ("me", "key.forgotten", key.id)


def test_a_rotated_key_has_a_new_secret_and_the_old_one_for_its_grace_alone(any_library: Catalogue) -> None:
    first = create_key(any_library, "admin", "me")
    second = rotate_key(any_library, first.key.id, "me", grace=SOON)
    assert second is not None
    assert (second.key.id, second.key.role) == (first.key.id, "admin")
    assert stored(any_library, first.text) == (False, True)
    assert stored(any_library, second.text) == (True, False)
    found = any_library.stored_key(first.key.id)
    assert found is not None
    assert found.previous_until is not None
    assert abs(found.previous_until - datetime.now(UTC) - SOON) < timedelta(minutes=1)
    third = rotate_key(any_library, first.key.id, "me")
    assert third is not None
    assert stored(any_library, second.text) == (False, False)
    any_library.revoke_key(first.key.id, "me")
    with pytest.raises(KeyOver):
        rotate_key(any_library, first.key.id, "me")
    assert rotate_key(any_library, "0" * 12, "me") is None


def test_the_use_of_a_key_is_noted_once_a_minute(any_library: Catalogue) -> None:
    key = create_key(any_library, "reader", "me").key

    def last_used() -> datetime | None:
        return any_library.keys()[0].last_used_at

    assert last_used() is None
    any_library.key_used(key.id)
    first = last_used()
    any_library.key_used(key.id)
    assert first is not None
    assert last_used() == first
    with any_library._database.write() as session:
        row = session.get(KeyRow, key.id)
        assert row is not None
        row.last_used_at = first - timedelta(seconds=61)
    any_library.key_used(key.id)
    assert (last_used() or first) >= first


def open_session(catalogue: Catalogue, name: str, text: str | None = None, life: timedelta = SOON) -> bool:
    """A session named `name`, by the key with this text."""
    by = catalogue.stored_key(key_id_of(text) or "") if text is not None else None
    return catalogue.add_session(name, digest(name), datetime.now(UTC) + life, by)


def test_a_session_ends_with_its_key(any_library: Catalogue) -> None:
    issued = create_key(any_library, "reader", "me")
    assert open_session(any_library, "s", issued.text)
    session = any_library.stored_session("s")
    assert session is not None
    assert session.key == issued.key
    any_library.revoke_key(issued.key.id, "me")
    assert any_library.stored_session("s") is None
    assert not open_session(any_library, "t", issued.text)


def test_a_session_that_was_opened_with_the_old_secret_ends_with_it(any_library: Catalogue) -> None:
    issued = create_key(any_library, "reader", "me")
    by = any_library.stored_key(issued.key.id)
    open_session(any_library, "s", issued.text, timedelta(days=30))
    rotate_key(any_library, issued.key.id, "me", grace=timedelta(minutes=5))
    session = any_library.stored_session("s")
    assert session is not None
    assert session.expires_at < datetime.now(UTC) + timedelta(minutes=6)
    # Who asked with the old secret just before the rotation comes too late.
    assert not any_library.add_session("late", digest("late"), datetime.now(UTC) + SOON, by)
    rotate_key(any_library, issued.key.id, "me")
    session = any_library.stored_session("s")
    assert session is None or session.expires_at <= datetime.now(UTC)


def test_sessions_do_not_pile_up(any_library: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.catalogue.keys.MOST_SESSIONS", 3)
    issued = create_key(any_library, "reader", "me")
    open_session(any_library, "over", life=-SOON)
    open_session(any_library, "admin")
    for number in range(5):
        assert open_session(any_library, f"s{number}", issued.text)
    with any_library._database.read() as session:
        names = set(session.scalars(select(SessionRow.id)))
    assert names == {"admin", "s2", "s3", "s4"}
    assert any_library.end_all_sessions("me") == 4


def test_a_link_opens_one_session_however_many_try_at_once(any_library: Catalogue) -> None:
    any_library.add_link(digest("token"), datetime.now(UTC) + SOON, "me")
    opened: list[bool] = []
    barrier = threading.Barrier(6)

    def redeem(number: int) -> None:
        barrier.wait()
        name = f"s{number}"
        opened.append(
            any_library.redeem_link(digest("token"), name, digest(name), datetime.now(UTC) + SOON, f"session {name}")
        )

    threads = [threading.Thread(target=redeem, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened) == [False] * 5 + [True]
    assert [action for _, action, _ in actions(any_library)] == ["session.opened", "link.made"]


def test_a_link_that_is_too_old_opens_nothing(any_library: Catalogue) -> None:
    assert not any_library.any_link()
    any_library.add_link(digest("token"), datetime.now(UTC) - timedelta(seconds=1), "me")
    assert any_library.any_link()
    assert not any_library.redeem_link(digest("token"), "s", digest("s"), datetime.now(UTC) + SOON, "session s")
    assert any_library.stored_session("s") is None


def test_the_audit_log_is_read_newest_first_by_cursor(any_library: Catalogue) -> None:
    for number in range(7):
        audit.record(any_library, "me", "bundle.promoted", f"bundle {number}", {"number": number})
    seen: list[int] = []
    cursor = None
    while True:
        entries, cursor = any_library.audit(limit=3, cursor=cursor)
        seen += [entry.details["number"] for entry in entries]
        if cursor is None:
            break
        audit.record(any_library, "me", "bundle.promoted", "later")  # shifts nothing
    assert seen == [6, 5, 4, 3, 2, 1, 0]
    assert entries[0].actor == "me"
    assert abs(entries[0].at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("cursor", ["", "x", "YXVkaXQ6", "YXVkaXQ6LTE", "YXVkaXQ6MWUz", "éé", "e30"])
def test_a_cursor_of_another_listing_is_refused(library: Catalogue, cursor: str) -> None:
    with pytest.raises(BadCursor):
        library.audit(cursor=cursor)


@pytest.mark.parametrize(
    ("said", "seconds"), [("90s", 90), ("30m", 1800), ("12h", 43200), ("30d", 2592000), (" 8W ", 4838400)]
)
def test_time_spans(said: str, seconds: int) -> None:
    assert parse_duration(said) == timedelta(seconds=seconds)


@pytest.mark.parametrize("said", ["", "30", "d", "0d", "-3d", "1.5h", "9999999d", "4000d", "3 months"])
def test_what_is_no_time_span_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match=r"time span|longer"):
        parse_duration(said)
