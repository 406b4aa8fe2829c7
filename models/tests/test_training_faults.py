"""What ends a training early: signals, a power cut, a full disk, numbers that are not finite; each run goes on."""

import json
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from models.tests import tiny
from models.tests.tiny_clips import write_set
from models.training import trainer
from models.training.config import TrainConfig
from models.training.data.cache import open_cache
from models.training.data.sources import open_source
from models.training.run import CHECKPOINT, Run, TrainingError, git_revision, load_run, provenance, read_checkpoint
from models.training.run_log import LOG, read_log
from models.training.trainer import train

QUIET = Console(quiet=True)
STEPS = 6
CONFIG = replace(tiny.config(steps=STEPS), checkpoint_every=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_set(tmp_path_factory.mktemp("set"))
    open_cache(folder, tiny.INPUTS, tiny.config().augment.margin)
    return folder


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing cut off."""
    folder = tmp_path_factory.mktemp("whole")
    go(CONFIG, data, started(folder))
    return folder


def started(folder: Path) -> Path:
    """A run folder that has the tiny word table already."""
    tiny.word_table().save(folder / "words.npz")
    return folder


def go(config: TrainConfig, data: Path, folder: Path, resume: bool = False, validation: Path | None = None) -> Run:
    torch.set_num_threads(1)
    return train(config, data, folder, validation=validation, resume=resume, console=QUIET)


def same(one: Path, other: Path) -> bool:
    """Whether two runs have the same step, weights and optimiser, to the byte."""
    (steps, tensors), (other_steps, other_tensors) = _contents(one), _contents(other)
    assert tensors.keys() == other_tensors.keys()
    return steps == other_steps and all(torch.equal(value, other_tensors[name]) for name, value in tensors.items())


def _contents(folder: Path) -> tuple[int, dict[str, torch.Tensor]]:
    state = read_checkpoint(folder)
    moments = state["optimiser"]["state"].items()
    return state["step"], state["network"] | {f"{i} {k}": v for i, found in moments for k, v in found.items()}


@pytest.mark.parametrize(
    ("number", "end", "status"), [(signal.SIGINT, KeyboardInterrupt, None), (signal.SIGTERM, SystemExit, 143)]
)
def test_a_signal_ends_a_run_that_then_goes_on_to_the_same_bits(
    data: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    end: type[BaseException],
    status: int | None,
) -> None:
    config = replace(CONFIG, evaluate_every=2, checkpoint_every=1000)
    real = trainer.quick_evaluation

    def evaluated(*arguments: object) -> dict[str, float]:
        os.kill(os.getpid(), number)  # comes while the run is at work, as from a terminal
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer, "quick_evaluation", evaluated)
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(end) as ended:
        go(config, data, started(tmp_path), validation=data)
    assert getattr(ended.value, "code", None) == status
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert load_run(tmp_path).step == 3
    monkeypatch.setattr(trainer, "quick_evaluation", real)
    go(config, data, tmp_path, resume=True, validation=data)
    assert same(tmp_path, whole)
    assert [row["step"] for row in read_log(tmp_path) if "validation" in row] == [2, 4, 6]


def test_a_run_that_is_killed_goes_on_to_the_same_bits(data: Path, whole: Path, tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=go, args=(CONFIG, data, started(tmp_path)))
    process.start()
    while not (tmp_path / CHECKPOINT).exists() or read_checkpoint(tmp_path)["step"] < 2:
        assert process.is_alive()
        time.sleep(0.002)
    process.kill()
    process.join()
    assert 2 <= load_run(tmp_path).step < STEPS
    with (tmp_path / LOG).open("a") as log:
        log.write('{"step": 20, "loss": 1.5}\n{"step": 40, "lo')  # rows of after the checkpoint, the last one cut
    go(CONFIG, data, tmp_path, resume=True)
    assert same(tmp_path, whole)
    assert [row["step"] for row in read_log(tmp_path)] == [STEPS]


def test_a_full_disk_leaves_the_checkpoint_before(data: Path, whole: Path, tmp_path: Path) -> None:
    room = (whole / CHECKPOINT).stat().st_size // 2  # for weights, not for the optimiser's moments beside them
    with (
        largest_file(room),
        pytest.raises(TrainingError, match=r"checkpoint of step 1 \(.* MB\) cannot be written") as e,
    ):
        go(CONFIG, data, started(tmp_path))
    assert str(tmp_path) in str(e.value)
    assert "--resume" in str(e.value)
    assert load_run(tmp_path).step == 0
    assert not list(tmp_path.glob("*.tmp"))
    go(CONFIG, data, tmp_path, resume=True)
    assert same(tmp_path, whole)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file can grow beyond a size: the system refuses to write, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_run_that_is_not_finite_stops_before_its_weights_are_lost_and_goes_on_slower(
    data: Path, tmp_path: Path
) -> None:
    wild = replace(CONFIG, optim=replace(CONFIG.optim, learning_rate=float("inf"), warmup_steps=1), checkpoint_every=50)
    with pytest.raises(TrainingError, match=r"part of the loss is nan at step 1\..*step 0.*lower optim.learning_rate"):
        go(wild, data, started(tmp_path))
    left = load_run(tmp_path)
    assert left.step == 0
    assert all(torch.isfinite(value).all() for value in left.network.state_dict().values())
    tame = replace(wild, optim=replace(wild.optim, learning_rate=1e-3))
    assert go(tame, data, tmp_path, resume=True).step == STEPS


def test_the_code_that_trained_is_recorded_and_not_the_one_that_exports(
    data: Path, whole: Path, tmp_path: Path
) -> None:
    run = load_run(whole)
    record = json.loads((whole / "run.json").read_text())
    assert record["sessions"][0]["device"] == "cpu"
    record["sessions"] = [{**record["sessions"][0], "git_revision": name} for name in ("before", "before", "after")]
    (tmp_path / "run.json").write_text(json.dumps(record))
    run.folder = tmp_path
    source = open_source(data)
    assert provenance(run, source)["git_revision"] == "before, after"
    (tmp_path / "run.json").unlink()
    assert provenance(run, source)["git_revision"] == git_revision()


def test_a_file_that_is_no_checkpoint_is_named(whole: Path, tmp_path: Path) -> None:
    for name in ("config.yaml", "words.npz"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    for contents in (b"", b"PK nothing", (whole / CHECKPOINT).read_bytes()[:5000]):
        (tmp_path / CHECKPOINT).write_bytes(contents)
        with pytest.raises(TrainingError, match="cannot be read as a checkpoint"):
            load_run(tmp_path)
