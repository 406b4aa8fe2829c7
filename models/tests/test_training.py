"""The training path on a small set of clips: cache, batches, training that resumes, deflation, export, evaluation."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from models.bundle import rewrite_metrics
from models.networks.deflation import DeflatedMMV
from models.networks.embedding_graph import FACGraph
from models.preprocess.media import read_frames
from models.runtime import Encoders
from models.tests import tiny
from models.tests.tiny_clips import COLOURS, write_set
from models.training import trainer
from models.training.card import card
from models.training.config import DeflateConfig, LockedConfig, RestartConfig
from models.training.data.batches import Batches
from models.training.data.cache import PER_STEP, ClipCache, open_cache
from models.training.data.manifest import read_manifest, write_manifest
from models.training.deflate import (
    CHECKPOINT_EVERY,
    Stills,
    deflate,
    fit_deflated,
    load_deflated,
    make_batches,
    static_outputs,
)
from models.training.evaluation.footage_report import report
from models.training.evaluation.footage_retrieval import evaluate
from models.training.export import export_bundle
from models.training.held_out import embed_cache
from models.training.instances import fit_instances
from models.training.losses import nce
from models.training.progress import progress_bar
from models.training.run import CHECKPOINT, Run, TrainingError, load_run, provenance
from models.training.schedule import learning_rate
from models.training.trainer import measure_audio_scale, train

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def cache(data: Path) -> ClipCache:
    return open_cache(data, tiny.INPUTS, 0.125)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny word table, where a real run would spend 15 s on a real one."""
    monkeypatch.setattr(trainer, "build_word_table", lambda count, extra: tiny.word_table())


def batches(cache: ClipCache) -> Batches:
    from models.preprocess.text import Tokenizer

    config = tiny.config()
    return Batches(cache, tiny.INPUTS, Tokenizer(tiny.word_table().words, 6), config.augment, 8, seed=3)


