"""What is served, what is to be served next, and the one transaction that makes the second the first.

`servings` is the truth for all processes of a library: its row with the largest number. Everything else that says what
is served (the pointer in the index folder, `home/active-bundle`) follows from it and is put right by `swaps.settle`.

There is at most one candidate. Its states, in their order:

    embedding   videos are embedded with its bundle (promotions alone)
    building    its index generation is read from the catalogue and written
    comparing   the generation is checked, and golden queries are asked of old and new
    ready       it waits for an administrator, who confirms or discards it
    closing     what came in meanwhile is embedded; new videos are stored with both bundles from now on
    refused     a check failed: it can only be discarded, or made anew

and `stopped`, which is not stored: its job is over (cancelled, failed) and it can be gone on with by starting it again.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.catalogue.audit import append_audit
from service.catalogue.engine import Database
from service.catalogue.jobs import ACTIVE, JobLost, job_from_row, new_job_row
from service.catalogue.records import Candidate, Job, JobKind, Served, Video
from service.catalogue.segments import append_change
from service.catalogue.tables import CandidateRow, GoldenQueryRow, JobRow, SegmentRow, ServingRow, VideoRow
from service.catalogue.videos import _waiting_for, video_from_row

WORKING = ("embedding", "building", "comparing", "closing")


class SwapBusy(Exception):
    """Another candidate is being made, or waits to be confirmed; the message says which."""


class SwapOutdated(Exception):
    """The candidate does not fit what is served now; the message says why."""


class NoCandidate(Exception):
    """There is nothing to confirm or to discard; the message says what there is instead."""


class NothingToGoBackTo(Exception):
    """Nothing is kept from before; the message says why."""


def _newest(session: Session) -> ServingRow:
    row = session.scalars(select(ServingRow).order_by(ServingRow.number.desc()).limit(1)).first()
    if row is None:
        raise LookupError("nothing is served yet: `bundles.ensure_serving` comes first")
    return row


def _served(row: ServingRow) -> Served:
    return Served(
        number=row.number,
        bundle=row.bundle,
        bundle_name=row.bundle_name,
        generation=row.generation,
        parent_generation=row.parent_generation,
        previous_bundle=row.previous_bundle,
        previous_name=row.previous_name,
        previous_generation=row.previous_generation,
        pinned=row.pinned,
        reason=row.reason,
        job_id=row.job_id,
        switched_at=row.switched_at,
    )


def _append(session: Session, now: Served, reason: str, job_id: str | None = None, **changes: Any) -> Served:
    """Within the caller's transaction: serve what `changes` make of what is served now."""
    changed = replace(
        now, number=now.number + 1, reason=reason, job_id=job_id, switched_at=datetime.now(UTC), **changes
    )
    session.add(ServingRow(**vars(changed)))
    session.flush()
    return changed


def _queue_tidying(session: Session, *, vectors: bool) -> Job:
    """Within the caller's transaction: the job that removes generations, and also `vectors`, that are not kept."""
    payload = {"vectors": vectors}
    for row in session.scalars(select(JobRow).where(JobRow.kind == "tidy", JobRow.status == "queued")):
        if row.payload == payload:
            return job_from_row(row)
    row = new_job_row("tidy", None, payload)
    session.add(row)
    session.flush()
    return job_from_row(row)


def _candidate(session: Session, row: CandidateRow) -> Candidate:
    state = row.state
    if state in WORKING:
        job = session.get(JobRow, row.job_id)
        if job is None or job.status not in ACTIVE:
            state = "ready" if state == "closing" else "stopped"
    return Candidate(
        kind=row.kind,  # type: ignore[arg-type]  # only this module writes them
        bundle=row.bundle,
        bundle_name=row.bundle_name,
        generation=row.generation,
        state=state,
        job_id=row.job_id,
        report=row.report,
        created_at=row.created_at,
    )


