"""The published networks' parameters, by the paths that the reference implementation gives them, into ours."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.networks.embedding_graph import FACGraph
from models.networks.mmv import MMV, MMVConfig, fill_network, unfilled_network
from models.networks.preact_resnet import Block, ResNetV2
from models.networks.s3d import S3D, Mixed, S3DConfig, Unit
from models.networks.tsm_resnet import TSMResNet
from models.pretrained.checkpoint import CheckpointError, read_checkpoint
from models.pretrained.published import ARCHS, WORD_TABLE

ROOT = "text_audio_video"
BATCH_NORM = "__cross_replica_batch_norm"
VISION, AUDIO, TEXT = f"{ROOT}/visual_module/~", f"{ROOT}/audio_module/~/res_net_v2", f"{ROOT}/text_module/~"
HEADS = f"{ROOT}/~_get_pair_embedding_heads"
# Made by the reference's training graph, used by no output of the FAC graph.
UNUSED = (f"{HEADS}/audio2txt_embd/", f"{HEADS}/txt2audio_embd/")

Section = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Source:
    """Where the reference keeps one of our tensors, in which shape, and how its axes become ours."""

    section: str  # params or state
    module: str
    leaf: str
    shape: tuple[int, ...]
    convert: Callable[[np.ndarray], np.ndarray]

    @property
    def path(self) -> str:
        return f"{self.section} {self.module} {self.leaf}"


def load_checkpoint(path: str | Path, arch: str) -> MMV:
    """A published checkpoint as our network, in eval mode: `encode_video`, `encode_audio`, `encode_text`.

    `arch` is s3d, tsm-resnet50 or tsm-resnet50x2. An S3D checkpoint tells by its first filter whether it takes raw or
    space-to-depth frames. Raises CheckpointError for another arch, for a file that is no checkpoint, and naming every
    missing, unexpected and mis-shaped parameter.
    """
    if arch not in ARCHS:
        raise CheckpointError(f"there is no published architecture {arch!r}; known are {', '.join(ARCHS)}")
    try:
        return network_of(read_checkpoint(path), arch)
    except MisfitError as error:
        raise CheckpointError(f"{path} is not a checkpoint of {arch}: {error}") from None


class MisfitError(CheckpointError):
    """Parameters that do not fit the network; the message names each, up to a dozen."""


def network_of(checkpoint: dict[str, Section], arch: str) -> MMV:
    """The network of what `read_checkpoint` gives. Raises MisfitError."""
    config = _as_stored(ARCHS[arch].network, checkpoint["params"])
    network = unfilled_network(config, _word_table_shape(checkpoint["params"]))
    tensors, problems = {}, []
    sources = dict(expected_parameters(network))
    for name, source in sources.items():
        array = checkpoint[source.section].get(source.module, {}).get(source.leaf)
        if array is None:
            problems.append(f"missing: {source.path}")
        elif (fitted := _fit(array, source)) is None:
            problems.append(f"mis-shaped: {source.path} is {array.shape}, not {source.shape}")
        else:
            tensors[name] = torch.from_numpy(np.array(source.convert(fitted), np.float32, order="C"))
    problems += [f"unexpected: {path}" for path in _unexpected(checkpoint, sources)]
    if problems:
        more = f" (and {len(problems) - 12} more)" if len(problems) > 12 else ""
        raise MisfitError("; ".join(problems[:12]) + more)
    tensors["graph.audio_scale"] = torch.ones(())
    return fill_network(network, tensors)


def expected_parameters(network: MMV) -> Iterator[tuple[str, Source]]:
    """(name of our tensor, where the reference has it) of a network with a published FAC graph and text tower."""
    assert isinstance(network.graph, FACGraph)
    if isinstance(network.video, S3D):
        yield from _s3d("video", f"{VISION}/S3D", network.video)
    else:
        yield from _tsm("video.trunk", f"{VISION}/TSMResNetV2", network.video)
    yield from _audio("audio.trunk", AUDIO, network.audio.trunk)
    embedding = network.text.embed.weight
    yield "text.embed.weight", Source("params", f"{TEXT}/embed", "embeddings", tuple(embedding.shape), _same)
    words, dim = network.text.linear.in_features, network.text.linear.out_features
    yield "text.linear.weight", Source("params", f"{TEXT}/text_conv1", "w", (1, words, dim), lambda w: w[0].T)
    yield "text.linear.bias", Source("params", f"{TEXT}/text_conv1", "b", (dim,), _same)
    graph = network.graph
    for ours, theirs, linear in (
        ("video_fine.inner", "vid2audio_embd/final_projection_inner", graph.video_fine.inner),
        ("video_fine.final", "vid2audio_embd/final_projection", graph.video_fine.final),
        ("to_coarse.final", "vis_embd/final_projection", graph.to_coarse.final),
        ("audio_fine", "audio_embd/final_projection", graph.audio_fine),
        ("text_coarse", "txt_embd/final_projection", graph.text_coarse),
    ):
        yield from _linear(f"graph.{ours}", f"{HEADS}/{theirs}", linear)
    for ours, theirs, norm in (
        ("video_fine.inner_norm", f"vid2audio_embd/{BATCH_NORM}", graph.video_fine.inner_norm),
        ("video_fine.final_norm", f"vid2audio_embd/{BATCH_NORM}_1", graph.video_fine.final_norm),
        ("to_coarse.final_norm", f"vis_embd/{BATCH_NORM}", graph.to_coarse.final_norm),
    ):
        yield from _norm(f"graph.{ours}", f"{HEADS}/{theirs}", norm, 2)


def _tsm(ours: str, theirs: str, network: TSMResNet) -> Iterator[tuple[str, Source]]:
    trunk = network.trunk
    yield from _conv(f"{ours}.stem", f"{theirs}/tsm_resnet_stem", trunk.stem)
    for name, block, i, j in _blocks(trunk):
        path = f"{theirs}/tsm_resnet_unit_{i}/block_{j}"
        yield from _block(f"{ours}.{name}", path, path, block)
    yield from _norm(f"{ours}.final_norm", f"{theirs}/{BATCH_NORM}", trunk.final_norm, 4)


def _audio(ours: str, theirs: str, trunk: ResNetV2) -> Iterator[tuple[str, Source]]:
    yield from _conv(f"{ours}.stem", f"{theirs}/~/initial_conv", trunk.stem)
    for name, block, i, j in _blocks(trunk):
        path = f"{theirs}/~/block_group_{i}/block_{j}"
        yield from _block(f"{ours}.{name}", f"{path}/~", path, block)
    yield from _norm(f"{ours}.final_norm", f"{theirs}/{BATCH_NORM}", trunk.final_norm, 4)


def _blocks(trunk: ResNetV2) -> Iterator[tuple[str, Block, int, int]]:
    for i, unit in enumerate(trunk.units):
        for j, block in enumerate(unit.children()):
            assert isinstance(block, Block)
            yield f"units.{i}.{j}", block, i, j


def _block(ours: str, convs: str, norms: str, block: Block) -> Iterator[tuple[str, Source]]:
    for n, (conv, norm) in enumerate(zip(block.convs, block.norms, strict=True)):
        yield from _conv(f"{ours}.convs.{n}", f"{convs}/conv_{n}", conv)
        yield from _norm(f"{ours}.norms.{n}", f"{norms}/{BATCH_NORM}{_suffix(n)}", norm, 4)
    if block.shortcut is not None:
        yield from _conv(f"{ours}.shortcut", f"{convs}/shortcut_conv", block.shortcut)


def _s3d(ours: str, theirs: str, network: S3D) -> Iterator[tuple[str, Source]]:
    for name, layer in network.layers.items():
        units = {f"branches.{b}": (f"/{b}", u) for b, u in layer.branches.items()} if isinstance(layer, Mixed) else {}
        for inside, (path, unit) in (units or {"": ("", layer)}).items():
            key = f"{ours}.layers.{name}" + (f".{inside}" if inside else "")
            yield from _unit(key, f"{theirs}/{name}{path}", unit)  # type: ignore[arg-type]


def _unit(ours: str, theirs: str, unit: Unit) -> Iterator[tuple[str, Source]]:
    for n, (conv, norm) in enumerate(zip(unit.convs, unit.norms, strict=True)):
        yield from _conv(f"{ours}.convs.{n}", f"{theirs}/~/conv3_d{_suffix(n)}", conv)
        yield from _norm(f"{ours}.norms.{n}", f"{theirs}/{BATCH_NORM}{_suffix(n)}", norm, 5)
    if unit.gate is not None:
        yield from _linear(f"{ours}.gate", f"{theirs}/self_gating", unit.gate)


def _conv(ours: str, theirs: str, conv: nn.Module) -> Iterator[tuple[str, Source]]:
    weight = conv.weight
    assert isinstance(weight, Tensor)
    out, into, *kernel = weight.shape
    axes = (len(kernel) + 1, len(kernel), *range(len(kernel)))  # HWIO or DHWIO to OIHW or OIDHW
    yield f"{ours}.weight", Source("params", theirs, "w", (*kernel, into, out), lambda w: w.transpose(axes))


def _linear(ours: str, theirs: str, linear: nn.Linear) -> Iterator[tuple[str, Source]]:
    shape = (linear.in_features, linear.out_features)
    yield f"{ours}.weight", Source("params", theirs, "w", shape, lambda w: w.T)
    if linear.bias is not None:
        yield f"{ours}.bias", Source("params", theirs, "b", shape[1:], _same)


def _norm(ours: str, theirs: str, norm: nn.Module, rank: int) -> Iterator[tuple[str, Source]]:
    """Evaluation uses `average`; `hidden` beside it is the average before its bias is taken out."""
    assert isinstance(norm.weight, Tensor)
    shape = (1,) * (rank - 1) + tuple(norm.weight.shape)
    for name, section, module, leaf in (
        ("weight", "params", theirs, "scale"),
        ("bias", "params", theirs, "offset"),
        ("running_mean", "state", f"{theirs}/~/mean_ema", "average"),
        ("running_var", "state", f"{theirs}/~/var_ema", "average"),
    ):
        yield f"{ours}.{name}", Source(section, module, leaf, shape, _flat)


def _same(array: np.ndarray) -> np.ndarray:
    return array


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1)


def _suffix(n: int) -> str:
    """Haiku numbers the modules of one name from the second on."""
    return f"_{n}" if n else ""


def _fit(array: np.ndarray, source: Source) -> np.ndarray | None:
    """The array in the shape the reference has it; None where it does not fit.

    Batch-norm arrays may come squeezed, and any array with a leading axis of replicas, which hold the same numbers.
    """
    shapes = [source.shape]
    if source.convert is _flat:
        shapes.append(source.shape[-1:])
    if array.shape in shapes:
        return array.reshape(source.shape)
    if array.shape[1:] in shapes and len(array):
        return array[0].reshape(source.shape)
    return None


def _unexpected(checkpoint: dict[str, Section], sources: dict[str, Source]) -> Iterator[str]:
    """What the file has and the network lacks: computing without it would be computing something else."""
    known = {(s.section, s.module, s.leaf) for s in sources.values()}
    modules = {(s.section, s.module) for s in sources.values()}
    for section, parts in checkpoint.items():
        for module, leaves in parts.items():
            if (module + "/").startswith(UNUSED):
                continue
            for leaf in leaves:
                extra = section == "state" and (section, module) in modules and leaf in ("hidden", "counter")
                if (section, module, leaf) not in known and not extra:
                    yield f"{section} {module} {leaf}"


def _as_stored(config: MMVConfig, params: Section) -> MMVConfig:
    """S3D-G with raw input where the first filter has three channels and not the 24 of space-to-depth."""
    first = params.get(f"{VISION}/S3D/Conv2d_1a_7x7/~/conv3_d", {}).get("w")
    if isinstance(config.video, S3DConfig) and first is not None and first.ndim >= 2 and first.shape[-2] == 3:
        return dataclasses.replace(config, video=S3DConfig(space_to_depth=False))
    return config


def _word_table_shape(params: Section) -> tuple[int, int]:
    """Words x dimensions of the file's word table: whoever trained with another vocabulary has another size."""
    table = params.get(f"{TEXT}/embed", {}).get("embeddings")
    return WORD_TABLE if table is None or table.ndim < 2 else (table.shape[-2], table.shape[-1])