def test_the_cache_holds_what_is_in_the_clips(cache: ClipCache) -> None:
    assert cache.frames.shape == (18, 2 * 5 // 2 * PER_STEP, 36, 45, 3)
    middle = cache.frames[:3, 4].astype(int).reshape(3, -1, 3)
    brightest = middle[np.arange(3), middle.max(axis=2).argmax(axis=1)]
    assert brightest.argmax(axis=1).tolist() == [0, 1, 2]  # red, green, blue
    spectrum = np.abs(np.fft.rfft(cache.sound[0, 2000:10_000].astype(float)))
    assert abs(spectrum.argmax() - 220) <= 2
    assert not cache.sound[5].any()


def test_the_cache_resumes_and_does_not_decode_again(data: Path, cache: ClipCache) -> None:
    folder = next(data.glob("cache-*"))
    done = np.lib.format.open_memmap(folder / "done.npy", "r+")
    frames = np.lib.format.open_memmap(folder / "frames.npy", "r+")
    kept, wanted = frames[0].copy(), frames[7].copy()
    frames[0] = 7  # would be decoded again only if it were not done
    frames[7], done[7] = 0, 0
    again = open_cache(data, tiny.INPUTS, 0.125)
    assert (again.frames[0] == 7).all()
    assert np.array_equal(again.frames[7], wanted)
    frames[0] = kept


def test_a_cache_of_frames_resized_otherwise_is_another_one(data: Path, cache: ClipCache, tmp_path: Path) -> None:
    (tmp_path / "clips").symlink_to(data / "clips")
    write_manifest(tmp_path / "manifest.jsonl", read_manifest(data / "manifest.jsonl")[:1])
    caches = [open_cache(tmp_path, replace(tiny.INPUTS, resize=method), 0.125) for method in ("area", "bilinear")]
    assert len(list(tmp_path.glob("cache-*"))) == 2
    for found, method in zip(caches, ("area", "bilinear"), strict=True):
        frames = read_frames(data / cache.clips[0].file, tiny.INPUTS.step_s / PER_STEP, 36, 45, method=method)
        assert np.array_equal(found.frames[0, 0], next(frames))
    assert not np.array_equal(caches[0].frames, caches[1].frames)


def test_a_batch_depends_on_its_step_alone(cache: ClipCache) -> None:
    a, b = batches(cache)(5), batches(cache)(5)
    assert torch.equal(a.frames, b.frames)
    assert torch.equal(a.sound, b.sound)
    assert torch.equal(a.ids, b.ids)
    assert not torch.equal(a.frames, batches(cache)(6).frames)


def test_a_batch_marks_what_is_missing(cache: ClipCache) -> None:
    stream = batches(cache)
    seen = [stream(i) for i in range(2)]
    sound = torch.cat([b.has_sound for b in seen])
    text = torch.cat([b.has_text for b in seen])
    assert 0 < (~sound).sum() <= 3
    assert set(text.sum(dim=1).tolist()) == {0, 3}
    for batch in seen:
        assert batch.frames.shape == (8, 4, 32, 40, 3)
        assert batch.sound.shape == (8, 12_800)
        assert batch.frames.min() >= 0
        assert batch.frames.max() <= 1
        assert not batch.sound[~batch.has_sound].any()


def test_every_clip_is_seen_once_an_epoch(cache: ClipCache) -> None:
    """16 of 18 clips fill two batches; over the epochs all are seen."""
    stream = batches(cache)
    first = np.random.default_rng([3, 0]).permutation(18)
    assert stream.per_epoch == 2
    heard = [cache.clips[row].has_audio for row in np.sort(first[:8])]
    assert stream(0).has_sound.tolist() == heard


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    config = tiny.config(steps=100)
    rates = [learning_rate(i, config) for i in range(101)]
    assert rates[0] == pytest.approx(3e-3 / 2)
    assert max(rates) == pytest.approx(3e-3)
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert rates[2:] == sorted(rates[2:], reverse=True)


def test_a_restart_raises_the_learning_rate_once_more_and_has_its_own_weight_of_sound_and_text() -> None:
    plain = tiny.config(steps=60)
    restart = RestartConfig(after=60, learning_rate=1e-3, warmup_steps=10, weight_sound_text=0.7)
    config = replace(plain, optim=replace(plain.optim, steps=100, restart=restart))
    rates = [learning_rate(i, config) for i in range(101)]
    assert rates[:60] == [learning_rate(i, plain) for i in range(60)]
    assert rates[60] == pytest.approx(1e-4)
    assert max(rates[60:]) == rates[70] == pytest.approx(1e-3)
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert [config.optim.course(i)[0].weight_sound_text for i in (0, 59, 60, 99)] == [0, 0, 0.7, 0.7]
    with pytest.raises(ValueError, match=r"restart\.after is 100"):
        replace(config.optim, restart=replace(restart, after=100))


@pytest.mark.usefixtures("words")
def test_a_finished_run_can_be_given_a_restart(data: Path, tmp_path: Path) -> None:
    first = tiny.config(steps=2)
    restart = RestartConfig(after=2, learning_rate=1e-3, warmup_steps=1)
    config = replace(first, optim=replace(first.optim, steps=4, restart=restart))
    train(first, data, tmp_path / "later", validation=None, resume=False, console=QUIET)
    later = train(config, data, tmp_path / "later", validation=None, resume=True, console=QUIET)
    at_once = train(config, data, tmp_path / "at once", validation=None, resume=False, console=QUIET)
    assert later.step == at_once.step == 4
    assert all(torch.equal(a, b) for a, b in zip(later.network.parameters(), at_once.network.parameters(), strict=True))
    other = replace(config, optim=replace(config.optim, restart=replace(restart, after=3)))
    with pytest.raises(TrainingError, match="another configuration"):
        train(other, data, tmp_path / "later", validation=None, resume=True, console=QUIET)


@pytest.mark.usefixtures("words")
def test_a_folder_with_a_run_is_not_overwritten_or_mixed(data: Path, tmp_path: Path) -> None:
    train(tiny.config(steps=1), data, tmp_path, validation=None, resume=False, console=QUIET)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(TrainingError, match="--resume"):
        train(tiny.config(steps=1), data, tmp_path, validation=None, resume=False, console=QUIET)
    with pytest.raises(TrainingError, match="another configuration"):
        train(tiny.config(steps=2), data, tmp_path, validation=None, resume=True, console=QUIET)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


@pytest.mark.usefixtures("words")
def test_a_run_of_before_a_setting_existed_goes_on(data: Path, tmp_path: Path) -> None:
    """A version before this one recorded no `inputs.resize`."""
    train(tiny.config(steps=1), data, tmp_path, validation=None, resume=False, console=QUIET)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    recorded = json.loads(state["config"])
    del recorded["inputs"]["resize"]
    torch.save({**state, "config": json.dumps(recorded)}, tmp_path / CHECKPOINT)
    assert train(tiny.config(steps=1), data, tmp_path, validation=None, resume=True, console=QUIET).step == 1


def test_clips_without_any_sound_leave_the_head_of_sounds_as_it_is(cache: ClipCache, tmp_path: Path) -> None:
    network = tiny.network()
    run = Run(tmp_path, tiny.config(), tiny.word_table(), network, "", 0)
    silent = replace(cache, clips=[replace(clip, has_audio=False) for clip in cache.clips])
    deflated = DeflatedMMV(network)
    fit_instances(run, deflated, silent)
    assert network.audio_instance is not None
    assert deflated.instance is not None
    assert not network.audio_instance.mean.any()
    assert deflated.instance.mean.any()


def test_the_scale_of_sound_is_measured_where_there_is_sound(cache: ClipCache) -> None:
    """Of the first clips, as ever; where those are silent, of others; and a NaN of an earlier version is forgotten."""
    network, config = tiny.network(), tiny.config()
    assert isinstance(network.graph, FACGraph)
    video, audio = (part["fine"].norm(dim=1) for part in embed_cache(network, cache, config)[:2])
    heard = torch.tensor([clip.has_audio for clip in cache.clips])
    assert heard[:8].any()
    assert not heard[:8].all()
    assert measure_audio_scale(network, cache, config, 8) == float(video[:8].mean() / audio[:8][heard[:8]].mean())

    late = [replace(clip, has_audio=clip.has_audio and i >= 8) for i, clip in enumerate(cache.clips)]
    rows = [i for i, clip in enumerate(late) if clip.has_audio][:8]
    wanted = pytest.approx(float(video[rows].mean() / audio[rows].mean()))
    assert measure_audio_scale(network, replace(cache, clips=late), config, 8) == wanted
    network.graph.audio_scale.fill_(2.0)
    assert measure_audio_scale(network, replace(cache, clips=late), config, 8) == wanted

    mute = replace(cache, clips=[replace(clip, has_audio=False) for clip in cache.clips])
    assert measure_audio_scale(network, mute, config) == 2
    network.graph.audio_scale.fill_(float("nan"))
    assert measure_audio_scale(network, mute, config) == 1
    network.graph.audio_scale.fill_(float("nan"))
    assert measure_audio_scale(network, replace(cache, clips=late), config, 8) == wanted


@pytest.mark.usefixtures("words")
def test_from_clips_to_a_bundle_that_finds_what_it_was_trained_on(data: Path, cache: ClipCache, tmp_path: Path) -> None:
    config = tiny.config(steps=60)
    run = train(config, data, tmp_path / "run", validation=data, resume=False, console=QUIET)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["validation"]["chance"] == pytest.approx(10 / 18)
    assert log[-2]["loss"] < 0.9 * log[0]["loss"]
    assert isinstance(run.network.graph, FACGraph)
    assert run.network.graph.audio_scale.item() != 1

    run = load_run(tmp_path / "run")
    _, found = deflate(run, cache, make_batches(run, cache), QUIET)
    assert found.trained > found.naive, found
    deflated, recorded = load_deflated(run)
    assert recorded == found
    bundle = export_bundle(
        run.network,
        deflated,
        run.table,
        config.inputs,
        tmp_path / "bundle",
        name="tiny",
        licence="none",
        provenance=provenance(run, read_manifest(data / "manifest.jsonl")),
        metrics={"deflation_cosine": {"naive": found.naive, "trained": found.trained}},
    )
    metrics = evaluate(Encoders(bundle), data, wordings={"plain": {colour: [colour] for colour in COLOURS}})
    assert metrics["concepts"]["plain"]["chance"] == pytest.approx(1 / 3)
    assert metrics["retrieval"]["audio -> video"]["recall"]["R@5"] > 1.2 * 5 / metrics["data"]["items"]
    assert bundle.provenance["training_data"]["fingerprint"] == cache.fingerprint
    assert "| text -> video |" in report(metrics, "evaluate")
    page = card(rewrite_metrics(bundle, {**bundle.metrics, **metrics}), 1_000_000)
    assert "18 clips" in page
    assert "locked" not in page
    course = {**bundle.provenance["config"], "locked": vars(LockedConfig(steps=1400))}
    bundle = replace(bundle, provenance={**bundle.provenance, "config": course}, metrics={**bundle.metrics, **metrics})
    assert "with the vision backbone locked: 1400 steps of 256 clips" in card(bundle, 1_000_000)
    assert "| text -> video |" in page


def test_deflation_can_lead_a_still_to_the_clip_that_it_is_from() -> None:
    torch.manual_seed(0)
    network, clips = tiny.network(), torch.rand(8, 1, 8, 10, 3).repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    clips = (clips + 0.3 * torch.rand(8, 4, 32, 40, 3)).clamp(0, 1)
    with torch.no_grad():
        network.train()
        for _ in range(30):  # statistics under which clips differ
            network.encode_video(clips)
        whole = network.eval().encode_video(clips)
    stills = Stills(clips[:, 1], static_outputs(network, clips[:, 1], 4), whole)

    def distance(clip_weight: float) -> float:
        deflated = DeflatedMMV(network)
        config = DeflateConfig(steps=60, batch=8, learning_rate=1e-2, clip_weight=clip_weight)
        given = stills if clip_weight else replace(stills, clip=None)
        with progress_bar(QUIET) as bar:
            fit_deflated(deflated, lambda _: given, config, bar)
        with torch.no_grad():
            found = deflated(stills.images)
        return float(nce(whole["fine"], found["fine"], torch.ones(8, dtype=torch.bool)))

    paper, ours = distance(0.0), distance(1.0)
    assert ours < 0.8 * paper, (ours, paper)


@pytest.mark.usefixtures("words")
def test_deflation_led_by_clips_runs_where_training_ran_in_bf16(data: Path, cache: ClipCache, tmp_path: Path) -> None:
    config = tiny.config(steps=1)
    config = replace(config, optim=replace(config.optim, bf16=True), deflate=DeflateConfig(2, 8, clip_weight=1.0))
    run = train(config, data, tmp_path, validation=None, resume=False, console=QUIET)
    deflated, _ = deflate(run, cache, make_batches(run, cache), QUIET)
    assert all(torch.isfinite(parameter).all() for parameter in deflated.trainable())
    assert all(parameter.dtype == torch.float32 for parameter in deflated.trainable())


def test_an_interrupted_deflation_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    network, images = tiny.network(), torch.rand(4, 32, 40, 3)
    config = DeflateConfig(steps=CHECKPOINT_EVERY + 10, batch=4, learning_rate=3e-3)
    wanted = static_outputs(network, images, 4)

    def fit(breaks_at: int | None) -> torch.Tensor:
        def stills(step: int) -> Stills:
            steps.append(step)
            if step == breaks_at:
                raise KeyboardInterrupt
            return Stills(images * (1 - step / 100), wanted)

        deflated = DeflatedMMV(network)
        with progress_bar(QUIET) as bar:
            fit_deflated(deflated, stills, config, bar, tmp_path / "fit.pt")
        return torch.cat([parameter.flatten() for parameter in deflated.trainable()])

    steps: list[int] = []
    whole = fit(None)
    (tmp_path / "fit.pt").unlink()
    with pytest.raises(KeyboardInterrupt):
        fit(CHECKPOINT_EVERY + 5)
    steps.clear()
    assert torch.equal(fit(None), whole)
    assert steps[0] == CHECKPOINT_EVERY