def _of_job(session: Session, job: Job) -> CandidateRow:
    """The candidate that a running job makes. Raises JobLost and SwapOutdated."""
    row = session.get(JobRow, job.id)
    if row is None or (row.status, row.worker) != ("running", job.worker):
        raise JobLost(job.id)
    candidate = session.get(CandidateRow, 1)
    if candidate is None or candidate.job_id != job.id:
        raise SwapOutdated("The candidate was discarded or replaced by another meanwhile.")
    return candidate


class SwapQueries:
    """The part of the catalogue that says what is served; every method is one transaction."""

    _database: Database

    def served(self) -> Served | None:
        """What is searched; None in a library that was never opened by a service of this version."""
        with self._database.read() as session:
            row = session.scalars(select(ServingRow).order_by(ServingRow.number.desc()).limit(1)).first()
            return None if row is None else _served(row)

    def served_by_job(self, job_id: str) -> Served | None:
        """The switch that a job made, if it came that far."""
        with self._database.read() as session:
            row = session.scalars(select(ServingRow).where(ServingRow.job_id == job_id)).first()
            return None if row is None else _served(row)

    def begin_serving(
        self, bundle: str, name: str, generation: str | None, parent: str | None, *, pinned: bool = False
    ) -> Served:
        """What is served, by these words unless something was said already."""
        with self._database.write() as session:
            row = session.scalars(select(ServingRow).order_by(ServingRow.number.desc()).limit(1)).first()
            if row is not None:
                return _served(row)
            nothing = Served(0, bundle, name, None, None, None, None, None, pinned, "", None, datetime.now(UTC))
            return _append(session, nothing, "first", generation=generation, parent_generation=parent)

    def switch_at_once(
        self, bundle: str, name: str, reason: str, *, pinned: bool = False, actor: str | None = None
    ) -> Served:
        """Serves another bundle at once, with what vectors of it there are; the same one is left as it is.

        Vectors of all bundles are kept: going back loses nothing. Here and below: what an `actor` asked for is in the
        audit log by the same transaction.
        """
        with self._database.write() as session:
            now = _served(_newest(session))
            if now.bundle == bundle:
                return now
            if actor is not None:
                append_audit(session, actor, "bundle.promoted", bundle, {"at_once": True})
            _queue_tidying(session, vectors=False)
            return _append(
                session,
                now,
                reason,
                bundle=bundle,
                bundle_name=name,
                generation=now.previous_generation if bundle == now.previous_bundle else None,
                parent_generation=None,
                previous_bundle=now.bundle,
                previous_name=now.bundle_name,
                previous_generation=now.generation,
                pinned=pinned,
            )

    def candidate(self) -> Candidate | None:
        """What is to be served next, if anything is."""
        with self._database.read() as session:
            row = session.get(CandidateRow, 1)
            return None if row is None else _candidate(session, row)

    def closing_bundle(self) -> str | None:
        """The bundle that new videos are to be stored with beside the one that is served, if there is one."""
        with self._database.read() as session:
            row = session.get(CandidateRow, 1)
            closing = row is not None and (row.kind, row.state) == ("promote", "closing")
            return row.bundle if row is not None and closing and _candidate(session, row).state == "closing" else None

    def start_swap(
        self, kind: JobKind, bundle: str, name: str, payload: dict[str, Any], actor: str | None = None
    ) -> Job:
        """Queues the job that makes a candidate, or gives the one that is at it.

        One that was stopped is gone on with. Raises SwapBusy, also for the same candidate when it is to be held and the
        job that is at it would switch by itself.
        """
        with self._database.write() as session:
            row = session.get(CandidateRow, 1)
            if row is not None:
                there = _candidate(session, row)
                same = (there.kind, there.bundle) == (kind, bundle)
                job = session.get(JobRow, row.job_id)
                if job is not None and job.status in ACTIVE and same:
                    if job.payload.get("auto", True) and not payload.get("auto", True):
                        raise SwapBusy(f"{_busy(there)} It switches by itself when it is done.")
                    return job_from_row(job)
                if there.state in (*WORKING, "ready") or (job is not None and job.status in ACTIVE):
                    raise SwapBusy(_busy(there))
                if not same or there.state == "refused":
                    session.delete(row)
                    session.flush()
                    row = None
            job = new_job_row(kind, None, payload)
            session.add(job)
            state = "embedding" if kind == "promote" else "building"
            if row is None:
                session.add(
                    CandidateRow(
                        id=1,
                        kind=kind,
                        bundle=bundle,
                        bundle_name=name,
                        state=state,
                        job_id=job.id,
                        created_at=datetime.now(UTC),
                    )
                )
            else:
                row.job_id, row.state = job.id, state
            if actor is not None and kind == "promote":
                said = {"auto": payload["auto"], "job": job.id}
                append_audit(session, actor, "bundle.promoted", bundle, said)
            elif actor is not None:
                append_audit(session, actor, "index.rebuild_started", job.id, {"auto": payload["auto"]})
            session.flush()
            return job_from_row(job)

    def adopt_swap(self, job: Job, bundle: str, name: str) -> Candidate:
        """The candidate of a job that has just begun; a job that was queued by itself (`create_job`) gets one now.

        Raises JobLost, SwapBusy when another candidate is in the way, SwapOutdated when its own was discarded.
        """
        with self._database.write() as session:
            row = session.get(CandidateRow, 1)
            if row is None or row.job_id != job.id:
                if "bundle" in job.payload:  # it had one
                    raise SwapOutdated("The candidate was discarded or replaced by another meanwhile.")
                there = None if row is None else _candidate(session, row)
                if there is not None and there.state in (*WORKING, "ready"):
                    raise SwapBusy(_busy(there))
                if row is not None:
                    session.delete(row)
                    session.flush()
                row = CandidateRow(
                    id=1,
                    kind=job.kind,
                    bundle=bundle,
                    bundle_name=name,
                    state="building",
                    job_id=job.id,
                    created_at=datetime.now(UTC),
                )
                session.add(row)
                session.flush()
            return _candidate(session, _of_job(session, job))

    def advance_candidate(
        self, job: Job, state: str, *, generation: str | None = None, report: dict[str, Any] | None = None
    ) -> None:
        """Notes how far the running job has come with its candidate. Raises JobLost and SwapOutdated."""
        with self._database.write() as session:
            row = _of_job(session, job)
            row.state = state
            if generation is not None:
                row.generation = generation
            if report is not None:
                row.report = report

    def confirm_candidate(self, actor: str | None = None) -> Job:
        """Queues the job that switches to the candidate, or gives the one that is at it. Raises NoCandidate.

        What is accepted by it are the videos that the report names as not embedded, and no others.
        """
        with self._database.write() as session:
            row = session.get(CandidateRow, 1)
            if row is None:
                raise NoCandidate("There is no candidate.")
            job = session.get(JobRow, row.job_id)
            if job is not None and job.status in ACTIVE and job.payload.get("confirmed"):
                return job_from_row(job)
            state = _candidate(session, row).state
            if state != "ready" or (job is not None and job.status in ACTIVE):
                raise NoCandidate(f"The candidate is not ready to be confirmed: it is {state}.")
            job = new_job_row(
                row.kind,  # type: ignore[arg-type]
                None,
                {
                    "bundle": row.bundle,
                    "auto": True,
                    "confirmed": True,
                    "accept": sorted((row.report or {}).get("not_embedded", ())),
                },
            )
            session.add(job)
            row.job_id, row.state = job.id, "ready"
            if actor is not None:
                append_audit(session, actor, "index.promoted", job.id)
            session.flush()
            return job_from_row(job)

    def discard_candidate(self, actor: str | None = None) -> tuple[Candidate, Job]:
        """Forgets the candidate and cancels its job; also the job that removes what was made for it.

        Raises NoCandidate.
        """
        with self._database.write() as session:
            row = session.get(CandidateRow, 1)
            if row is None:
                raise NoCandidate("There is no candidate.")
            gone = _candidate(session, row)
            job = session.get(JobRow, row.job_id)
            if job is not None and job.status in ACTIVE:
                job.status, job.finished_at = "cancelled", datetime.now(UTC)
            session.delete(row)
            if actor is not None:
                append_audit(session, actor, "index.discarded", gone.generation, {"bundle": gone.bundle_name})
            session.flush()
            return gone, _queue_tidying(session, vectors=True)

    def switch(self, job: Job, *, accept: Collection[str] = ()) -> Served | None:
        """Serves the running job's candidate from now on: the one switch, for all processes.

        None, with nothing changed, while ready videos other than those to `accept` have no segments of its bundle.
        The job's result says so, and the job that removes what is not kept any more is queued. Raises JobLost and
        SwapOutdated.
        """
        with self._database.write() as session:
            row = _of_job(session, job)
            now = _served(_newest(session))
            if row.kind == "promote":
                if now.bundle == row.bundle:
                    raise SwapOutdated(f"The bundle {row.bundle_name} is served already.")
                if set(session.scalars(_waiting_for(row.bundle))) - set(accept):
                    return None
                changed = _append(
                    session,
                    now,
                    "promote",
                    job.id,
                    bundle=row.bundle,
                    bundle_name=row.bundle_name,
                    generation=row.generation,
                    parent_generation=None,
                    previous_bundle=now.bundle,
                    previous_name=now.bundle_name,
                    previous_generation=now.generation,
                    pinned=False,
                )
            else:
                if now.bundle != row.bundle:
                    raise SwapOutdated(f"The bundle {now.bundle_name} is served now, not {row.bundle_name}.")
                changed = _append(
                    session, now, "rebuild", job.id, generation=row.generation, parent_generation=now.generation
                )
            done = session.get(JobRow, job.id)
            assert done is not None
            done.result = {**(row.report or {}), "state": "switched", "number": changed.number}
            session.delete(row)
            _queue_tidying(session, vectors=row.kind == "promote")
            return changed

    def roll_back_bundle(self, actor: str | None = None) -> Served:
        """Serves the pair before the last promotion again; what is served now is kept to go forth to.

        Raises NothingToGoBackTo.
        """
        with self._database.write() as session:
            now = _served(_newest(session))
            if now.previous_bundle is None:
                raise NothingToGoBackTo(f"No bundle is kept from before {now.bundle_name}.")
            if actor is not None:
                append_audit(session, actor, "bundle.rolled_back", now.previous_name)
            _queue_tidying(session, vectors=False)
            return _append(
                session,
                now,
                "rollback",
                bundle=now.previous_bundle,
                bundle_name=now.previous_name,
                generation=now.previous_generation,
                parent_generation=None,
                previous_bundle=now.bundle,
                previous_name=now.bundle_name,
                previous_generation=now.generation,
                pinned=False,
            )

    def roll_back_index(self, actor: str | None = None) -> Served:
        """Serves the generation before the last rebuild again, of the same bundle. Raises NothingToGoBackTo."""
        with self._database.write() as session:
            now = _served(_newest(session))
            if now.parent_generation is None:
                raise NothingToGoBackTo(
                    f"No index generation of the bundle {now.bundle_name} is kept from before {now.generation}."
                )
            if actor is not None:
                append_audit(session, actor, "index.rolled_back", now.parent_generation)
            _queue_tidying(session, vectors=False)
            return _append(session, now, "rollback", generation=now.parent_generation, parent_generation=now.generation)

    def retained_generations(self) -> tuple[str | None, set[str]]:
        """The generation that is served, and all that are kept: also those to go back to and the candidate's."""
        with self._database.read() as session:
            row = session.scalars(select(ServingRow).order_by(ServingRow.number.desc()).limit(1)).first()
            if row is None:
                return None, set()
            coming = session.get(CandidateRow, 1)
            names = {row.generation, row.parent_generation, row.previous_generation}
            names.add(None if coming is None else coming.generation)
            return row.generation, {name for name in names if name is not None}

    def replace_generation(self, old: str, new: str) -> bool:
        """Puts a copy in the place of a retained generation, wherever that is named. False when it is nowhere.

        Raises SwapBusy while a candidate that it belongs to is being worked on.
        """
        with self._database.write() as session:
            now = _served(_newest(session))
            names = ("generation", "parent_generation", "previous_generation")
            changes = {name: new for name in names if getattr(now, name) == old}
            if changes:
                _append(session, now, "erasure", **changes)
            row = session.get(CandidateRow, 1)
            if row is not None and row.generation == old:
                there = _candidate(session, row)
                if there.state in WORKING:
                    raise SwapBusy(_busy(there))
                row.generation = new
                return True
            return bool(changes)

    def collect_garbage(self, videos: int = 20) -> int:
        """Deletes segments of bundles that are neither served, kept to go back to, nor coming; how many went.

        At most those of some videos at once, so that nobody waits long: to be called until it is 0. Doing it again, and
        being killed in between, does no harm, as what is kept is looked up each time.
        """
        with self._database.write() as session:
            now = _served(_newest(session))
            coming = session.get(CandidateRow, 1)
            kept = {now.bundle, now.previous_bundle, None if coming is None else coming.bundle} - {None}
            garbage = SegmentRow.bundle.not_in(kept)
            pairs = session.execute(
                select(SegmentRow.video_id, SegmentRow.bundle).where(garbage).distinct().limit(videos)
            ).all()
            gone = 0
            for video_id, bundle in pairs:
                chosen = (SegmentRow.video_id == video_id, SegmentRow.bundle == bundle)
                ids = list(session.scalars(select(SegmentRow.id).where(*chosen).order_by(SegmentRow.id)))
                session.execute(delete(SegmentRow).where(*chosen))
                append_change(session, "remove", video_id, bundle, ids)
                gone += len(ids)
            return gone

    def waiting_videos(self, bundle: str, passed: Collection[str] = (), limit: int = 100) -> list[Video]:
        """Some ready videos without segments of a bundle, oldest first, but for those `passed` over."""
        with self._database.read() as session:
            waiting = [video_id for video_id in session.scalars(_waiting_for(bundle)) if video_id not in passed]
            found: list[Video] = []
            for first in range(0, len(waiting), 500):
                rows = session.scalars(select(VideoRow).where(VideoRow.id.in_(waiting[first : first + 500])))
                found += [video_from_row(row) for row in rows]
            return sorted(found, key=lambda video: (video.created_at, video.id))[:limit]

    def is_waiting(self, video_id: str, bundle: str) -> bool:
        """Whether a video is ready and has no segments of a bundle."""
        with self._database.read() as session:
            return session.scalars(_waiting_for(bundle).where(VideoRow.id == video_id)).first() is not None

    def golden_queries(self) -> list[str]:
        """The administrator's golden queries."""
        with self._database.read() as session:
            return list(session.scalars(select(GoldenQueryRow.query).order_by(GoldenQueryRow.position)))

    def set_golden_queries(self, queries: Sequence[str], actor: str | None = None) -> None:
        """Puts these in the place of the administrator's golden queries."""
        with self._database.write() as session:
            session.execute(delete(GoldenQueryRow))
            session.add_all(GoldenQueryRow(position=i, query=query) for i, query in enumerate(queries))
            if actor is not None:
                append_audit(session, actor, "golden_queries.set", None, {"queries": len(queries)})


def _busy(there: Candidate) -> str:
    """What is in the way, and what to do about it."""
    what = f"A promotion of {there.bundle_name}" if there.kind == "promote" else "A rebuild of the index"
    if there.state == "ready":
        return f"{what} is ready and waits: confirm it or discard it first."
    return f"{what} is under way (job {there.job_id}): wait for it, or discard it."
