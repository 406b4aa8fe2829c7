"""A batch in parts against the undivided batch: the same losses, gradients and statistics."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from models.networks.mmv import MMV
from models.tests import tiny
from models.training.cached_gradients import add_gradients
from models.training.config import ConfigError, OptimConfig, TrainConfig, build_config
from models.training.data.batches import Batch


def config(accumulate: int) -> TrainConfig:
    return replace(tiny.config(), optim=replace(tiny.config().optim, batch=12, accumulate=accumulate))


def batch(dtype: torch.dtype) -> Batch:
    """Random contents; some sounds and texts are missing, and one part has no text at all."""
    random = torch.Generator().manual_seed(5)
    return Batch(
        frames=torch.rand(12, 4, 32, 40, 3, generator=random).to(dtype),
        sound=torch.randn(12, 12_800, generator=random).to(dtype),
        has_sound=torch.arange(12) % 5 > 0,
        ids=torch.randint(0, 10, (12, 4, 6), generator=random),
        has_text=(torch.arange(12) < 8)[:, None] & (torch.arange(4) < 3),
    )


def network(dtype: torch.dtype) -> MMV:
    return tiny.network().to(dtype)


def test_sound_and_text_are_brought_together_where_it_is_asked() -> None:
    """The third loss teaches the network's sound and words; without its weight there is no such part."""
    plain, asked = network(torch.float64), network(torch.float64)
    with_third = replace(config(1), optim=replace(config(1).optim, weight_sound_text=0.5))
    without = add_gradients(plain, batch(torch.float64), config(1), 0)
    found = add_gradients(asked, batch(torch.float64), with_third, 0)
    assert "sound_text" not in without
    assert found["sound_text"] > 0
    torch.testing.assert_close(found["loss"], found["audio"] + found["text"] + 0.5 * found["sound_text"])
    torch.testing.assert_close(found["loss"] - 0.5 * found["sound_text"], without["loss"])
    for a, b in [(plain.graph.audio_fine, asked.graph.audio_fine), (plain.graph.text_coarse, asked.graph.text_coarse)]:
        assert a.weight.grad is not None
        assert b.weight.grad is not None
        assert not torch.equal(a.weight.grad, b.weight.grad)


@pytest.mark.parametrize("accumulate", [2, 3, 12])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-5)])
def test_the_gradients_are_those_of_the_undivided_batch(accumulate: int, dtype: torch.dtype, tolerance: float) -> None:
    whole, parted = network(dtype), network(dtype)
    wanted = add_gradients(whole, batch(dtype), config(1), 0)
    found = add_gradients(parted, batch(dtype), config(accumulate), 0)
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)
    for (name, a), b in zip(whole.named_parameters(), parted.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None), name
        if a.grad is not None and b.grad is not None:
            assert (a.grad - b.grad).norm() <= tolerance * a.grad.norm().clamp(min=1), name


def test_every_sample_counts_once_in_the_running_statistics() -> None:
    """As where the parts went through the network one after the other, once."""
    parted, once = network(torch.float32).train(), network(torch.float32).train()
    add_gradients(parted, batch(torch.float32), config(3), 0)
    frames = batch(torch.float32).frames
    with torch.no_grad():
        for part in frames.chunk(3):
            once.encode_video(part)
    assert parted.state_dict()["video.trunk.final_norm.num_batches_tracked"] == 3
    for name, value in once.video.state_dict().items():
        torch.testing.assert_close(parted.video.state_dict()[name], value, msg=name)
    assert all(m.track_running_stats for m in parted.modules() if isinstance(m, nn.BatchNorm2d))


def test_what_is_random_is_the_same_both_times() -> None:
    """With dropout: as the sum of what the parts' own graphs give, had they been kept."""
    parted = network(torch.float64)
    parted.video = nn.Sequential(parted.video, nn.Dropout(0.5).train())  # type: ignore[assignment]
    first = add_gradients(parted, batch(torch.float64), config(2), 7)
    gradients = [p.grad.clone() for p in parted.parameters() if p.grad is not None]
    step = 1e-6
    with torch.no_grad():
        for p in parted.parameters():
            if p.grad is not None:
                p.sub_(step * p.grad)
    parted.zero_grad()
    second = add_gradients(parted, batch(torch.float64), config(2), 7)
    fallen = (first["loss"] - second["loss"]) / step
    assert fallen.item() == pytest.approx(sum(g.square().sum().item() for g in gradients), rel=1e-2)


def test_parts_that_are_not_equal_are_refused() -> None:
    with pytest.raises(ConfigError, match="accumulate 5 equal parts"):
        build_config(OptimConfig, {"batch": 64, "accumulate": 5})
