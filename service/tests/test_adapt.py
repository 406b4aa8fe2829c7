"""Training jobs: one at a time, in a child process that is watched and ended; a library as what is adapted to."""

import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.bundle import load_bundle
from models.runtime import Encoders
from models.training.adapt_windows import judging_spec, read_here
from service.adaptation import adaptation_folder, library_films, read_confined
from service.catalogue import Catalogue
from service.catalogue.jobs import JobLost
from service.cli import app
from service.commands.common import CommandFailed
from service.jobs import training
from service.jobs.queue import JobQueue
from service.jobs.training import KINDS, run_training
from service.media.store import MediaStore
from service.settings import Settings
from service.supervisor import Supervisor
from service.tests.processes import Process, all_gone, family_of
from service.tests.test_faults import job_of
from service.tests.test_ingest import take_in
from service.tests.test_upload import upload
from service.tests.waiting import wait_for

ADAPT = {"steps": 0, "promote": False}


def test_a_library_is_read_by_the_confined_child_as_a_folder_is_read(
    samples: Path, settings: Settings, library: Catalogue, encoders: Encoders, tmp_path: Path
) -> None:
    for name in ("film.mp4", "silent.mp4", "sound.wav"):
        take_in(samples / name, settings, library, encoders)
    upload(samples / "short.mp4", settings, library)  # not taken in yet
    (tmp_path / "film.en.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nA door opens.\n")
    films = library_films(library, MediaStore(settings.media_dir), tmp_path)
    assert len(films) == 2  # a sound is no film
    said = {film.info.has_audio: [n.text for n in film.narrations] for film in films}
    assert said == {True: ["A door opens."], False: []}
    spec = judging_spec(encoders.bundle.inputs)
    for film in films:
        confined, here = list(read_confined(film, spec)), list(read_here(film, spec))
        assert [w.start_s for w in confined] == pytest.approx([w.start_s for w in here])
        for a, b in zip(confined, here, strict=True):
            assert a.frames is not None
            assert b.frames is not None
            np.testing.assert_array_equal(a.frames, b.frames)
            assert (a.sound is None) == (b.sound is None)
            if a.sound is not None and b.sound is not None:
                whole = min(len(a.sound), round((film.info.duration_s - a.start_s) * spec.sample_rate) - 100)
                # One decodes on, the other seeks to each window: not the same to the sample, but the same sound.
                assert np.corrcoef(a.sound[:whole], b.sound[:whole])[0, 1] > 0.99
    bundle = load_bundle(settings.bundle_path())
    folder = adaptation_folder(settings, bundle, films)
    assert folder == adaptation_folder(settings, bundle, films[::-1])
    assert folder != adaptation_folder(settings, bundle, films[:1])


def test_only_one_training_is_active_at_a_time(library: Catalogue) -> None:
    first = library.create_only_job(KINDS, "adapt", ADAPT)
    assert first is not None
    assert library.create_only_job(KINDS, "adapt", ADAPT) == first
    assert library.create_only_job(KINDS, "adapt", {**ADAPT, "steps": 5}) is None
    assert library.create_only_job(KINDS, "train", ADAPT) is None
    assert (library.active_jobs(KINDS), library.active_jobs(("ingest",))) == (1, 0)
    library.cancel_job(first.id)
    assert library.create_only_job(KINDS, "train", ADAPT) is not None


def test_a_training_that_is_given_up_leaves_no_process(settings: Settings, library: Catalogue) -> None:
    before = {process.pid for process in family_of(os.getpid())}
    started: list[Process] = []
    job = library.create_only_job(KINDS, "adapt", ADAPT)
    assert job is not None

    def report(progress: float, stage: str) -> None:
        started.extend(process for process in family_of(os.getpid()) if process.pid not in before)
        raise JobLost(job.id)

    with pytest.raises(JobLost):
        run_training(settings, library, job, report)
    assert len(started) >= 2  # the child, and `ps` itself
    assert all_gone(started)


def test_a_failed_training_says_why_and_nothing_waits_for_it(
    samples: Path, settings: Settings, library: Catalogue
) -> None:
    """The real command on a library that is too small; meanwhile a film is taken in by the same worker."""
    with Supervisor(settings) as running:
        assert running.settings.redis_url is not None
        queue = JobQueue(running.settings.redis_url, library.library_id())
        job = library.create_only_job(KINDS, "adapt", ADAPT)
        assert job is not None
        queue.enqueue(job.id)
        wait_for(lambda: job_of(library, job.id).status == "running")
        _, ingest, _ = upload(samples / "film.mp4", settings, library)
        queue.enqueue(ingest.id)
        wait_for(lambda: job_of(library, ingest.id).status == "done", 60)
        wait_for(lambda: job_of(library, job.id).status == "failed", 120)
        queue.close()
    problem = job_of(library, job.id).problem
    assert problem is not None
    assert problem["code"] == "training_failed"
    assert "too little to learn from and to judge by: " in problem["detail"]


def test_what_training_needs_is_named_without_loading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert training.missing("adapt") == []
    monkeypatch.setitem(training.NEEDED, "adapt", ("no_such_package", "torch"))
    assert training.missing("adapt") == ["no_such_package"]
    assert "freedoom-fac-small" in training.configurations()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--library, or --data FOLDER"),
        (("--library", "--data", "films"), "--library, or --data FOLDER"),
        (("--data", "films"), "--out DIR"),
    ],
)
def test_what_to_adapt_to_must_be_named(settings: Settings, arguments: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(app, ["adapt", *arguments, "--home", str(settings.home)])
    assert result.exit_code == 1
    assert isinstance(result.exception, CommandFailed)
    assert words in str(result.exception)


def test_a_folder_without_films_is_one_line(settings: Settings, tmp_path: Path) -> None:
    line = ["adapt", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--home", str(settings.home)]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 1, result.output
    assert "error: too little to learn from" in result.output
    assert not (tmp_path / "out").exists()
