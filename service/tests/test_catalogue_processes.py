"""Eight processes write to one catalogue at once, on SQLite and on PostgreSQL: nothing is lost, doubled or refused."""

from typing import Any

import numpy as np

from models.preprocess.media import MediaInfo
from service.catalogue import Catalogue, NewSegment, engine, open_catalogue
from service.settings import Settings
from service.tests.zygote import Call, Zygote

PROCESSES, VIDEOS = 8, 2
PATIENCE_S = 100.0  # of a writer, on a machine that is busy with other things too
INFO = MediaInfo(8.0, True, False, 128, 96, 25.0, "mp4", "h264", None)


def sha(number: int) -> str:
    return f"{number:064x}"[::-1]


def segments(count: int) -> list[NewSegment]:
    return [NewSegment(float(i), i + 1.0, {("visual", "fine"): np.full((2, 4), i, np.float16)}) for i in range(count)]


def write(settings: dict[str, Any], worker: int) -> dict[str, Any]:
    """What one process does: takes in films of its own and one that all have, and deletes one again."""
    engine.BUSY_TIMEOUT_S = PATIENCE_S
    catalogue = open_catalogue(Settings(**settings))
    _, shared_job, created = catalogue.add_video(sha(999), "all.mp4", "All", ["t"], 1, INFO)
    ids: list[int] = []
    for number in range(VIDEOS):
        video, job, new = catalogue.add_video(sha(worker * 10 + number + 1), "own.mp4", "Own", [], 1, INFO)
        assert new
        claimed = catalogue.claim_job(job.id, f"w{worker}")
        assert claimed is not None
        assert catalogue.heartbeat(job.id, f"w{worker}", 0.5, "embedding")
        catalogue.store_segments(video.id, "b", segments(1), claimed)
        ids += catalogue.store_segments(video.id, "b", segments(3), claimed)
        assert catalogue.finish_job(job.id, f"w{worker}")
        if number == 0:
            assert catalogue.delete_video(video.id)
    claimed_shared = catalogue.claim_job(shared_job.id, f"w{worker}") is not None
    catalogue.close()
    return {"created": created, "shared_job": shared_job.id, "claimed_shared": claimed_shared, "ids": ids}


def test_eight_processes_write_at_once(any_settings: Settings, any_library: Catalogue, zygote: Zygote) -> None:
    settings = any_settings.model_dump(mode="json", exclude_none=True)
    calls = [Call(__name__, "write", [settings, worker]) for worker in range(PROCESSES)]
    results = [ended.checked() for ended in zygote.run(*calls, within_s=200)]

    assert sum(result["created"] for result in results) == 1
    assert len({result["shared_job"] for result in results}) == 1
    assert sum(result["claimed_shared"] for result in results) == 1
    ids = [i for result in results for i in result["ids"]]
    assert len(set(ids)) == len(ids) == PROCESSES * VIDEOS * 3

    kept = PROCESSES * (VIDEOS - 1)
    assert any_library.counts() == {
        "videos": kept + 1,
        "pending": 1,
        "ready": kept,
        "failed": 0,
        "segments": kept * 3,
        "active_jobs": 1,
    }
    assert len(list(any_library.vectors("b"))) == kept * 3
    changes = any_library.changes_since(0)
    assert [change.revision for change in changes] == list(range(1, any_library.revision() + 1))
    present: set[int] = set()
    for change in changes:  # in the order of the log each segment comes once, and goes at most once
        if change.kind == "add":
            assert not present & set(change.segment_ids)
            present |= set(change.segment_ids)
        else:
            assert present >= set(change.segment_ids)
            present -= set(change.segment_ids)
    assert sorted(present) == any_library.segment_ids("b")
