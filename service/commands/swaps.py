"""Bringing a model or an index generation into service from the command line: of a running service, or of a library at
rest, where the command does the work itself.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import httpx

from service import audit
from service.commands.common import CommandFailed, err, out
from service.settings import Settings

if TYPE_CHECKING:
    from service.catalogue import Catalogue, Job
    from service.commands.client import Client
    from service.swap_requests import SwapRequests

HERE = audit.COMMAND_LINE
POLL_S = 0.2
Report = Callable[[float, str], None]


def rebuild(settings: Settings, *, auto: bool) -> dict[str, Any]:
    """Rebuilds the index, and waits for it; the job's result. Raises CommandFailed."""
    return _swap(
        settings,
        lambda client: client.post("/v1/admin/index/rebuild", json={"auto": auto}),
        lambda requests: requests.rebuild(auto=auto),
    )


def rebuild_at_rest(settings: Settings, report: Report) -> dict[str, Any]:
    """Rebuilds the index of a library that no service runs for; what came out. Raises CommandFailed."""
    with at_rest(settings) as requests:
        return _work_here(settings, requests.catalogue, requests.rebuild(auto=True), report)


def confirm(settings: Settings) -> dict[str, Any]:
    """Switches to the candidate, and waits for it; the job's result. Raises CommandFailed."""
    return _swap(
        settings,
        lambda client: client.post("/v1/admin/index/candidate/confirm"),
        lambda requests: requests.confirm(),
    )


def roll_back(settings: Settings, what: Literal["index", "bundle"]) -> str:
    """Goes back to what was served before; one line about it. Raises CommandFailed."""
    from service.commands.client import find_service

    client = find_service(settings)
    if client is not None:
        with client:
            served = client.post(f"/v1/admin/{'index' if what == 'index' else 'bundles'}/rollback")
        name, generation, bundle = served["bundle"]["name"], served["generation"], served["bundle"]["fingerprint"]
    else:
        from service.swap_job import tidy_home

        with at_rest(settings) as requests:
            now = requests.roll_back(what)
            tidy_home(settings, requests.catalogue)
        name, generation, bundle = now.bundle_name, now.generation, now.bundle
    return f"searched again: {name} ({bundle[:12]}) with {generation or 'no index generation'}"


def candidate(settings: Settings) -> dict[str, Any]:
    """What is to be served next, as over HTTP. Raises CommandFailed."""
    from service.commands.client import find_service

    client = find_service(settings)
    if client is not None:
        with client:
            found: dict[str, Any] = client.get("/v1/admin/index/candidate")
        return found
    with at_rest(settings) as requests:
        there = requests.candidate()
    return {
        "kind": there.kind,
        "state": there.state,
        "bundle": {"name": there.bundle_name, "fingerprint": there.bundle},
        "generation": there.generation,
        "report": there.report,
    }


def discard(settings: Settings) -> None:
    """Forgets the candidate. Raises CommandFailed."""
    from service.commands.client import find_service

    client = find_service(settings)
    if client is not None:
        with client:
            client.delete("/v1/admin/index/candidate")
        return
    with at_rest(settings) as requests:
        requests.discard()


@contextlib.contextmanager
def at_rest(settings: Settings) -> Iterator["SwapRequests"]:
    """Requests to a library that no service runs for. What is refused becomes CommandFailed."""
    from service.bundles import ensure_serving
    from service.catalogue import open_catalogue
    from service.problems import Refused
    from service.swap_requests import SwapRequests

    with contextlib.closing(open_catalogue(settings)) as catalogue:
        ensure_serving(settings, catalogue, starting=True)
        try:
            yield SwapRequests(settings, catalogue, HERE)
        except Refused as refused:
            raise CommandFailed(refused.detail) from None


def wait_for(client: "Client", job: dict[str, Any]) -> dict[str, Any]:
    """The result of a service's job, when it is done. Raises CommandFailed when it is not to be."""
    with _progress() as report:
        while job["status"] in ("queued", "running"):
            report(job["progress"], job["stage"] or "")
            time.sleep(POLL_S)
            # The service may be started anew meanwhile: the job goes on then.
            with contextlib.suppress(httpx.TransportError):
                job = client.get(f"/v1/jobs/{job['id']}")
    if job["status"] != "done":
        raise CommandFailed(str((job["problem"] or {}).get("detail", f"the job was {job['status']}")))
    result: dict[str, Any] = job["result"] or {}
    return result


