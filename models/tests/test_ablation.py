"""The ablation as one command: what it runs, that it goes on, what its table says; and its parts on known numbers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from rich.console import Console

from models.networks.mmv import MMV
from models.preprocess.text import Tokenizer
from models.tests import tiny
from models.tests.test_training_cli import failed_with, run
from models.tests.tiny_clips import COLOURS, write_set
from models.training import ablation, trainer
from models.training.ablation import run_ablation
from models.training.ablation_config import load_ablation
from models.training.ablation_table import page, t_interval
from models.training.config import ConfigError, TextConfig, config_dict
from models.training.data.batches import Batches
from models.training.data.cache import ClipCache, open_cache
from models.training.data.footage.vocabulary import CONCEPT_QUERIES
from models.training.data.limit_text import limit_text
from models.training.data.manifest import read_manifest, write_manifest
from models.training.objective import losses
from models.training.run import TrainingError

QUIET = Console(quiet=True)
SMALL = Path(__file__).parents[1] / "training" / "configs" / "ablation-small.yaml"
ARMS: dict[str, Any] = {
    "fac": {"about": "as it is"},
    "va": {"about": "no text", "set": {"optim.weight_text": 0.0, "network.graph": "disjoint"}},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With concepts that evaluation has queries for."""
    folder = write_set(tmp_path_factory.mktemp("set"))
    concepts = dict(zip(COLOURS, CONCEPT_QUERIES, strict=False))
    clips = read_manifest(folder / "manifest.jsonl")
    write_manifest(folder / "manifest.jsonl", [replace(c, concepts=[concepts[c.concepts[0]]]) for c in clips])
    return folder


@pytest.fixture(scope="module")
def cache(data: Path) -> ClipCache:
    return open_cache(data, tiny.INPUTS, tiny.config().augment.margin)


@pytest.fixture(autouse=True)
def _words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "build_word_table", lambda count, extra: tiny.word_table())


def written(folder: Path, arms: dict[str, Any] = ARMS, **changes: Any) -> Path:
    """A YAML file of an ablation of two steps a run."""
    config = tiny.config(steps=2)
    plain = json.loads(json.dumps(config_dict(replace(config, deflate=replace(config.deflate, steps=2)))))
    file = folder / "ablation.yaml"
    told = {"about": "Tiny networks.", "baseline": "fac", "clips": 16, "items": 8, "config": plain, "arms": arms}
    file.write_text(yaml.safe_dump(told | changes))
    return file


