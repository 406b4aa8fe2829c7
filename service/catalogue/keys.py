"""Queries about API keys, the sessions of pages, and one-time links. Secrets are here as SHA-256 alone."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import and_, delete, exists, func, or_, select, update
from sqlalchemy.engine import CursorResult

from service.catalogue.audit import append_audit
from service.catalogue.engine import Database
from service.catalogue.records import ApiKey, Role, StoredKey, StoredSession
from service.catalogue.tables import KeyRow, LinkRow, SessionRow

# A key in use is written to this often, not with each call.
USED_EVERY = timedelta(minutes=1)

# Pages that are signed in with one key; one more signs the oldest out.
MOST_SESSIONS = 50
# Asked with every request that shows no key.
_ANY_KEY = select(exists(select(KeyRow.id)))


class KeyOver(Exception):
    """The key was revoked or has expired, so it can be given no new secret."""


def key_from_row(row: KeyRow) -> ApiKey:
    """The plain value of a row."""
    return ApiKey(
        id=row.id,
        name=row.name,
        role=row.role,  # type: ignore[arg-type]  # only this module writes them
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        rotated_at=row.rotated_at,
        last_used_at=row.last_used_at,
    )


class KeyQueries:
    """The part of the catalogue that says who may call; every method is one transaction.

    Nothing of it is kept in memory: a key that is revoked here, by whatever process, is of no use from then on.
    """

    _database: Database

    def add_key(
        self,
        key_id: str,
        sha256: str,
        role: Role,
        actor: str,
        name: str = "",
        scopes: tuple[str, ...] = (),
        expires_at: datetime | None = None,
    ) -> ApiKey:
        """Keeps a new key; `service.keys.create_key` makes one."""
        with self._database.write() as session:
            row = KeyRow(
                id=key_id,
                name=name,
                role=role,
                scopes=list(scopes),
                sha256=sha256,
                created_at=datetime.now(UTC),
                created_by=actor,
                expires_at=expires_at,
            )
            session.add(row)
            until = expires_at.isoformat() if expires_at else None
            said = {"name": name, "role": role, "scopes": list(scopes), "expires_at": until}
            append_audit(session, actor, "key.created", key_id, said)
            session.flush()
            return key_from_row(row)

    def any_key(self) -> bool:
        """Whether a key was ever made (and not forgotten): then calls need one, also when none is valid any more."""
        with self._database.read() as session:
            return bool(session.scalar(_ANY_KEY))

    def valid_keys(self) -> int:
        """How many keys are neither revoked nor expired."""
        valid = or_(KeyRow.expires_at.is_(None), KeyRow.expires_at > datetime.now(UTC))
        with self._database.read() as session:
            return session.scalar(select(func.count()).where(KeyRow.revoked_at.is_(None), valid)) or 0

    def keys(self) -> list[ApiKey]:
        """All keys, newest first."""
        with self._database.read() as session:
            rows = session.scalars(select(KeyRow).order_by(KeyRow.created_at.desc(), KeyRow.id))
            return [key_from_row(row) for row in rows]

    def stored_key(self, key_id: str) -> StoredKey | None:
        """A key with its digests, to check one against; None when there is none of this id."""
        with self._database.read() as session:
            row = session.get(KeyRow, key_id)
            if row is None:
                return None
            return StoredKey(key_from_row(row), row.sha256, row.previous_sha256, row.previous_until)

    def revoke_key(self, key_id: str, actor: str) -> ApiKey | None:
        """Makes a key invalid, with the sessions that it opened; None when there is no such key."""
        with self._database.write() as session:
            row = session.get(KeyRow, key_id)
            if row is None:
                return None
            if row.revoked_at is None:
                row.revoked_at = datetime.now(UTC)
                session.execute(delete(SessionRow).where(SessionRow.key_id == key_id))
                append_audit(session, actor, "key.revoked", key_id, {"name": row.name, "role": row.role})
            session.flush()
            return key_from_row(row)

    def forget_key(self, key_id: str, actor: str) -> bool:
        """Removes a key altogether; without any, calls on loopback need none again. False when there is no such key."""
        with self._database.write() as session:
            row = session.get(KeyRow, key_id)
            if row is None:
                return False
            append_audit(session, actor, "key.forgotten", key_id, {"name": row.name, "role": row.role})
            session.execute(delete(SessionRow).where(SessionRow.key_id == key_id))
            session.delete(row)
            return True

    def replace_key_secret(self, key_id: str, sha256: str, grace: timedelta, actor: str) -> ApiKey | None:
        """Puts a new secret in the place of the old, which is valid for `grace` more; None when there is no such key.

        Sessions that were opened with the old one end with it. Raises KeyOver.
        """
        now = datetime.now(UTC)
        with self._database.write() as session:
            row = session.get(KeyRow, key_id)
            if row is None:
                return None
            if key_from_row(row).status(now) != "active":
                raise KeyOver(key_id)
            row.previous_sha256, row.previous_until = (row.sha256, now + grace) if grace else (None, None)
            row.sha256, row.rotated_at = sha256, now
            opened = SessionRow.key_id == key_id
            later = SessionRow.expires_at > now + grace
            session.execute(update(SessionRow).where(opened, later).values(expires_at=now + grace))
            append_audit(session, actor, "key.rotated", key_id, {"grace_s": grace.total_seconds()})
            session.flush()
            return key_from_row(row)

    def key_used(self, key_id: str) -> None:
        """Notes that a key is in use, unless that was noted within the last minute."""
        now = datetime.now(UTC)
        stale = or_(KeyRow.last_used_at.is_(None), KeyRow.last_used_at < now - USED_EVERY)
        with self._database.write() as session:
            session.execute(update(KeyRow).where(KeyRow.id == key_id, stale).values(last_used_at=now))

    # ---- sessions of pages

    def add_session(self, session_id: str, sha256: str, expires_at: datetime, by: StoredKey | None = None) -> bool:
        """Keeps a page's session, and drops those that are over. Without a key it is an admin's.

        False when the key, as it was read, is no longer what it is now: nothing is kept then.
        """
        now = datetime.now(UTC)
        with self._database.write() as session:
            if by is not None:
                row = session.get(KeyRow, by.key.id)
                if row is None or row.sha256 != by.sha256 or key_from_row(row).status(now) != "active":
                    return False
            key_id = by.key.id if by is not None else None
            of_key = SessionRow.key_id == key_id if key_id is not None else SessionRow.key_id.is_(None)
            newest = select(SessionRow.id).where(of_key).order_by(SessionRow.created_at.desc()).limit(MOST_SESSIONS - 1)
            kept = list(session.scalars(newest))
            session.execute(
                delete(SessionRow).where(or_(SessionRow.expires_at <= now, and_(of_key, SessionRow.id.not_in(kept))))
            )
            session.add(SessionRow(id=session_id, sha256=sha256, key_id=key_id, created_at=now, expires_at=expires_at))
            return True

    def stored_session(self, session_id: str) -> StoredSession | None:
        """A session with its key as that now is; None when there is none of this id."""
        with self._database.read() as session:
            row = session.get(SessionRow, session_id)
            if row is None:
                return None
            key = session.get(KeyRow, row.key_id) if row.key_id is not None else None
            return StoredSession(row.id, row.sha256, row.expires_at, key_from_row(key) if key else None)

    def end_session(self, session_id: str) -> None:
        """Signs a page out."""
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.id == session_id))

    def end_all_sessions(self, actor: str) -> int:
        """Signs every page out; how many there were."""
        with self._database.write() as session:
            result = session.execute(delete(SessionRow))
            assert isinstance(result, CursorResult)
            append_audit(session, actor, "sessions.ended", None, {"sessions": result.rowcount})
            return result.rowcount

    # ---- one-time links

    def any_link(self) -> bool:
        """Whether a one-time link was ever made."""
        with self._database.read() as session:
            return bool(session.scalar(select(exists(select(LinkRow.sha256)))))

    def add_link(self, sha256: str, expires_at: datetime, actor: str) -> None:
        """Keeps a one-time link."""
        with self._database.write() as session:
            session.add(LinkRow(sha256=sha256, created_at=datetime.now(UTC), expires_at=expires_at))
            append_audit(session, actor, "link.made", None, {"expires_at": expires_at.isoformat()})

    def redeem_link(self, sha256: str, session_id: str, session_sha256: str, expires_at: datetime, actor: str) -> bool:
        """Opens an admin's session by a one-time link. False when it was used, has expired, or never was."""
        now = datetime.now(UTC)
        with self._database.write() as session:
            result = session.execute(
                update(LinkRow)
                .where(LinkRow.sha256 == sha256, LinkRow.used_at.is_(None), LinkRow.expires_at > now)
                .values(used_at=now)
            )
            assert isinstance(result, CursorResult)
            if result.rowcount != 1:
                return False
            session.add(
                SessionRow(id=session_id, sha256=session_sha256, key_id=None, created_at=now, expires_at=expires_at)
            )
            append_audit(session, actor, "session.opened", session_id, {"by": "one-time link"})
            return True
