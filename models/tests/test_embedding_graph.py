"""The embedding graphs: which head reads what, in NumPy; and which loss teaches what."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.networks.embedding_graph import GRAPHS, embedding_graph
from models.networks.mmv import MMVConfig
from models.tests import slow

VIDEO, AUDIO, TEXT, FINE, COARSE = 9, 7, 8, 6, 5


def graph_of(kind: str, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    coarse = FINE if kind == "shared" else COARSE
    return slow.unsettle(embedding_graph(kind, (VIDEO, AUDIO, TEXT), FINE, coarse), seed)


def inputs(batch: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    video, audio, text = (torch.randn(batch, dim).double() for dim in (VIDEO, AUDIO, TEXT))
    return video, audio, text


def slow_fine_video(graph: Any, video: torch.Tensor) -> np.ndarray:
    """Linear with a bias, BN, ReLU, Linear without, BN."""
    head = graph.video_fine
    assert head.final.bias is None
    inner = slow.relu(slow.batch_norm(slow.linear(video.numpy(), head.inner), head.inner_norm))
    return slow.batch_norm(slow.linear(inner, head.final), head.final_norm)


def slow_coarse(head: Any, x: np.ndarray) -> np.ndarray:
    """Linear with a bias, BN."""
    assert head.final.bias is not None
    return slow.batch_norm(slow.linear(x, head.final), head.final_norm)


def numbers(embedding: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {space: value.detach().numpy() for space, value in embedding.items()}


@pytest.mark.parametrize("kind", ["fac", "fac_relu", "fac_bnrelu"])
def test_fine_and_coarse(kind: str) -> None:
    """One head leads vision and sound from the fine space to the coarse one; fine comes as it is before the ReLU."""
    graph = graph_of(kind)
    video, audio, text = inputs()

    def between(x: np.ndarray) -> np.ndarray:
        if kind == "fac_bnrelu":
            x = slow.batch_norm(x, graph.to_coarse.interaction_norm)
        return x if kind == "fac" else slow.relu(x)

    seen, heard, read = numbers(graph.video(video)), numbers(graph.audio(audio)), numbers(graph.text(text))
    fine_video, fine_audio = slow_fine_video(graph, video), slow.linear(audio.numpy(), graph.audio_fine)
    np.testing.assert_allclose(seen["fine"], fine_video, atol=1e-12)
    np.testing.assert_allclose(heard["fine"], fine_audio, atol=1e-12)
    assert (seen["fine"] < 0).any()
    assert (heard["fine"] < 0).any()
    np.testing.assert_allclose(seen["coarse"], slow_coarse(graph.to_coarse, between(fine_video)), atol=1e-12)
    np.testing.assert_allclose(heard["coarse"], slow_coarse(graph.to_coarse, between(fine_audio)), atol=1e-12)
    assert (graph.to_coarse.interaction_norm is None) == (kind != "fac_bnrelu")
    assert set(read) == {"representation", "coarse"}
    np.testing.assert_allclose(read["coarse"], slow.linear(text.numpy(), graph.text_coarse), atol=1e-12)


def test_the_interactions_are_three_different_functions() -> None:
    for kind in ("fac", "fac_relu", "fac_bnrelu"):
        graph = graph_of(kind)
        graph.to_coarse.final.weight.data.fill_(1)  # the same head for all
        graph.to_coarse.final_norm = nn.Identity()
        if kind == "fac_bnrelu":
            norm = graph.to_coarse.interaction_norm
            (
                norm.running_mean.zero_(),
                norm.running_var.fill_(1 - 1e-5),
                norm.weight.data.fill_(2),
                norm.bias.data.zero_(),
            )
        graph.to_coarse.final.bias.data.zero_()
        out = graph.to_coarse(torch.tensor([[-1.0, 2, 3, 0, 0, 0]]).double())
        assert out.flatten().tolist() == pytest.approx([{"fac": 4, "fac_relu": 5, "fac_bnrelu": 10}[kind]] * COARSE)


def test_disjoint() -> None:
    """Vision has a head of its own in each space, both on the representation; sound is in one, text in the other."""
    graph = graph_of("disjoint")
    video, audio, text = inputs()
    seen, heard, read = numbers(graph.video(video)), numbers(graph.audio(audio)), numbers(graph.text(text))
    np.testing.assert_allclose(seen["fine"], slow_fine_video(graph, video), atol=1e-12)
    np.testing.assert_allclose(seen["coarse"], slow_coarse(graph.video_coarse, video.numpy()), atol=1e-12)
    np.testing.assert_allclose(heard["fine"], slow.linear(audio.numpy(), graph.audio_fine), atol=1e-12)
    np.testing.assert_allclose(read["coarse"], slow.linear(text.numpy(), graph.text_coarse), atol=1e-12)
    assert set(heard) == {"representation", "fine"}
    assert set(read) == {"representation", "coarse"}


def test_shared() -> None:
    """One head for each modality; the one space goes by both names."""
    graph = graph_of("shared")
    video, audio, text = inputs()
    seen, heard, read = numbers(graph.video(video)), numbers(graph.audio(audio)), numbers(graph.text(text))
    np.testing.assert_allclose(seen["fine"], slow_fine_video(graph, video), atol=1e-12)
    np.testing.assert_allclose(heard["fine"], slow.linear(audio.numpy(), graph.audio_fine), atol=1e-12)
    np.testing.assert_allclose(read["coarse"], slow.linear(text.numpy(), graph.text_coarse), atol=1e-12)
    assert np.array_equal(seen["fine"], seen["coarse"])
    assert np.array_equal(heard["fine"], heard["coarse"])
    assert read["coarse"].shape == seen["coarse"].shape


@pytest.mark.parametrize("kind", ["fac", "fac_relu", "fac_bnrelu"])
def test_sound_on_its_way_to_text_is_as_after_training_and_leaves_the_batch_norm_alone(kind: str) -> None:
    graph = graph_of(kind)
    video, audio, _ = inputs()
    seen, heard = graph.video(video)["fine"], graph.audio_fine(audio)
    before = {name: value.clone() for name, value in graph.state_dict().items()}
    found = graph.train().sound_coarse(heard, seen)
    assert all(torch.equal(value, before[name]) for name, value in graph.state_dict().items())
    graph.audio_scale.copy_(seen.norm(dim=1).mean() / heard.norm(dim=1).mean())
    torch.testing.assert_close(found, graph.eval().audio(audio)["coarse"])


@pytest.mark.parametrize("kind", GRAPHS)
def test_representations_go_through_unchanged_and_nothing_is_normalised(kind: str) -> None:
    graph = graph_of(kind)
    for name, x in zip(("video", "audio", "text"), inputs(), strict=True):
        embedding = getattr(graph, name)(x)
        assert embedding["representation"] is x
        for space in set(embedding) - {"representation"}:
            assert not torch.allclose(embedding[space].norm(dim=1), torch.ones(len(x)).double(), atol=1e-2)


def test_batch_norm_by_hand() -> None:
    """y = (x - mean) * scale / sqrt(var + 1e-5) + offset, with running statistics that are 0.9 old and 0.1 new."""
    head = graph_of("fac").to_coarse
    head.final.weight.data.zero_()
    head.final.bias.data.fill_(3.0)
    norm = head.final_norm
    norm.running_mean.fill_(1.0), norm.running_var.fill_(4.0), norm.weight.data.fill_(5.0), norm.bias.data.fill_(0.5)
    out = head(torch.zeros(2, FINE).double())
    assert out[0, 0].item() == pytest.approx((3 - 1) * 5 / (4 + 1e-5) ** 0.5 + 0.5, rel=1e-12)
    head.train()
    head(torch.zeros(2, FINE).double())
    assert norm.running_mean[0].item() == pytest.approx(0.9 * 1 + 0.1 * 3)
    assert norm.running_var[0].item() == pytest.approx(0.9 * 4)


@pytest.mark.parametrize(
    ("kind", "from_text", "from_sound"),
    [
        ("fac", {"video_fine", "to_coarse", "text_coarse"}, {"video_fine", "audio_fine"}),
        ("fac_relu", {"video_fine", "to_coarse", "text_coarse"}, {"video_fine", "audio_fine"}),
        ("fac_bnrelu", {"video_fine", "to_coarse", "text_coarse"}, {"video_fine", "audio_fine"}),
        ("disjoint", {"video_coarse", "text_coarse"}, {"video_fine", "audio_fine"}),
        ("shared", {"video_fine", "text_coarse"}, {"video_fine", "audio_fine"}),
    ],
)
def test_each_loss_teaches_the_heads_that_it_goes_through(kind: str, from_text: set[str], from_sound: set[str]) -> None:
    """And both together teach every parameter there is."""
    graph = graph_of(kind).train()
    video, audio, text = (x.requires_grad_() for x in inputs())

    def taught(similarity: torch.Tensor) -> set[str]:
        # Logarithms of a softmax: no symmetry that would leave a gradient of zero.
        loss = -similarity.log_softmax(dim=1).diagonal().sum()
        names = [name for name, _ in graph.named_parameters()]
        gradients = torch.autograd.grad(loss, list(graph.parameters()), allow_unused=True)
        return {name for name, g in zip(names, gradients, strict=True) if g is not None}

    by_text = taught(graph.video(video)["coarse"] @ graph.text(text)["coarse"].T)
    by_sound = taught(graph.video(video)["fine"] @ graph.audio(audio)["fine"].T)
    assert {name.split(".")[0] for name in by_text} == from_text
    assert {name.split(".")[0] for name in by_sound} == from_sound
    assert by_text | by_sound == {name for name, _ in graph.named_parameters()}


def test_settings_that_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match="one space: fine_dim 512 != coarse_dim 256"):
        MMVConfig(graph="shared")
    with pytest.raises(ValueError, match="must be one of fac, fac_relu, fac_bnrelu, shared, disjoint"):
        MMVConfig(graph="fac_gelu")
    assert MMVConfig(graph="shared", coarse_dim=512).fine_dim == 512
