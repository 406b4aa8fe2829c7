"""`train --rebuild` at toy size: interrupted at every arrow it comes to the same weights as in one go."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import typer
import yaml
from onnx import numpy_helper
from rich.console import Console
from typer.testing import CliRunner, Result

from models.bundle import Bundle
from models.tests import tiny, tiny_clips
from models.training import deflate as deflation
from models.training import trainer
from models.training.cli import register
from models.training.config import LockedConfig, TrainConfig, config_dict
from models.training.data.batches import Batch, Batches
from models.training.data.manifest import read_manifest
from models.training.data.splits import split_of
from models.training.rebuild import Footage, Sets, rebuild
from models.training.stages import StagesError, fingerprint, progress, read_state

STAGES = ["train", "lock", "deflate", "export", "evaluate", "bundle"]


def config() -> TrainConfig:
    """A few seconds from the start to the bundle."""
    short = tiny.config(steps=4)
    locked = LockedConfig(steps=2, passes=1, batch=6)
    return replace(short, words=40, locked=locked, deflate=replace(short.deflate, steps=4))


class Stopped(Exception):
    """Stands for ctrl-C."""


class StoppingConsole(Console):
    """A console that stops the work where a line begins with `word`."""

    def __init__(self, word: str):
        super().__init__(quiet=True)
        self.word = word
        self.lines: list[str] = []

    def print(self, *objects: object, **_: object) -> None:
        self.lines.append(str(objects[0]) if objects else "")
        if self.lines[-1].startswith(self.word):
            raise Stopped


@pytest.fixture(scope="module", autouse=True)
def words() -> Iterator[None]:
    """Random vectors in the place of those of 24,000 words, which take a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "build_word_table", lambda count, extra: tiny.word_table())
        yield


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Sets:
    return Sets(tiny_clips.write_set(tmp_path_factory.mktemp("clips")))