def tell(result: dict[str, Any]) -> None:
    """What a job gave: the generation, its checks, and how the golden queries' answers changed."""
    _print(f"generation {result.get('generation')}")
    for key, count in result.get("rows", {}).items():
        _print(f"  {key}: {count} vectors, recall@10 {result['recall_at_10'][key]:.3f}")
    _print(f"built in {result.get('build_seconds', 0):.2f} s")
    if failed := result.get("not_embedded"):
        _print(f"videos that cannot be embedded: {len(failed)} ({', '.join(sorted(set(failed.values())))})")
    _tell_golden(result.get("golden", {}))
    if result.get("state") == "ready":
        _print("Nothing is switched yet. See what changes: mmv-search index candidate; then mmv-search index confirm")
        _print("or mmv-search index discard.")


def _tell_golden(golden: dict[str, Any]) -> None:
    if golden.get("compared"):
        _print(f"golden queries: {golden['mean_overlap_at_10']:.2f} of the first ten stay, in {golden['compared']}")
    for kind, name in (("image", "stills"), ("audio", "sounds")):
        if known := golden.get("known_items", {}).get(kind):
            counts = f"{known['first_before']} of {known['asked']} before, {known['first_after']} after"
            _print(f"{name} of the library that find their own video first: {counts}")


def tell_candidate(found: dict[str, Any]) -> None:
    """A candidate with all that changes, query by query."""
    _print(f"{found['kind']} of {found['bundle']['name']} ({found['bundle']['fingerprint'][:12]}): {found['state']}")
    report = found.get("report") or {}
    for check in report.get("checks", []):
        _print(f"  {check['name']}: {'passed' if check['passed'] else 'FAILED'}: {check['detail']}")
    golden, titles = report.get("golden", {}), found.get("titles", {})
    for entry in golden.get("queries", []):
        asked = entry.get("query") or f"{entry['kind']} of {titles.get(entry['video_id'], entry['video_id'])}"
        overlap = entry["overlap_at_10"]
        if overlap is None:
            _print(f"  {asked!r}: before {entry.get('before', 'answered')}, after {entry.get('after', 'answered')}")
            continue
        _print(f"  {asked!r}: {overlap:.2f} stay")
        for sign, moments in (("-", entry["left"]), ("+", entry["came"])):
            for moment in moments:
                title = titles.get(moment["video_id"], moment["video_id"])
                _print(f"    {sign} {title} at {moment['start_s']:.1f} s")
    _tell_golden(golden)


def _swap(
    settings: Settings,
    over_http: Callable[["Client"], dict[str, Any]],
    here: Callable[["SwapRequests"], "Job"],
) -> dict[str, Any]:
    from service.commands.client import find_service

    client = find_service(settings)
    if client is not None:
        with client:
            return wait_for(client, over_http(client))
    with at_rest(settings) as requests:
        if waiting := requests.catalogue.queue_waiting(requests.catalogue.served().bundle):  # type: ignore[union-attr]
            err.print(f"videos queued to be taken in with this bundle: {len(waiting)}", highlight=False)
        job = here(requests)
        with _progress() as report:
            return _work_here(settings, requests.catalogue, job, report)


def _work_here(settings: Settings, catalogue: "Catalogue", job: "Job", show: Report) -> dict[str, Any]:
    """Does a swap's job in this process, as a worker would. Raises CommandFailed."""
    from models.bundle import BundleError
    from service.catalogue.jobs import JobLost
    from service.catalogue.swaps import SwapBusy, SwapOutdated
    from service.jobs.pulse import Pulse
    from service.media import confined
    from service.model_pool import ModelPool
    from service.problem_codes import problem_document
    from service.swap_job import Swapper, SwapRefused

    claimed = catalogue.claim_job(job.id, HERE)
    if claimed is None:
        raise CommandFailed(f"Another process is at the job {job.id}.")
    confined.start()
    swapper = Swapper(settings, catalogue, ModelPool(settings), embed_threads=settings.embed_threads)
    try:
        with Pulse(catalogue, claimed.id, HERE, threading.Event()) as pulse:

            def report(done: float, stage: str) -> None:
                show(done, stage)
                pulse.report(done, stage)

            result = swapper.work(claimed, report)
        catalogue.finish_job(claimed.id, HERE, result)
    except (SwapBusy, SwapOutdated, SwapRefused, BundleError, JobLost) as error:
        catalogue.fail_job(claimed.id, HERE, problem_document("internal_error", str(error)))
        raise CommandFailed(str(error)) from error
    except BaseException:
        catalogue.release_job(claimed.id, HERE)
        raise
    return result


@contextlib.contextmanager
def _progress() -> Iterator[Report]:
    from rich.progress import Progress

    with Progress(console=err, transient=True) as progress:
        bar = progress.add_task("waiting", total=1.0)
        yield lambda done, stage: progress.update(bar, completed=done, description=stage)


def _print(line: str) -> None:
    out.print(line, highlight=False, soft_wrap=True, markup=False)
