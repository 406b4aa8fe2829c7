"""Checkpoints as the MMV release and later versions of Haiku, jax and dill write them, with random contents.

Neither jax nor Haiku is needed: a pickle holds only the names of their classes, and `Named` writes those.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from models.tests.published_layout import Leaf, published_layout

Contents = dict[str, dict[str, dict[str, np.ndarray]]]
HAIKU = "haiku._src.data_structures"


@dataclass(frozen=True)
class Style:
    """How a checkpoint is written.

    `mapping`: plain dict (Haiku 0.0.10 on), frozendict (0.0.1), FlatMapping (0.0.3 on), OrderedDict.
    `arrays`: numpy (protocol 5: _frombuffer), numpy-1 (the module names of NumPy 1), dill, jax (0.4 on), jax-0.3.
    `slim` leaves out counter and hidden, `squeezed` the axes of length 1 of batch norms, `replicas` puts an axis of
    identical copies in front of every array, `extra` adds top-level keys.
    """

    mapping: Literal["dict", "frozendict", "FlatMapping", "OrderedDict"] = "dict"
    arrays: Literal["numpy", "numpy-1", "dill", "jax", "jax-0.3"] = "numpy"
    protocol: int = 4
    fortran: bool = False
    big_endian: bool = False
    squeezed: bool = False
    slim: bool = False
    extra: bool = False
    replicas: int = 0


PUBLISHED = Style(mapping="frozendict", arrays="dill", protocol=3)  # dill and Haiku of mid-2020


def random_contents(arch: str, seed: int = 0) -> Contents:
    """What the published checkpoint of an architecture holds, with random weights that keep activations in range.

    `hidden` differs from `average`, as it does in a short run, so that a mix-up shows.
    """
    rng = np.random.default_rng(seed)
    contents: Contents = {"params": {}, "state": {}}
    for leaf in published_layout(arch):
        contents[leaf.section].setdefault(leaf.path, {})[leaf.leaf] = _random(leaf, rng)
    return contents


def parity_inputs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames float32 [2, 6, 50, 58, 3], log-mel float32 [2, 157, 80], ids int32 [2, 16].

    `reference_outputs.npz` holds what the reference makes of them. Sizes that SAME padding treats differently, and
    frames of unlike tints, so that their order matters.
    """
    rng = np.random.default_rng(7)
    frames = rng.random((2, 6, 50, 58, 3), np.float32) * rng.random((2, 6, 1, 1, 3), np.float32)
    log_mel = rng.normal(-3, 2, (2, 157, 80)) * rng.uniform(0.5, 1.5, (2, 157, 1))
    return frames, log_mel.astype(np.float32), rng.integers(0, 65_536, (2, 16), np.int32)


def _random(leaf: Leaf, rng: np.random.Generator) -> np.ndarray:
    if leaf.leaf == "counter":
        return np.array(rng.integers(1, 1000), np.int32)
    if leaf.leaf == "scale" or leaf.path.endswith("var_ema"):
        return rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
    values = rng.standard_normal(leaf.shape, np.float32)
    if leaf.leaf != "w":
        values *= np.float32(0.1)
        return values
    values *= np.float32(np.sqrt(2 / np.prod(leaf.shape[:-1])))
    if leaf.path.endswith("conv_2"):
        values *= np.float32(0.3)  # the end of a residual branch: sixteen would double the variance each
    return values


def write_checkpoint(path: str | Path, contents: Contents, style: Style = PUBLISHED) -> Path:
    """Write `contents` to `path` in a style; returns the path. dill is needed for arrays of that style alone."""
    wrap = {"dict": dict, "OrderedDict": OrderedDict}.get(style.mapping, _haiku(style.mapping))
    top: dict[str, Any] = {
        section: wrap({name: wrap(_leaves(name, leaves, style)) for name, leaves in modules.items()})
        for section, modules in contents.items()
    }
    if style.extra:
        top |= {"opt_state": {"count": np.array(7), "nested": [{"a": (1, 2.5, None)}]}, "step": 500_000}
    path = Path(path)
    with path.open("wb") as file:
        _pickler(file, style).dump(top)
    return path


def _leaves(module: str, leaves: dict[str, np.ndarray], style: Style) -> dict[str, np.ndarray]:
    out = {}
    for name, values in leaves.items():
        if style.slim and name in ("counter", "hidden"):
            continue
        if style.squeezed and "batch_norm" in module:
            values = values.reshape(values.shape[-1:])
        if style.replicas:
            values = np.broadcast_to(values, (style.replicas, *values.shape))
        values = values.astype(values.dtype.newbyteorder(">" if style.big_endian else "="))
        out[name] = np.asfortranarray(values) if style.fortran and values.ndim else values
    return out


class Named:
    """Stands for a function or class of a package that need not be installed: pickled as that name."""

    def __init__(self, module: str, name: str):
        self.module = module
        self.name = name

    def __call__(self) -> None:
        raise AssertionError("only its name is wanted")  # pickle insists that it can be called


class Call:
    """Pickled as a call: `function(*args)`, then the state."""

    def __init__(self, function: Named, args: tuple, state: object = None):
        self.function = function
        self.args = args
        self.state = state


def _haiku(name: str) -> Callable[[dict], Call]:
    return lambda mapping: Call(Named(HAIKU, name), (dict(mapping),))


def save_named(pickler: Any, value: Named) -> None:
    """Write the name as GLOBAL or, from protocol 4 on, STACK_GLOBAL."""
    if pickler.proto >= 4:
        pickler.save(value.module)
        pickler.save(value.name)
        pickler.write(pickle.STACK_GLOBAL)
    else:
        pickler.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())


def save_call(pickler: Any, value: Call) -> None:
    """Write the call, and its result into the memo."""
    pickler.save_reduce(value.function, value.args, value.state, obj=value)


def _array_call(values: np.ndarray, arrays: str) -> Call:
    function = Named("numpy.core.multiarray", "_reconstruct")
    args = (Named("numpy", "ndarray"), (0,), b"b")
    state = values.__reduce__()[2]
    if arrays == "numpy-1":
        return Call(function, args, state)
    aval = {"weak_type": False, "named_shape": {}}
    maker = {"jax": ("jax._src.array", "_reconstruct_array")}.get(
        arrays, ("jax._src.device_array", "reconstruct_device_array")
    )
    return Call(Named(*maker), (function, args, state, aval))


def _pickler(file: BinaryIO, style: Style) -> Any:
    base: Any = pickle._Pickler  # the one in Python, which can be taught to write names
    if style.arrays == "dill":
        import dill

        base = dill.Pickler

    class Pickler(base):
        dispatch = base.dispatch.copy()

    Pickler.dispatch[Named] = save_named
    Pickler.dispatch[Call] = save_call
    if style.arrays not in ("numpy", "dill"):
        Pickler.dispatch[np.ndarray] = lambda pickler, values: pickler.save(_array_call(values, style.arrays))
    return Pickler(file, style.protocol)
