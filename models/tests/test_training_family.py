"""Every embedding graph and the S3D backbone train, deflate, are exported as they are, and are evaluated."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from models.networks.embedding_graph import GRAPHS
from models.networks.mmv import MMV, MMVConfig
from models.networks.s3d import S3DConfig
from models.preprocess.text import Tokenizer
from models.runtime import Encoders
from models.tests import tiny
from models.tests.tiny_clips import COLOURS, write_set
from models.training import trainer
from models.training.card import card
from models.training.config import TrainConfig
from models.training.data.batches import Batches
from models.training.data.cache import open_cache
from models.training.data.manifest import read_manifest
from models.training.deflate import deflate, load_deflated, make_batches
from models.training.evaluation.footage_clips import HEARD
from models.training.evaluation.footage_report import report
from models.training.evaluation.footage_retrieval import evaluate
from models.training.export import export_bundle
from models.training.objective import losses
from models.training.run import load_run, provenance
from models.training.trainer import train
from models.training.verify import compare

QUIET = Console(quiet=True)
# Without the instance space: to a barely trained S3D all pictures are nearly one, and whitening would show rounding.
NARROW_S3D = replace(tiny.NETWORK, video=S3DConfig(width=0.1), instance_dim=0, layout_rows=())
NETWORKS = {graph: replace(tiny.NETWORK, graph=graph) for graph in GRAPHS} | {
    "s3d, disjoint": replace(NARROW_S3D, graph="disjoint"),
    "s3d, raw": replace(NARROW_S3D, video=S3DConfig(width=0.1, space_to_depth=False)),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(autouse=True)
def _words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "build_word_table", lambda count, extra: tiny.word_table())


def config_of(network: MMVConfig, steps: int, bf16: bool = False) -> TrainConfig:
    config = tiny.config(steps=steps)
    return replace(
        config,
        network=network,
        optim=replace(config.optim, bf16=bf16),
        deflate=replace(config.deflate, steps=3),
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_both_losses_together_reach_every_parameter(data: Path, name: str) -> None:
    torch.manual_seed(0)
    config = config_of(NETWORKS[name], 1)
    table = tiny.word_table()
    network = MMV(config.network, torch.from_numpy(table.vectors())).train()
    batches = Batches(
        open_cache(data, tiny.INPUTS, 0.12), tiny.INPUTS, Tokenizer(table.words, 6), config.augment, 8, seed=3
    )
    parts = losses(network, batches(0), config)
    assert all(torch.isfinite(value) for value in parts.values())
    parameters = {n: p for n, p in network.named_parameters() if p.requires_grad}
    assert set(dict(network.named_parameters())) - set(parameters) == {"text.embed.weight"}

    def reached(part: str) -> set[str]:
        found = torch.autograd.grad(parts[part], list(parameters.values()), retain_graph=True, allow_unused=True)
        assert all(torch.isfinite(g).all() for g in found if g is not None)
        return {n for n, g in zip(parameters, found, strict=True) if g is not None and (g.dim() == 1 or g.any())}

    by_sound, by_text = reached("audio"), reached("text")
    assert by_sound | by_text == set(parameters)
    # What sees learns from both; what hears from sound alone, what reads from text alone.
    towers = {n.split(".")[0] for n in parameters} - {"graph"}
    assert towers == {"video", "audio", "text"}
    assert {n for n in parameters if n.startswith("video.")} <= by_sound & by_text
    assert {n.split(".")[0] for n in by_sound} == {"video", "audio", "graph"}
    assert {n.split(".")[0] for n in by_text} == {"video", "text", "graph"}


@pytest.mark.parametrize(("name", "bf16"), [*((name, False) for name in NETWORKS), ("s3d, disjoint", True)])
def test_a_few_steps_with_validation(data: Path, tmp_path: Path, name: str, bf16: bool) -> None:
    run = train(config_of(NETWORKS[name], 3, bf16), data, tmp_path, validation=data, resume=False, console=QUIET)
    torch.manual_seed(3)
    untrained = MMV(run.config.network, torch.from_numpy(run.table.vectors()))
    moved = {n for n, p in run.network.named_parameters() if not torch.equal(p, untrained.get_parameter(n))}
    assert moved == {n for n, p in untrained.named_parameters() if p.requires_grad}
    assert all(torch.isfinite(p).all() for p in run.network.parameters())
    for before, after in zip(untrained.state_dict(), load_run(tmp_path).network.state_dict(), strict=True):
        assert before == after


@pytest.mark.parametrize("name", ["shared", "s3d, disjoint"])
def test_from_clips_to_a_verified_and_evaluated_bundle(data: Path, tmp_path: Path, name: str) -> None:
    run = train(config_of(NETWORKS[name], 2), data, tmp_path / "run", validation=None, resume=False, console=QUIET)
    cache = open_cache(data, tiny.INPUTS, run.config.augment.margin)
    deflate(run, cache, make_batches(run, cache), QUIET)
    run = load_run(tmp_path / "run")
    deflated, found = load_deflated(run)
    bundle = export_bundle(
        run.network,
        deflated,
        run.table,
        run.config.inputs,
        tmp_path / "bundle",
        name="tiny",
        licence="none",
        provenance=provenance(run, read_manifest(data / "manifest.jsonl")),
        metrics={"deflation_cosine": {"naive": found.naive, "trained": found.trained}},
    )
    differences = list(compare(bundle))
    assert {d.modality for d in differences} == {"video", "image", "audio", "text"}
    assert max(d.relative for d in differences) <= 1e-4
    heard = {d.output for d in differences if d.modality == "audio"}
    assert ("coarse" in heard) == ("disjoint" not in name)

    metrics = evaluate(Encoders(bundle), data, wordings={"plain": {colour: [colour] for colour in COLOURS}})
    between_sound_and_text = {"audio -> text", "text -> audio", "text -> video + sound", HEARD}
    assert bool(between_sound_and_text & set(metrics["retrieval"])) == ("disjoint" not in name)
    assert {"text -> video", "audio -> video", "video -> audio", "image -> video"} <= set(metrics["retrieval"])
    assert "| text -> video |" in report(metrics, "evaluate")
    assert f"the {bundle.graph} embedding graph" in card(bundle, 1)
    assert bundle.backbones["video"] == ("s3d" if "s3d" in name else "tsm-resnet")
