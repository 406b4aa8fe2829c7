"""Another model, another index generation: built beside what is served, checked, compared, switched to in one step."""

import errno
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, update

from index import SpaceKey, build_generation, current_name, generation_names, open_generation, without
from models.bundle import Bundle
from models.runtime import Encoders
from models.tests import media_samples
from service import swap_job
from service.bundles import keep
from service.catalogue import Catalogue, NewSegment, Video
from service.catalogue.jobs import JobLost
from service.catalogue.swaps import SwapOutdated
from service.catalogue.tables import JobRow, VectorRow
from service.jobs.intake import Intake
from service.jobs.pulse import WorkerStopping
from service.jobs.queue import JobQueue
from service.jobs.tasks import Runner
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.media.upload import remove_from_library
from service.model_pool import ActiveModel
from service.rebuild import build_shadow, check_generation, is_outgrown
from service.settings import Settings
from service.swap_job import Swapper, SwapRefused, tidy_home
from service.tests.stored import segments_of
from service.tests.swapping import Swapping, no_report
from service.tests.test_upload import upload


@pytest.fixture
def home(settings: Settings, library: Catalogue, tiny: Bundle, other: Bundle, tmp_path: Path) -> Swapping:
    return Swapping(settings, library, tiny, other, tmp_path)


@pytest.fixture
def anywhere(any_settings: Settings, any_library: Catalogue, tiny: Bundle, other: Bundle, tmp_path: Path) -> Swapping:
    return Swapping(any_settings, any_library, tiny, other, tmp_path)


def test_a_promotion_embeds_all_checks_compares_and_switches_with_what_came_in_meanwhile(anywhere: Swapping) -> None:
    home = anywhere
    first, second = home.add(1), home.add(2, silent=True)
    late: list[str] = []

    def report(progress: float, stage: str) -> None:
        no_report(progress, stage)
        if stage == "comparing" and not late:
            late.append(home.add(3).id)

    result = home.work(home.requests.promote("other", auto=True), report)
    served = home.served
    assert (served.number, served.bundle, served.reason) == (2, home.new.fingerprint, "promote")
    assert (served.previous_bundle, served.previous_generation) == (home.old.fingerprint, None)
    for video_id in (first.id, second.id, *late):
        for bundle in (home.old, home.new):
            assert segments_of(home.catalogue, video_id, bundle.fingerprint)
    assert (result["state"], result["number"], result["generation"]) == ("switched", 2, served.generation)
    assert [(check["name"], check["passed"]) for check in result["checks"]] == [
        ("checksums", True),
        ("counts", True),
        ("recall", True),
    ]
    assert result["not_embedded"] == {}
    assert result["before"]["bundle"] == {"name": "tiny", "fingerprint": home.old.fingerprint}
    asked = {entry["kind"] for entry in result["golden"]["queries"]}
    assert asked == {"text", "image", "audio"}
    assert result["golden"]["known_items"]["image"]["asked"] == 2
    assert result["golden"]["known_items"]["audio"]["asked"] == 1
    # What lies in the home follows.
    assert home.settings.bundle_path() == home.new.path
    assert current_name(home.settings.index_dir) == served.generation
    assert {video for video, _ in home.words()} == {first.id, second.id, *late}


def test_golden_queries_of_the_administrator_are_asked_and_unknown_words_told(home: Swapping) -> None:
    home.add(1)
    home.catalogue.set_golden_queries(["red square", "qwxzzy"])
    result = home.work(home.requests.promote(home.new.fingerprint[:12], auto=True))
    entries = {entry.get("query"): entry for entry in result["golden"]["queries"]}
    assert entries["red square"]["overlap_at_10"] is not None
    assert (entries["qwxzzy"]["overlap_at_10"], entries["qwxzzy"]["after"]) == (None, "unknown_words")
    told = [moment for entry in entries.values() for name in ("left", "came") for moment in entry.get(name, ())]
    assert all(set(moment) == {"video_id", "start_s", "end_s", "confidence"} for moment in told)