@pytest.mark.usefixtures("cache")
def test_the_command_trains_every_arm_and_seed_and_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off in the third of four runs; the second call makes what is missing, the third nothing."""
    file, out = written(tmp_path), tmp_path / "out"
    made: list[str] = []
    real = trainer.train

    def watched(config: Any, data: Path, folder: Path, **rest: Any) -> object:
        if cut_off and len(made) == 2:
            raise KeyboardInterrupt
        made.append(folder.name)
        return real(config, data, folder, **rest)

    monkeypatch.setattr(ablation, "train", watched)
    command = ("ablate", file, "--data", data, "--held-out", data, "--out", out, "--seeds", 2)
    cut_off = True
    interrupted = run(*command)
    assert interrupted.exit_code != 0
    assert "run the same command again" in interrupted.output
    assert made == ["fac-0", "va-0"]
    assert "| no text |" in (out / "ablation.md").read_text()
    cut_off = False
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert made == ["fac-0", "va-0", "fac-1", "va-1"]
    assert run(*command).exit_code == 0
    assert len(made) == 4

    told = json.loads((out / "results.json").read_text())
    figures = told["figures"]
    assert {arm: list(runs) for arm, runs in figures.items()} == {"fac": ["0", "1"], "va": ["0", "1"]}
    assert len(read_manifest(out / "data" / "manifest.jsonl")) == 16
    for found in figures["fac"].values():
        assert all(value is not None and value >= 0 for name, value in found.items() if "gap" not in name)
        assert {"image -> video R@10, naive deflation", "image -> video R@10, trained deflation"} <= set(found)
    for found in figures["va"].values():
        assert found["text -> video R@10"] is None
        assert found["text -> audio R@10"] is None
        assert 0 <= found["audio -> video R@10"] <= 1
    assert told["chance"]["text -> video R@10"] == 1  # ten among eight
    assert told["chance"]["concept mAP, generator's wording"] == pytest.approx(1 / 3)
    page = (out / "ablation.md").read_text()
    assert page in result.output
    assert "| trained deflation | " in page
    assert page.count("| no text | - | ") == 2

    # Measured in another way: all are measured again, none is trained again.
    text, concepts = "text -> video R@10", "concept mAP, generator's wording"
    run_ablation(load_ablation(written(tmp_path, items=12)), data, data, out, 2, QUIET)
    again = json.loads((out / "results.json").read_text())["figures"]
    assert len(made) == 4
    for arm, runs in again.items():
        for seed, found in runs.items():
            kept = json.loads((out / "runs" / f"{arm}-{seed}" / "figures.json").read_text())
            assert (kept["items"], kept["deflated"], kept["figures"]) == (12, arm == "fac", found)
            assert found[concepts] == figures[arm][seed][concepts]
    assert any(again["fac"][seed][text] < found[text] for seed, found in figures["fac"].items())
    run_ablation(load_ablation(written(tmp_path, items=12, baseline="va")), data, data, out, 2, QUIET)
    turned = json.loads((out / "results.json").read_text())["figures"]
    assert turned["fac"] == again["fac"]
    assert all("image -> video R@10, trained deflation" in found for found in turned["va"].values())

    # What an earlier version left says nothing of how it was measured: in the usual way.
    last = out / "runs" / "va-1"
    (last / "figures.json").write_text(json.dumps(again["va"]["1"]))
    (last / "checkpoint.pt").rename(last / "elsewhere.pt")
    with pytest.raises(TrainingError, match=r"among 300 items, without deflation.*not there to measure it again"):
        run_ablation(load_ablation(written(tmp_path, items=12)), data, data, out, 2, QUIET)
    run_ablation(load_ablation(written(tmp_path, items=300)), data, data, out, 2, QUIET)
    usual = json.loads((out / "results.json").read_text())["figures"]
    assert usual["va"]["1"] == again["va"]["1"]
    assert len(made) == 4

    other = written(tmp_path, config=json.loads(json.dumps(config_dict(tiny.config(steps=3)))))
    with pytest.raises(TrainingError, match="choose another --out"):
        run_ablation(load_ablation(other), data, data, out, 2, QUIET)
    untold = [replace(clip, narrations=[]) for clip in read_manifest(data / "manifest.jsonl")]
    write_manifest(tmp_path / "manifest.jsonl", untold)
    with pytest.raises(TrainingError, match="other clips or narrations"):
        run_ablation(load_ablation(file), tmp_path, data, out, 2, QUIET)


def test_what_cannot_be_run_is_told_before_anything_is(tmp_path: Path) -> None:
    def refused(arm: dict[str, Any], **changes: Any) -> str:
        with pytest.raises(ConfigError) as error:
            load_ablation(written(tmp_path, {**ARMS, "wrong": {"about": "wrong", "set": arm}}, **changes))
        return str(error.value)

    assert "arms.wrong: unknown key optim.steeps" in refused({"optim.steeps": 3})
    assert "seed.of is no key" in refused({"seed.of": 3})
    assert "mil_nce or nce" in refused({"optim.text_loss": "ncee"})
    assert "nothing would be trained" in refused({"optim.weight_text": 0, "optim.weight_audio": 0})
    assert "share the decoded clips" in refused({"inputs.frames": 8})
    assert "share is 0" in refused({"text.share": 0})
    assert "baseline is 'best'" in refused({}, baseline="best")
    missing = run("ablate", tmp_path / "no.yaml", "--data", tmp_path, "--held-out", tmp_path, "--out", tmp_path)
    assert failed_with(missing, "there is no configuration file")


def test_the_committed_ablation_asks_what_the_paper_asks() -> None:
    loaded = load_ablation(SMALL)
    configs = {name: loaded.config_of(name, 1) for name in loaded.arms}
    assert {c.network.graph for c in configs.values()} == {"fac_relu", "shared", "disjoint"}
    assert {(bool(c.optim.weight_audio), bool(c.optim.weight_text)) for c in configs.values()} == {
        (True, True),
        (True, False),
        (False, True),
    }
    assert {c.optim.text_loss for c in configs.values()} == {"mil_nce", "nce"}
    assert {(c.text.share, c.text.textless) for c in configs.values()} == {(1.0, True), (0.5, True), (0.5, False)}
    assert {c.seed for c in configs.values()} == {101}


def test_the_table_has_means_with_intervals_and_paired_differences() -> None:
    """b is one point above a in every seed: its difference is certain, its mean is not."""
    assert t_interval([1.0, 2.0, 3.0]) == pytest.approx((2, 4.303 / 3**0.5))
    results: dict[str, dict[int, dict[str, float | None]]] = {
        "a": {s: {"text -> video R@10": v} for s, v in enumerate((0.50, 0.60, 0.55))},
        "b": {s: {"text -> video R@10": v + 0.01} for s, v in enumerate((0.50, 0.60, 0.55))},
        "c": {s: {"text -> video R@10": v} for s, v in enumerate((0.60, 0.50, 0.55))},
        "d": {s: {"text -> video R@10": None} for s in range(3)},
    }
    found = page("About.", {n: f"arm {n}" for n in results}, "a", results, {"text -> video R@10": 10 / 300})
    lines = found.splitlines()
    assert "| chance | 3.3 |" in lines
    assert "| arm a | 55.0 ±12.4 |" in lines
    assert "| arm b | 56.0 ±12.4 |" in lines
    assert "| arm b | **+1.0 ±0.0** |" in lines
    assert "| arm c | +0.0 ±24.8 |" in lines
    assert lines.count("| arm d | - |") == 2


def test_a_loss_of_weight_0_is_not_computed(cache: ClipCache) -> None:
    """Neither its tower nor its gradient: what it would have been does not matter."""
    config = tiny.config()
    table = tiny.word_table()
    stream = Batches(cache, tiny.INPUTS, Tokenizer(table.words, 6), config.augment, 8, seed=3)
    without = {
        "text": replace(config.optim, weight_text=0.0),
        "audio": replace(config.optim, weight_audio=0.0),
    }
    for tower, optim in without.items():
        network = MMV(config.network, torch.from_numpy(table.vectors())).train()
        part = getattr(network, tower)
        part.register_forward_hook(lambda *_: pytest.fail("it was computed"))
        found = losses(network, stream(0), replace(config, optim=optim))
        found["loss"].backward()
        assert found[tower] == 0
        assert all(p.grad is None for p in part.parameters())
        assert any(p.grad is not None and p.grad.any() for p in network.video.parameters())


def test_nce_of_text_has_one_candidate_the_nearest(cache: ClipCache) -> None:
    config = tiny.config()
    table = tiny.word_table()
    batch = Batches(cache, tiny.INPUTS, Tokenizer(table.words, 6), config.augment, 8, seed=3)(0)
    network = MMV(config.network, torch.from_numpy(table.vectors())).train()

    def text_loss(kind: str, ids: torch.Tensor) -> float:
        optim = replace(config.optim, text_loss=kind)
        return losses(network, replace(batch, ids=ids), replace(config, optim=optim))["text"].item()

    other = batch.ids.clone()
    other[:, 1:] = 0
    assert text_loss("nce", batch.ids) == text_loss("nce", other)
    assert text_loss("mil_nce", batch.ids) != text_loss("mil_nce", other)


@pytest.mark.parametrize(("textless", "clips"), [(True, 18), (False, 8)])
def test_a_share_of_the_narrations(cache: ClipCache, textless: bool, clips: int) -> None:
    """15 of 18 clips have text; half of those keep it, and stay what they are in picture and sound."""
    limited = limit_text(cache, TextConfig(share=0.5, textless=textless), seed=1)
    told = {clip.id for clip in limited.clips if clip.narrations}
    assert len(limited.clips) == clips
    assert len(told) == 8
    assert told != {c.id for c in limit_text(cache, TextConfig(share=0.5), seed=2).clips if c.narrations}
    assert limit_text(cache, TextConfig(), seed=1) is cache
    stream = Batches(limited, tiny.INPUTS, Tokenizer(tiny.word_table().words, 6), tiny.config().augment, 6, seed=3)
    batch = stream(0)
    assert batch.frames.shape[0] == 6
    assert batch.has_text.any(dim=1).all() == (not textless)
    assert np.isfinite(batch.sound.numpy()).all()
