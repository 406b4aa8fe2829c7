"""Every array of the published MMV checkpoints: section, module path, leaf and shape, for the three architectures.

Written from the description of the reference implementation alone, so that the weight mapping of `models.pretrained`
can be tested against something that does not share its code.
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

ROOT = "text_audio_video"
BN = "__cross_replica_batch_norm"
BLOCKS, CHANNELS = (3, 4, 6, 3), (256, 512, 1024, 2048)
WORD_TABLE = (65_536, 300)
WIDTHS = {"tsm-resnet50": 1, "tsm-resnet50x2": 2}
# Input channels; then the channels of 1x1x1 | 1x1x1, 3x3x3 | 1x1x1, 3x3x3 | 1x1x1 after a max-pool.
MIXED = {
    "3b": (192, 64, 96, 128, 16, 32, 32),
    "3c": (256, 128, 128, 192, 32, 96, 64),
    "4b": (480, 192, 96, 208, 16, 48, 64),
    "4c": (512, 160, 112, 224, 24, 64, 64),
    "4d": (512, 128, 128, 256, 24, 64, 64),
    "4e": (512, 112, 144, 288, 32, 64, 64),
    "4f": (528, 256, 160, 320, 32, 128, 128),
    "5b": (832, 256, 160, 320, 32, 128, 128),
    "5c": (832, 384, 192, 384, 48, 128, 128),
}


class Leaf(NamedTuple):
    """One array: int32 for `counter`, float32 for all others."""

    section: str
    path: str
    leaf: str
    shape: tuple[int, ...]


def published_layout(arch: str) -> list[Leaf]:
    """All arrays of the published checkpoint of s3d, tsm-resnet50 or tsm-resnet50x2."""
    if arch == "s3d":
        video, dim = list(_s3d(f"{ROOT}/visual_module/~/S3D")), 1024
    else:
        width = WIDTHS[arch]
        trunk = f"{ROOT}/visual_module/~/TSMResNetV2"
        video, dim = list(_resnet(trunk, "tsm_resnet_stem", "tsm_resnet_unit_{}/block_{}", "", 3, width)), 2048 * width
    audio = _resnet(f"{ROOT}/audio_module/~/res_net_v2", "~/initial_conv", "~/block_group_{}/block_{}", "~/", 1, 1)
    return [*video, *audio, *_text(), *_heads(dim)]


def digest(layout: list[Leaf]) -> str:
    """sha256 of the sorted lines `section path leaf shape`."""
    lines = sorted(f"{leaf.section}\t{leaf.path}\t{leaf.leaf}\t{leaf.shape}\n" for leaf in layout)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _norm(path: str, shape: tuple[int, ...]) -> Iterator[Leaf]:
    for leaf in ("scale", "offset"):
        yield Leaf("params", path, leaf, shape)
    for average in ("mean_ema", "var_ema"):
        yield Leaf("state", f"{path}/~/{average}", "counter", ())
        yield Leaf("state", f"{path}/~/{average}", "hidden", shape)
        yield Leaf("state", f"{path}/~/{average}", "average", shape)


def _linear(path: str, inner: int, outer: int, bias: bool = True) -> Iterator[Leaf]:
    yield Leaf("params", path, "w", (inner, outer))
    if bias:
        yield Leaf("params", path, "b", (outer,))


def _resnet(trunk: str, stem: str, block_path: str, infix: str, inputs: int, width: int) -> Iterator[Leaf]:
    yield Leaf("params", f"{trunk}/{stem}", "w", (7, 7, inputs, 64 * width))
    before = 64 * width
    for group, (blocks, channels) in enumerate(zip(BLOCKS, CHANNELS, strict=True)):
        after, middle = channels * width, channels * width // 4
        for number in range(blocks):
            block = f"{trunk}/{block_path.format(group, number)}"
            yield from _norm(f"{block}/{BN}", (1, 1, 1, before))
            yield from _norm(f"{block}/{BN}_1", (1, 1, 1, middle))
            yield from _norm(f"{block}/{BN}_2", (1, 1, 1, middle))
            yield Leaf("params", f"{block}/{infix}conv_0", "w", (1, 1, before, middle))
            yield Leaf("params", f"{block}/{infix}conv_1", "w", (3, 3, middle, middle))
            yield Leaf("params", f"{block}/{infix}conv_2", "w", (1, 1, middle, after))
            if number == 0:
                yield Leaf("params", f"{block}/{infix}shortcut_conv", "w", (1, 1, before, after))
            before = after
    yield from _norm(f"{trunk}/{BN}", (1, 1, 1, before))


def _unit(path: str, inner: int, outer: int, kernels: list[tuple[int, int, int]], gated: bool) -> Iterator[Leaf]:
    for number, kernel in enumerate(kernels):
        suffix = f"_{number}" if number else ""
        yield Leaf("params", f"{path}/~/conv3_d{suffix}", "w", (*kernel, inner, outer))
        yield from _norm(f"{path}/{BN}{suffix}", (1, 1, 1, 1, outer))
        inner = outer
    if gated:
        yield from _linear(f"{path}/self_gating", outer, outer)


def _s3d(trunk: str) -> Iterator[Leaf]:
    point, separable = [(1, 1, 1)], [(1, 3, 3), (3, 1, 1)]
    yield from _unit(f"{trunk}/Conv2d_1a_7x7", 24, 64, [(2, 4, 4)], gated=False)  # after space-to-depth
    yield from _unit(f"{trunk}/Conv2d_2b_1x1", 64, 64, point, gated=False)
    yield from _unit(f"{trunk}/Conv2d_2c_3x3", 64, 192, separable, gated=True)
    for layer, (inputs, b0, b1a, b1b, b2a, b2b, b3) in MIXED.items():
        mixed = f"{trunk}/Mixed_{layer}"
        yield from _unit(f"{mixed}/Branch_0_Conv2d_0a_1x1", inputs, b0, point, gated=True)
        yield from _unit(f"{mixed}/Branch_1_Conv2d_0a_1x1", inputs, b1a, point, gated=False)
        yield from _unit(f"{mixed}/Branch_1_Conv2d_0b_3x3", b1a, b1b, separable, gated=True)
        yield from _unit(f"{mixed}/Branch_2_Conv2d_0a_1x1", inputs, b2a, point, gated=False)
        yield from _unit(f"{mixed}/Branch_2_Conv2d_0b_3x3", b2a, b2b, separable, gated=True)
        yield from _unit(f"{mixed}/Branch_3_Conv2d_0b_1x1", inputs, b3, point, gated=True)


def _text() -> Iterator[Leaf]:
    yield Leaf("params", f"{ROOT}/text_module/~/embed", "embeddings", WORD_TABLE)
    yield Leaf("params", f"{ROOT}/text_module/~/text_conv1", "w", (1, 300, 2048))
    yield Leaf("params", f"{ROOT}/text_module/~/text_conv1", "b", (2048,))


def _heads(video: int) -> Iterator[Leaf]:
    heads = f"{ROOT}/~_get_pair_embedding_heads"
    yield from _linear(f"{heads}/vid2audio_embd/final_projection_inner", video, 512)
    yield from _norm(f"{heads}/vid2audio_embd/{BN}", (1, 512))
    yield from _linear(f"{heads}/vid2audio_embd/final_projection", 512, 512, bias=False)
    yield from _norm(f"{heads}/vid2audio_embd/{BN}_1", (1, 512))
    yield from _linear(f"{heads}/vis_embd/final_projection", 512, 256)
    yield from _norm(f"{heads}/vis_embd/{BN}", (1, 256))
    for head, outer in (("audio_embd", 512), ("audio2txt_embd", 512), ("txt_embd", 256), ("txt2audio_embd", 512)):
        yield from _linear(f"{heads}/{head}/final_projection", 2048, outer)