def test_an_interrupted_promotion_goes_on_with_the_videos_and_the_generation_it_has(
    home: Swapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [home.add(seed).id for seed in (1, 2, 3)]
    embedded: list[str] = []
    embed = swap_job.embed_video

    def counted(store, thumbnails, encoders, video, report, **options):  # type: ignore[no-untyped-def]
        segments = embed(store, thumbnails, encoders, video, report, **options)
        embedded.append(video.id)
        return segments

    monkeypatch.setattr(swap_job, "embed_video", counted)

    def stop_at(wanted: str) -> object:
        def report(progress: float, stage: str) -> None:
            if stage.startswith(wanted):
                raise WorkerStopping(stage)

        return report

    job = home.requests.promote("other", auto=True)
    for stage in ("video 2", "comparing"):
        with pytest.raises(WorkerStopping):
            home.work(job, stop_at(stage))  # type: ignore[arg-type]
        home.catalogue.release_job(job.id, "w")
        assert home.served.number == 1
    name = home.candidate.generation
    assert name is not None
    tidy_home(home.settings, home.catalogue)
    result = home.work(job)
    assert sorted(embedded) == sorted(videos)
    assert result["generation"] == name == home.served.generation
    # Delivered once more, as when it was killed between the switch and its end: nothing is done again.
    with home.catalogue._database.write() as session:
        session.execute(update(JobRow).where(JobRow.id == job.id).values(status="queued"))
    assert home.work(job)["number"] == 2 == home.served.number


def test_a_held_promotion_waits_and_catches_up_when_it_is_confirmed(home: Swapping) -> None:
    home.add(1)
    result = home.work(home.requests.promote("other", auto=False))
    assert (result["state"], home.candidate.state, home.served.number) == ("ready", "ready", 1)
    report = home.candidate.report
    assert report is not None
    assert report["golden"] == result["golden"]
    tidy_home(home.settings, home.catalogue)
    assert home.candidate.generation in generation_names(home.settings.index_dir)
    late = home.add(2)
    done = home.work(home.requests.confirm())
    assert (done["state"], home.served.bundle) == ("switched", home.new.fingerprint)
    assert done["golden"] == result["golden"]
    assert segments_of(home.catalogue, late.id, home.new.fingerprint)
    assert late.id in {video for video, _ in home.words()}


def test_a_discarded_promotion_leaves_nothing(home: Swapping) -> None:
    home.add(1)
    home.work(home.requests.promote("other", auto=False))
    kept = home.candidate.generation
    home.requests.discard()
    tidied = home.tidy()
    assert tidied["generations"] == [kept]
    assert tidied["segments"] > 0
    assert home.catalogue.segment_count(home.new.fingerprint) == 0
    assert generation_names(home.settings.index_dir) == []
    assert home.served.number == 1


def test_videos_that_cannot_be_embedded_hold_a_promotion_until_somebody_accepts_it(home: Swapping) -> None:
    whole, broken = home.add(1), home.add(2)
    MediaStore(home.settings.media_dir).path(broken.sha256).unlink()
    result = home.work(home.requests.promote("other", auto=True))
    assert (result["state"], result["not_embedded"]) == ("ready", {broken.id: "media_missing"})
    assert home.served.number == 1
    done = home.work(home.requests.confirm())
    assert (done["state"], done["not_embedded"]) == ("switched", {broken.id: "media_missing"})
    assert {video for video, _ in home.words()} == {whole.id}


def test_what_could_not_be_embedded_since_it_was_looked_at_is_not_accepted_with_the_rest(home: Swapping) -> None:
    whole, broken = home.add(1), home.add(2)
    store = MediaStore(home.settings.media_dir)
    store.path(broken.sha256).unlink()
    home.work(home.requests.promote("other", auto=True))
    later = home.add(3)
    store.path(later.sha256).unlink()
    result = home.work(home.requests.confirm())
    assert (result["state"], set(result["not_embedded"])) == ("ready", {broken.id, later.id})
    assert home.served.number == 1
    assert home.work(home.requests.confirm())["state"] == "switched"
    assert {video for video, _ in home.words()} == {whole.id}


def test_while_the_settings_name_a_model_a_promotion_that_was_queued_before_does_not_replace_it(
    home: Swapping,
) -> None:
    home.add(1)
    job = home.claim(home.requests.promote("other", auto=True))
    pinned = home.settings.model_copy(update={"bundle": home.old.path})
    with pytest.raises(SwapOutdated, match="MMV_BUNDLE"):
        Swapper(pinned, home.catalogue, home.pool).work(job, no_report)
    home.catalogue.fail_job(job.id, "w", {})
    assert home.served.number == 1
    assert home.work(home.requests.promote("other", auto=True))["state"] == "switched"


def test_a_rebuild_that_fails_for_a_reason_that_passes_is_tried_again(
    home: Swapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.add(1)
    settings, stopping = home.settings.model_copy(update={"retry_s": 0.0}), threading.Event()
    runner = Runner(
        name="w",
        settings=settings,
        catalogue=home.catalogue,
        store=MediaStore(settings.media_dir),
        thumbnails=Thumbnails(settings.thumbnails_dir),
        model=ActiveModel(home.catalogue, home.pool),
        queue=JobQueue("redis://127.0.0.1:1/0", home.catalogue.library_id()),  # nobody: the janitor delivers
        swapper=Swapper(settings, home.catalogue, home.pool),
        intake=Intake(1, 1, stopping),
        stopping=stopping,
    )
    tries = 0

    def full(*args: object, **options: object) -> str:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError(errno.ENOSPC, "full")
        return build_shadow(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(swap_job, "build_shadow", full)
    job = home.requests.rebuild(auto=True)
    for status, number in (("queued", 1), ("done", 2)):
        assert job.id in home.catalogue.abandoned_jobs()
        runner.run(job.id)
        runner.swap_thread.join()
        now = home.catalogue.job(job.id)
        assert now is not None
        assert (now.status, home.served.number) == (status, number), now.problem


def test_a_video_that_is_deleted_while_it_is_embedded_holds_nothing_up_and_leaves_no_picture(home: Swapping) -> None:
    kept, gone = home.add(1), home.add(2, seconds=20.0)
    store, thumbnails = MediaStore(home.settings.media_dir), Thumbnails(home.settings.thumbnails_dir)
    said = 0

    def report(progress: float, stage: str) -> None:
        nonlocal said
        said += stage.startswith("video 2")
        if said == 2:  # some of it is embedded
            remove_from_library(gone.id, home.catalogue, store, thumbnails)

    assert home.work(home.requests.promote("other", auto=True), report)["state"] == "switched"
    assert said > 2
    assert {video for video, _ in home.words()} == {kept.id}
    assert [path.name for path in home.settings.thumbnails_dir.iterdir()] == [kept.id]


def test_the_vectors_of_the_bundle_before_the_previous_are_tidied_away_and_the_previous_are_kept(
    home: Swapping,
) -> None:
    video = home.add(1)
    home.catalogue.store_segments(video.id, "f" * 64, [NewSegment(0.0, 1.0)])
    home.work(home.requests.promote("other", auto=True))
    assert home.tidy()["segments"] == 1
    counts = [home.catalogue.segment_count(each) for each in (home.old.fingerprint, home.new.fingerprint, "f" * 64)]
    assert counts[0] > 0
    assert counts[1] > 0
    assert counts[2] == 0


def test_a_rollback_finds_at_once_what_was_there_and_the_rest_is_queued(home: Swapping) -> None:
    first = home.add(1)
    before = home.words()
    home.work(home.requests.rebuild(auto=True))
    generation = home.served.generation
    home.work(home.requests.promote("other", auto=True))
    home.tidy()
    later = home.add(2, home.new)
    back = home.requests.roll_back("bundle")
    assert (back.bundle, back.generation) == (home.old.fingerprint, generation)
    assert home.words() == before
    queued = [job.video_id for job in home.catalogue.jobs()[0] if job.kind == "ingest" and job.status == "queued"]
    assert queued == [later.id]
    home.take_in(later, home.pool.get(home.old.fingerprint))
    assert {video for video, _ in home.words()} == {first.id, later.id}
    tidy_home(home.settings, home.catalogue)
    assert home.settings.bundle_path() == home.old.path
    forth = home.requests.roll_back("bundle")
    assert forth.bundle == home.new.fingerprint


def test_a_rebuild_holds_every_vector_changes_no_answer_and_can_be_taken_back(
    home: Swapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, root = home.old.fingerprint, home.settings.index_dir
    home.add(1), home.add(2)
    monkeypatch.setattr("service.rebuild.OUTGROWN_SEGMENTS", 1)
    assert is_outgrown(home.catalogue, old, root, None)
    assert not is_outgrown(home.catalogue, old, root, None, busy=True)
    before = home.words()
    result = home.work(home.requests.rebuild(auto=True))
    first = home.served.generation
    assert first is not None
    assert first == result["generation"]
    assert not is_outgrown(home.catalogue, old, root, first)
    generation = open_generation(root, first)
    rows: dict[SpaceKey, int] = {}
    for channel, space, _, vectors in home.catalogue.vectors(old):
        rows[SpaceKey(channel, space)] = rows.get(SpaceKey(channel, space), 0) + len(vectors)
    assert generation.counts == rows
    assert result["rows"] == {str(key): count for key, count in rows.items()}
    assert generation.ids().tolist() == home.catalogue.segment_ids(old)
    assert set(result["recall_at_10"].values()) == {1.0}
    assert result["golden"]["mean_overlap_at_10"] == 1.0
    known = result["golden"]["known_items"]["image"]
    assert known["first_before"] == known["first_after"]
    assert home.words() == before

    home.work(home.requests.rebuild(auto=True))
    second = home.served.generation
    assert home.served.parent_generation == first
    assert generation_names(root) == [first, second]
    home.work(home.requests.rebuild(auto=True))
    assert generation_names(root) == [second, home.served.generation]
    assert home.requests.roll_back("index").generation == second
    assert home.words() == before


def test_a_generation_of_poor_recall_is_not_switched_to(home: Swapping, monkeypatch: pytest.MonkeyPatch) -> None:
    home.add(1)
    monkeypatch.setattr("index.generation._recall", lambda index, oracle: 0.9)
    with pytest.raises(SwapRefused, match=r"recall@10 .* 0\.900 .* 0\.950 is required"):
        home.work(job := home.requests.rebuild(auto=True))
    home.catalogue.fail_job(job.id, "w", {})
    assert (home.served.number, home.candidate.state) == (1, "refused")
    monkeypatch.undo()
    home.work(home.requests.rebuild(auto=True))
    assert home.served.number == 2
    assert generation_names(home.settings.index_dir) == [home.served.generation]


def test_counts_and_checksums_of_a_generation_are_compared_with_the_catalogue(home: Swapping) -> None:
    old, root = home.old.fingerprint, home.settings.index_dir
    video = home.add(1)

    def failed(name: str) -> list[str]:
        return [c.name for c in check_generation(home.catalogue, open_generation(root, name), 0.95) if not c.passed]

    whole = build_shadow(home.catalogue, old, root, no_report)
    assert failed(whole) == []
    ids = home.catalogue.segment_ids(old)
    assert failed(without(root, whole, ids[:1])) == ["counts"]
    home.add(2)
    assert failed(whole) == []  # what came later is not its business
    generation = open_generation(root, whole)
    file = generation.path / "visual.fine.faiss"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    checks = {check.name: check for check in check_generation(home.catalogue, generation, 0.95)}
    assert not checks["checksums"].passed
    assert "visual.fine.faiss" in checks["checksums"].detail

    again = build_shadow(home.catalogue, old, root, no_report)
    rows = {key: (index.ids, index.vectors) for key, index in open_generation(root, again).indexes.items()}
    ids_of, vectors = rows[SpaceKey("visual", "fine")]
    rows[SpaceKey("visual", "fine")] = (np.r_[ids_of, ids_of[:1]], np.concatenate([vectors, vectors[:1]]))
    doubled = build_generation(
        root,
        ((key, *found) for key, found in rows.items()),
        bundle=old,
        state=open_generation(root, again).state,
    )
    assert failed(doubled) == ["counts"]
    with home.catalogue._database.write() as session:
        session.execute(delete(VectorRow).where(VectorRow.segment_id == ids[0], VectorRow.space == "coarse"))
    assert failed(again) == ["counts"]
    home.catalogue.delete_video(video.id)
    assert failed(again) == []  # deleted since: masked


def test_a_cancelled_rebuild_changes_nothing(home: Swapping) -> None:
    home.add(1)
    job = home.requests.rebuild(auto=True)

    def cancelled(progress: float, stage: str) -> None:
        if stage == "comparing":
            home.catalogue.cancel_job(job.id)
            raise JobLost(job.id)

    with pytest.raises(JobLost):
        home.work(job, cancelled)
    assert (home.served.number, home.candidate.state) == (1, "stopped")
    result = home.work(home.requests.rebuild(auto=True))
    assert result["number"] == 2
    assert generation_names(home.settings.index_dir) == [home.served.generation]


def test_a_candidate_that_does_not_fit_any_more_is_not_switched_to(home: Swapping) -> None:
    home.add(1)
    job = home.requests.rebuild(auto=True)

    def changed(progress: float, stage: str) -> None:
        if stage == "comparing" and home.served.number == 1:
            home.catalogue.switch_at_once(home.new.fingerprint, home.new.name, "pinned")

    with pytest.raises(SwapOutdated, match="other is served now"):
        home.work(job, changed)
    assert home.served.generation is None


def test_a_video_that_is_stored_while_a_promotion_closes_is_stored_with_both(home: Swapping) -> None:
    home.add(1)
    job = home.claim(home.requests.promote("other", auto=True))
    home.catalogue.advance_candidate(job, "closing")
    video = home.add(2)  # by a worker that had begun before
    assert home.catalogue.switch(job) is None
    home.take_in(video, home.pool.get(home.old.fingerprint), incoming=lambda: home.pool.get(home.new.fingerprint))
    counts = [len(segments_of(home.catalogue, video.id, b.fingerprint)) for b in (home.old, home.new)]
    assert counts[0] == counts[1] > 0


def test_a_video_that_only_the_old_model_can_embed_is_stored_and_holds_the_switch(home: Swapping) -> None:
    home.add(1)
    job = home.requests.promote("other", auto=True)
    added: list[Video] = []

    def lost() -> Encoders:
        """The new model, for which the file is there no more."""
        MediaStore(home.settings.media_dir).delete(added[-1].sha256)
        return home.pool.get(home.new.fingerprint)

    def meanwhile(progress: float, stage: str) -> None:
        if home.candidate.state == "closing" and not added:
            path = media_samples.film(home.folder / "late.mp4", 9, 2.4)
            video, ingest, _ = upload(path, home.settings, home.catalogue)
            added.append(video)
            ingest = home.claim(ingest)
            home.take_in(video, home.pool.get(home.old.fingerprint), incoming=lost, job=ingest)

    result = home.work(job, meanwhile)
    assert (result["state"], result["not_embedded"]) == ("ready", {added[0].id: "media_missing"})
    assert home.served.bundle == home.old.fingerprint
    stored = home.catalogue.video(added[0].id)
    assert stored is not None
    assert stored.status == "ready"
    counts = [len(segments_of(home.catalogue, stored.id, b.fingerprint)) for b in (home.old, home.new)]
    assert counts[0] > counts[1] == 0


def test_a_home_of_the_version_before_opens_with_its_generation_and_goes_on(
    settings: Settings, library: Catalogue, tiny: Bundle, other: Bundle
) -> None:
    from index import write_generation
    from service.bundles import ensure_serving, point_to

    kept = keep(tiny.path, settings)
    point_to(kept, settings)
    vectors = {SpaceKey("visual", "fine"): ([1], np.ones((1, 4), np.float32))}
    parent = write_generation(settings.index_dir, vectors, bundle=kept.fingerprint)
    name = write_generation(settings.index_dir, vectors, bundle=kept.fingerprint)
    served = ensure_serving(settings, library)
    assert (served.bundle, served.generation, served.parent_generation) == (kept.fingerprint, name, parent)
    assert ensure_serving(settings, library, starting=True) == served
    # A bundle that the settings name is served as long as they do.
    pinned = ensure_serving(settings.model_copy(update={"bundle": other.path}), library, starting=True)
    assert (pinned.bundle, pinned.pinned, pinned.generation) == (other.fingerprint, True, None)
    tidy_home(settings, library)
    assert settings.bundle_path() == kept.path
    assert ensure_serving(settings, library).pinned
    back = ensure_serving(settings, library, starting=True)
    assert (back.bundle, back.generation, back.pinned) == (kept.fingerprint, name, False)
    shutil.rmtree(settings.index_dir / name)
    tidy_home(settings, library)
    assert current_name(settings.index_dir) is None
