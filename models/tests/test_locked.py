"""The last course, with the vision backbone locked: what it changes and what not, going on, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from models.preprocess.text import Tokenizer
from models.tests import tiny
from models.tests.tiny_clips import write_set
from models.training import locked, trainer
from models.training.config import LockedConfig, TrainConfig
from models.training.data.augment import stray_words
from models.training.data.batches import Batches
from models.training.data.cache import open_cache
from models.training.data.word_vectors import word_weights
from models.training.deflate import CHECKPOINT as DEFLATED
from models.training.finish import deflate_run, lock_run
from models.training.held_out import embed_cache
from models.training.losses import nce
from models.training.run import CHECKPOINT, LOCKED, TrainingError, load_run
from models.training.run_log import read_record
from models.training.trainer import train

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("set"))


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "build_word_table", lambda count, extra: tiny.word_table())


def _config(steps: int = 12) -> TrainConfig:
    course = LockedConfig(
        steps, 2, 6, learning_rate=3e-3, warmup_steps=2, weight_sound_text=1.0, mask_frames=8, stray_words=0.2
    )
    return replace(tiny.config(steps=3), locked=course)


@pytest.mark.usefixtures("words")
def test_all_but_the_vision_backbone_learns_on(data: Path, tmp_path: Path) -> None:
    config = _config(60)
    train(config, data, tmp_path, validation=None, resume=False, console=QUIET)
    checkpoint = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / DEFLATED).write_bytes(b"of the weights before")
    with pytest.raises(TrainingError, match="mmv-search lock"):
        deflate_run(tmp_path, data, QUIET)
    lock_run(tmp_path, data, QUIET)
    assert (tmp_path / CHECKPOINT).read_bytes() == checkpoint
    before, after = load_run(tmp_path, locked=False), load_run(tmp_path)
    assert not (tmp_path / DEFLATED).exists()
    old, new = before.network.state_dict(), after.network.state_dict()
    same = {name for name in old if torch.equal(old[name], new[name])}
    assert {name for name in old if name.startswith("video.")} <= same
    learnt = ("audio.trunk.initial.weight", "text.linear.weight", "graph.video_fine.inner.weight", "graph.audio_scale")
    assert not same & set(learnt)

    cache = open_cache(data, config.inputs, config.augment.margin)
    heard = torch.tensor([clip.has_audio for clip in cache.clips])
    losses = []
    for run in (before, after):
        video, audio, _ = embed_cache(run.network, cache, config)
        losses.append(nce(video["fine"], audio["fine"], heard))
    assert losses[1] < 0.9 * losses[0]

    written = (tmp_path / LOCKED).stat().st_mtime_ns
    lock_run(tmp_path, data, QUIET)
    assert (tmp_path / LOCKED).stat().st_mtime_ns == written
    assert deflate_run(tmp_path, data, QUIET).trained > 0
    record = read_record(tmp_path)
    assert [session["course"] for session in record["sessions"]] == ["training", "locked", "deflation"]
    assert record["clips"] == len(cache.clips)
    assert not list(tmp_path.glob("seen-*"))
    assert not list(tmp_path.glob("locking-*"))


@pytest.mark.usefixtures("words")
def test_other_clips_than_it_was_trained_on_are_refused(data: Path, tmp_path: Path) -> None:
    train(_config(), data, tmp_path / "run", validation=None, resume=False, console=QUIET)
    (tmp_path / "other").mkdir()
    other = write_set(tmp_path / "other")
    manifest = other / "manifest.jsonl"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:9]))
    with pytest.raises(TrainingError, match="trained on other clips"):
        lock_run(tmp_path / "run", other, QUIET)
    lock_run(tmp_path / "run", data, QUIET)
    with pytest.raises(TrainingError, match="trained on other clips"):
        deflate_run(tmp_path / "run", other, QUIET)


@pytest.mark.usefixtures("words")
def test_interrupted_it_goes_on_to_the_same_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("whole", "interrupted"):
        train(_config(), data, tmp_path / name, validation=None, resume=False, console=QUIET)
    lock_run(tmp_path / "whole", data, QUIET)

    class Killed(BaseException):
        pass

    calls = {"step": 0, "see": 0}
    step, see = locked._step, Batches.__call__

    def stopping(*arguments: object) -> float:
        calls["step"] += 1
        if calls["step"] == 8:
            raise Killed
        return step(*arguments)  # type: ignore[arg-type]

    def seeing(self: Batches, number: int) -> object:
        calls["see"] += 1
        if calls["see"] == 4:
            raise Killed
        return see(self, number)

    monkeypatch.setattr(locked, "CHECKPOINT_EVERY", 5)
    monkeypatch.setattr(locked, "_step", stopping)
    monkeypatch.setattr(Batches, "__call__", seeing)
    for _ in range(2):
        with pytest.raises(Killed):
            lock_run(tmp_path / "interrupted", data, QUIET)
        assert not (tmp_path / "interrupted" / LOCKED).exists()
    lock_run(tmp_path / "interrupted", data, QUIET)
    assert calls == {"step": 8 + 7, "see": 6 + 1}  # 2 passes of 3 batches; steps 5 to 11 once the 5 first were saved
    a, b = (load_run(tmp_path / name).network.state_dict() for name in ("whole", "interrupted"))
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.usefixtures("words")
def test_a_run_that_is_trained_further_is_locked_anew(data: Path, tmp_path: Path) -> None:
    config = replace(tiny.config(steps=2), locked=LockedConfig())
    train(config, data, tmp_path, validation=None, resume=False, console=QUIET)
    with pytest.raises(TrainingError, match=r"locked\.steps"):
        lock_run(tmp_path, data, QUIET)
    course = replace(config, locked=_config(3).locked)
    train(course, data, tmp_path, validation=None, resume=True, console=QUIET)  # given to a finished run
    lock_run(tmp_path, data, QUIET)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    torch.save({**state, "step": 5}, tmp_path / CHECKPOINT)
    trained, found = load_run(tmp_path, locked=False), load_run(tmp_path)
    assert torch.equal(trained.network.text.linear.weight, found.network.text.linear.weight)


@pytest.mark.usefixtures("words")
def test_a_loss_that_is_not_finite_is_told(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(_config(), data, tmp_path, validation=None, resume=False, console=QUIET)

    def broken(*arguments: object) -> dict[str, torch.Tensor]:
        return {"loss": torch.tensor(float("nan"))}

    monkeypatch.setattr(locked, "losses_of", broken)
    with pytest.raises(TrainingError, match="the loss is nan at step 0 of the locked course"):
        lock_run(tmp_path, data, QUIET)
    assert not (tmp_path / LOCKED).exists()


def test_stretches_of_time_and_of_bands_are_hidden() -> None:
    log_mel = torch.randn(40, 30, 20, generator=torch.Generator().manual_seed(0))
    course = LockedConfig(mask_frames=6, mask_bands=4)
    out = locked.hidden(log_mel, np.random.default_rng(0), course)
    changed = out != log_mel
    assert torch.allclose(out[changed], log_mel.mean(dim=(1, 2), keepdim=True).expand_as(out)[changed])
    times, bands = changed.all(dim=2).sum(dim=1), changed.all(dim=1).sum(dim=1)
    assert 0 < times.float().mean() <= times.max() <= 2 * 6
    assert 0 < bands.float().mean() <= bands.max() <= 2 * 4
    # Each place that is changed is in a hidden stretch of time or of bands.
    hidden = changed.all(dim=2).unsqueeze(2) | changed.all(dim=1).unsqueeze(1)
    assert torch.equal(changed, hidden)
    nothing = locked.hidden(log_mel, np.random.default_rng(0), LockedConfig(mask_frames=0, mask_bands=0))
    assert torch.equal(nothing, log_mel)


def test_stray_words_come_where_a_text_has_room() -> None:
    ids = np.zeros((50, 2, 16), np.int64)
    ids[:, 0, :5] = [7, 8, 9, 7, 8]
    weights = np.array([0, 0, 0, 0, 0.5, 0.5, 0, 0, 0, 0])
    out = stray_words(ids, np.random.default_rng(0), 0.2, weights)
    assert np.array_equal(out[:, 0, :5], ids[:, 0, :5])
    assert not out[:, 1].any()  # no text, so no words
    added = out[:, 0, 5:]
    assert set(np.unique(added)) == {0, 4, 5}
    assert 0.1 < (added > 0).mean() < 0.3
    found = word_weights(["<pad>", "the", "monster", "xqzzy"])
    assert found[0] == 0
    assert found[1] > found[2] > found[3] == 0
    assert found.sum() == pytest.approx(1)


def test_a_batch_without_its_picture_has_the_same_windows_in_another_light(data: Path) -> None:
    config = tiny.config()
    cache = open_cache(data, config.inputs, config.augment.margin)
    batches = Batches(cache, config.inputs, Tokenizer(tiny.word_table().words, 6), config.augment, 8, seed=3)
    whole, first, second = batches(4), batches.unseen(4, 1), batches.unseen(4, 2)
    assert first.frames.numel() == 0
    assert torch.equal(whole.has_sound, first.has_sound)
    heard = whole.sound[whole.has_sound].flatten(1)
    for other in (first.sound, second.sound):
        gain = torch.nn.functional.cosine_similarity(heard, other[whole.has_sound].flatten(1))
        assert torch.allclose(gain, torch.ones_like(gain), atol=1e-4)
    assert not torch.equal(first.sound, second.sound)
    assert torch.equal(first.sound, batches.unseen(4, 1).sound)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="passes and batch"):
        LockedConfig(steps=5, passes=0)
