"""A checkpoint in the published format of a network small enough for tests, in the place of a published one."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from models.networks.mmv import MMVConfig, unfilled_network
from models.networks.preact_resnet import ResNetConfig
from models.preprocess.text import SPECIAL
from models.pretrained import published
from models.pretrained.published import ARCHS
from models.pretrained.weights import expected_parameters
from models.tests.checkpoints import Contents, write_checkpoint

ARCH = "tsm-resnet50"
SIZE = 48
WORDS = [*SPECIAL, "door", "opens", "dog", "barks", "xray", "x", "ray"]
TRUNK = ResNetConfig("bottleneck", (1, 1, 1, 1), (32, 32, 64, 64), 8)
NETWORK = MMVConfig(TRUNK, TRUNK, text_dim=32, fine_dim=32, coarse_dim=16, instance_dim=0)


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the tiny network the one that ARCH names."""
    monkeypatch.setitem(published.ARCHS, ARCH, dataclasses.replace(ARCHS[ARCH], network=NETWORK))


def write(path: Path, seed: int = 0) -> Path:
    """Random weights at `path`, as published."""
    rng = np.random.default_rng(seed)
    contents: Contents = {"params": {}, "state": {}}
    for _, source in expected_parameters(unfilled_network(NETWORK, (len(WORDS), 20))):
        if source.leaf == "scale" or source.module.endswith("var_ema"):
            array = rng.uniform(0.5, 1.5, source.shape)
        else:
            array = rng.normal(0, np.sqrt(2 / np.prod(source.shape[:-1])), source.shape)
        contents[source.section].setdefault(source.module, {})[source.leaf] = array.astype(np.float32)
    return write_checkpoint(path, contents)


def write_words(path: Path, words: list[str] = WORDS) -> Path:
    """The vocabulary file that belongs to it."""
    path.write_text("".join(f"{word}\n" for word in words))
    return path