@pytest.fixture(scope="module")
def whole(sets: Sets, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """In one go."""
    return rebuild(config(), sets, tmp_path_factory.mktemp("whole"), Console(quiet=True))


def weights(bundle: Bundle) -> dict[str, np.ndarray]:
    found = {}
    for modality in bundle.modalities:
        for tensor in onnx.load(bundle.encoder(modality)).graph.initializer:
            found[f"{modality} {tensor.name}"] = numpy_helper.to_array(tensor)
    return found


def test_stopped_at_every_arrow_it_comes_to_the_same_weights(sets: Sets, whole: Bundle, tmp_path: Path) -> None:
    for number, stage in enumerate(STAGES):
        console = StoppingConsole(f"-> {stage}")
        with pytest.raises(Stopped):
            rebuild(config(), sets, tmp_path, console)
        # All before it was done by the calls before, and is not done again.
        assert [line for line in console.lines if line.endswith("done before")] == [
            f"{name}: done before" for name in STAGES[: max(0, number - 1)]
        ]
        assert progress(tmp_path / "rebuild.json")[0] < 1
    bundle = rebuild(config(), sets, tmp_path, Console(quiet=True))
    found, wanted = weights(bundle), weights(whole)
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert "tiny" in (bundle.path / "README.md").read_text()
    assert progress(tmp_path / "rebuild.json") == (1.0, "done")


def test_interrupted_in_the_middle_of_training_the_locked_course_and_deflation(
    sets: Sets, whole: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each goes on at its last checkpoint, to the same weights."""
    monkeypatch.setattr(deflation, "CHECKPOINT_EVERY", 1)
    original = Batches.__call__
    made: list[int] = []

    def go_on(batches: int, until: str) -> None:
        """Stopped when so many batches were made, or at the arrow `until`."""
        made.clear()

        def make(self: Batches, step: int) -> Batch:
            if len(made) == batches:
                raise Stopped
            made.append(step)
            return original(self, step)

        monkeypatch.setattr(Batches, "__call__", make)
        with pytest.raises(Stopped):
            rebuild(config(), sets, tmp_path, StoppingConsole(f"-> {until}"))

    go_on(2, "lock")
    assert read_state(tmp_path / "rebuild.json")["done"] == {}
    go_on(3, "export")  # the other two of training, one of three that the locked backbone sees
    assert list(read_state(tmp_path / "rebuild.json")["done"]) == ["train"]
    go_on(4, "export")  # the other two, two of deflation
    assert list(read_state(tmp_path / "rebuild.json")["done"]) == ["train", "lock"]
    go_on(4, "export")
    assert made == [2, 3]  # no more than what is left of deflation
    run = whole.path.parent / "run"
    for name in ("checkpoint.pt", "locked.pt", "deflated.pt"):
        mine, wanted = (torch.load(folder / name, weights_only=True) for folder in (tmp_path / "run", run))
        assert mine.keys() == wanted.keys()
        for part in mine.keys() & {"network", "video", "instance", "audio_instance"}:
            for key, tensor in wanted[part].items():
                assert torch.equal(mine[part][key], tensor), f"{name} {part} {key}"


def test_what_is_there_is_not_done_again_and_what_is_gone_is(sets: Sets, whole: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole.path.parent, tmp_path / "copy"))
    card = (folder / "bundle" / "README.md").read_text()
    (folder / "bundle" / "README.md").unlink()
    console = StoppingConsole("never")
    again = rebuild(config(), sets, folder, console)
    assert again.fingerprint == whole.fingerprint
    assert console.lines[:6] == [*(f"{stage}: done before" for stage in STAGES[:5]), "-> bundle"]
    assert (folder / "bundle" / "README.md").read_text() == card


def test_another_configuration_is_refused_by_name(sets: Sets, whole: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole.path.parent, tmp_path / "copy"))
    other = replace(config(), seed=4)
    with pytest.raises(StagesError, match=r"begun with another config\.seed; choose another --out"):
        rebuild(other, sets, folder, Console(quiet=True))
    with pytest.raises(StagesError, match=r"footage, sets"):
        rebuild(config(), Footage(), folder, Console(quiet=True))


def test_a_rebuild_of_before_a_setting_existed_goes_on(sets: Sets, whole: Bundle, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole.path.parent, tmp_path / "copy"))
    state = read_state(folder / "rebuild.json")
    del state["plan"]["config"]["optim"]["weight_text"]
    came_in = fingerprint(state["plan"])
    for stage in STAGES:  # as they would have been recorded then
        done = state["done"][stage]
        done["inputs"] = fingerprint([came_in, stage])
        came_in = fingerprint([done["inputs"], done["output"]])
    (folder / "rebuild.json").write_text(json.dumps(state))
    console = StoppingConsole("->")
    assert rebuild(config(), sets, folder, console).fingerprint == whole.fingerprint
    assert console.lines == [f"{stage}: done before" for stage in STAGES]


def test_the_command_promotes_only_when_asked(sets: Sets, whole: Bundle, tmp_path: Path) -> None:
    app, bundles = typer.Typer(), typer.Typer()
    register(app, bundles)
    folder = Path(shutil.copytree(whole.path.parent, tmp_path / "copy"))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(config_dict(config())))))
    line = ["train", str(tmp_path / "config.yaml"), "--rebuild", "--data", str(sets.data), "--out", str(folder)]
    promoted: list[tuple[Path, Path | None]] = []

    def run(*more: str, obj: object = None) -> Result:
        return CliRunner().invoke(app, [*line, *more], obj=obj)

    def promote(bundle: Path, home: Path | None) -> None:
        promoted.append((bundle, home))

    result = run(obj=promote)
    assert result.exit_code == 0, result.output
    assert "mmv-search bundle promote" in result.output
    assert not promoted
    result = run("--promote", "--home", str(tmp_path / "home"), obj=promote)
    assert result.exit_code == 0, result.output
    assert promoted == [(folder / "bundle", tmp_path / "home")]
    result = run("--promote")
    assert result.exit_code == 1
    assert "cannot promote" in result.output


@pytest.mark.footage
def test_footage_is_filmed_once_on_maps_that_no_two_sets_share(tmp_path: Path) -> None:
    footage = Footage(clips=2, validation_clips=1, held_out_clips=1, seed=3)
    for first in ("-> footage", "footage: done before"):
        console = StoppingConsole("-> train")
        with pytest.raises(Stopped):
            rebuild(config(), footage, tmp_path, console)
        assert console.lines[0] == first
    names = ("train", "validation", "held-out")
    sets = {name: read_manifest(tmp_path / "footage" / name / "manifest.jsonl") for name in names}
    assert {name: len(clips) for name, clips in sets.items()} == {"train": 2, "validation": 1, "held-out": 1}
    assert len({clip.seed for clips in sets.values() for clip in clips}) == 3
    splits = {name: {split_of(clip.map) for clip in clips} for name, clips in sets.items()}
    assert splits == {"train": {"train"}, "validation": {"validation"}, "held-out": {"test"}}
    assert progress(tmp_path / "rebuild.json")[0] == pytest.approx(0.4 / 1.1)  # the share of filming among all


def test_the_command_trains_on_the_device_and_in_as_many_processes_as_asked(sets: Sets, tmp_path: Path) -> None:
    """What cannot be is refused by training itself, so it came that far."""
    app = typer.Typer()
    register(app, typer.Typer())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(config_dict(config())))))
    out = tmp_path / "out"
    line = ["train", str(tmp_path / "config.yaml"), "--rebuild", "--data", str(sets.data), "--out", str(out)]
    result = CliRunner().invoke(app, [*line, "--device", "abacus"])
    assert result.exit_code == 1
    assert "abacus" in result.output
    result = CliRunner().invoke(app, [*line, "--processes", "3"])  # a batch of 8
    assert result.exit_code == 1
    assert "3 processes" in result.output
    assert not (out / "bundle").exists()
