"""What the restricted pickle reader may build: arrays, dtypes and mappings, by functions of our own.

A pickle names functions and classes by (module, name) and asks the reader to call them. None is ever imported: the few
names that published Haiku checkpoints use (MMV release, jax 0.2 to 0.10, Haiku 0.0.1 on, dill, NumPy 1 and 2) stand for
a `Token`, and calling a token runs a function of this module, which checks its arguments first.
"""

import re
from collections.abc import Callable
from enum import Enum, auto

import numpy as np

MAX_DIMENSIONS = 16
_PLAIN_NUMBER = re.compile(r"[<>|=]?(f[248]|[iu][1248]|b1)")
_OTHER_KINDS = {"O": "Python objects", "V": "records", "S": "text", "U": "text", "c": "complex numbers"}
_OTHER_KINDS |= {"M": "dates", "m": "time spans"}


class CheckpointError(Exception):
    """A checkpoint that cannot be read; the message names the file, what is wrong with it and what would be right."""


class UnsafePickleError(CheckpointError):
    """The file asks for something that a checkpoint of arrays has no need of; the message names it. Nothing was run."""


class Token(Enum):
    """What an allowed name in a pickle stands for."""

    NDARRAY = auto()
    DTYPE = auto()
    RECONSTRUCT = auto()
    FROM_BUFFER = auto()
    SCALAR = auto()
    ENCODE = auto()
    DILL_ARRAY = auto()
    JAX_ARRAY = auto()
    HAIKU_MAPPING = auto()
    ORDERED_DICT = auto()


GLOBALS: dict[tuple[str, str], Token] = {
    ("numpy", "ndarray"): Token.NDARRAY,
    ("numpy", "dtype"): Token.DTYPE,
    ("numpy.core.multiarray", "_reconstruct"): Token.RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): Token.RECONSTRUCT,
    ("numpy.core.numeric", "_frombuffer"): Token.FROM_BUFFER,
    ("numpy._core.numeric", "_frombuffer"): Token.FROM_BUFFER,
    ("numpy.core.multiarray", "scalar"): Token.SCALAR,
    ("numpy._core.multiarray", "scalar"): Token.SCALAR,
    ("_codecs", "encode"): Token.ENCODE,
    ("dill._dill", "_create_array"): Token.DILL_ARRAY,
    ("dill.dill", "_create_array"): Token.DILL_ARRAY,
    ("jax._src.array", "_reconstruct_array"): Token.JAX_ARRAY,
    ("jax._src.device_array", "reconstruct_device_array"): Token.JAX_ARRAY,
    ("jax.interpreters.xla", "reconstruct_device_array"): Token.JAX_ARRAY,
    ("haiku._src.data_structures", "frozendict"): Token.HAIKU_MAPPING,
    ("haiku._src.data_structures", "FlatMapping"): Token.HAIKU_MAPPING,
    ("collections", "OrderedDict"): Token.ORDERED_DICT,
}


class Dtype:
    """A dtype of plain numbers. Pickles set its byte order after they have made it, so it can change."""

    __slots__ = ("dtype",)

    def __init__(self, text: str):
        if not _PLAIN_NUMBER.fullmatch(text):
            kind = _OTHER_KINDS.get(text.lstrip("<>|=")[:1], "not plain numbers")
            raise CheckpointError(f"has an array of dtype {text[:40]!a} ({kind}); only float, int and bool can be read")
        self.dtype = np.dtype(text)


class Array:
    """An array, made empty and filled once: `values` is None in between, then native-endian and C-ordered."""

    __slots__ = ("values",)

    def __init__(self, values: np.ndarray | None = None):
        self.values = values


class Budget:
    """How many more bytes may be made. Arrays come to no more than the file has; one shared buffer could be more."""

    def __init__(self, size: int):
        self.left = size

    def take(self, size: int) -> None:
        """Count bytes that are about to be made. Raises CheckpointError when they are too many."""
        self.left -= size
        if self.left < 0:
            raise CheckpointError("describes more data than the file holds, by using the same bytes again and again")


def describe(value: object) -> str:
    """What a value of the reader is, in a word for messages."""
    names = {dict: "a mapping", list: "a list", tuple: "a tuple", str: "a text", Array: "an array", Dtype: "a dtype"}
    names |= {Token: "a function or class", int: "an int"}
    return names.get(type(value), "None" if value is None else f"a {type(value).__name__}")


def call(function: object, args: object, budget: Budget) -> object:
    """Call an allowed name with the arguments from the pickle. Raises CheckpointError for any that it does not take."""
    if not isinstance(function, Token):
        raise UnsafePickleError(f"asks to call {describe(function)}")
    if function not in _CALLS:
        raise UnsafePickleError(f"asks to call {function.name.lower()}")
    if type(args) is not tuple:
        raise CheckpointError(f"is damaged: it calls {function.name.lower()} with {describe(args)} for arguments")
    return _CALLS[function](args, budget)


def build(value: object, state: object, budget: Budget) -> None:
    """Set the state of an array or a dtype in place. Raises CheckpointError for a wrong state, or any other value."""
    if isinstance(value, Array):
        _fill(value, state, budget)
    elif isinstance(value, Dtype):
        _set_byte_order(value, state)
    else:
        raise UnsafePickleError(f"asks to set the attributes of {describe(value)}")


def _wrong(function: Token) -> CheckpointError:
    return CheckpointError(f"is damaged: {function.name.lower()} does not take the arguments given")


def _dtype(args: tuple, budget: Budget) -> Dtype:
    if len(args) not in (1, 3) or type(args[0]) is not str:
        raise _wrong(Token.DTYPE)
    return Dtype(args[0])


def _set_byte_order(value: Dtype, state: object) -> None:
    # (version, byte order, subdtype, names, fields, itemsize, alignment, flags[, metadata])
    if type(state) is not tuple or len(state) not in (8, 9) or type(state[1]) is not str:
        raise CheckpointError("is damaged: a dtype has a state that NumPy does not write")
    if state[2] is not None or state[3] is not None or state[4] is not None:
        raise CheckpointError("has an array of records (a structured dtype); only float, int and bool can be read")
    if state[1] not in ("<", ">", "|", "=") or type(state[7]) is not int or state[7] != 0:
        raise CheckpointError("is damaged: a dtype has an unknown byte order or flags")
    if state[1] != "|":
        value.dtype = value.dtype.newbyteorder(state[1])  # type: ignore[arg-type]  # one of the four above


def _reconstruct(args: tuple, budget: Budget) -> Array:
    if len(args) != 3 or args[0] is not Token.NDARRAY:
        raise _wrong(Token.RECONSTRUCT)
    return Array()


def _fill(array: Array, state: object, budget: Budget) -> None:
    if array.values is not None:
        raise CheckpointError("is damaged: it fills an array twice")
    if type(state) is not tuple or len(state) != 5:
        raise CheckpointError("is damaged: an array has a state that NumPy does not write")
    _version, shape, dtype, fortran, data = state
    if type(fortran) not in (bool, int):
        raise CheckpointError("is damaged: an array's memory order is not a flag")
    array.values = _decode(data, dtype, shape, budget, "F" if fortran else "C")


def _from_buffer(args: tuple, budget: Budget) -> Array:
    # NumPy 2.3 on: order "K" and a permutation of the axes for arrays that are neither C- nor Fortran-ordered.
    if len(args) not in (4, 5) or type(args[3]) is not str or args[3] not in ("C", "F", "A", "K"):
        raise _wrong(Token.FROM_BUFFER)
    data, dtype, shape, order = args[:4]
    axes = args[4] if len(args) == 5 else None
    if order != "K" or axes is None:
        return Array(_decode(data, dtype, shape, budget, "F" if order == "F" else "C"))
    values = _decode(data, dtype, shape, budget, "C")
    if type(axes) is not tuple or any(type(n) is not int for n in axes) or sorted(axes) != list(range(values.ndim)):
        raise _wrong(Token.FROM_BUFFER)
    budget.take(values.nbytes)
    return Array(np.asarray(values.transpose(axes), order="C"))


def _scalar(args: tuple, budget: Budget) -> Array:
    if len(args) != 2:
        raise _wrong(Token.SCALAR)
    return Array(_decode(args[1], args[0], (), budget, "C"))


def _decode(data: object, dtype: object, shape: object, budget: Budget, order: str) -> np.ndarray:
    if not isinstance(dtype, Dtype):
        raise CheckpointError(f"is damaged: an array has {describe(dtype)} for a dtype")
    if type(shape) is not tuple or len(shape) > MAX_DIMENSIONS or any(type(n) is not int for n in shape):
        raise CheckpointError("is damaged: an array's shape is not a short tuple of whole numbers")
    if not isinstance(data, bytes | bytearray):
        raise CheckpointError(f"is damaged: an array's data is {describe(data)}, not bytes")
    size = dtype.dtype.itemsize
    for n in shape:
        if n < 1 or n > len(data):
            raise CheckpointError(f"is damaged: {len(data)} bytes of data cannot fill an array with an axis of {n}")
        size *= n
    if size != len(data):
        raise CheckpointError(
            f"is damaged: an array of shape {shape} and dtype {dtype.dtype} takes {size} bytes, not {len(data)}"
        )
    budget.take(size)
    values = np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if order == "F" else "C")
    if values.dtype == np.bool_:
        values = values.view(np.uint8) != 0  # any other byte than 0 and 1 is undefined in a bool array
    return np.asarray(values, dtype=values.dtype.newbyteorder("="), order="C")


def _encode(args: tuple, budget: Budget) -> bytes:
    # How protocols 0 to 2 write bytes: as the text of the same code points.
    if len(args) != 2 or type(args[0]) is not str or type(args[1]) is not str or args[1] not in ("latin1", "latin-1"):
        raise _wrong(Token.ENCODE)
    budget.take(len(args[0]))
    try:
        return args[0].encode("latin1")
    except UnicodeEncodeError:
        raise CheckpointError("is damaged: bytes written as text hold characters that are no bytes") from None


def _rebuilt(function: Token, args: tuple, budget: Budget, extra: tuple[type, ...]) -> Array:
    """(NumPy's function, its arguments, the array's state, and what we leave out): dill's and jax's way."""
    if len(args) not in (3, 4) or args[0] not in (Token.RECONSTRUCT, Token.FROM_BUFFER):
        raise _wrong(function)
    if len(args) == 4 and type(args[3]) not in extra:
        raise _wrong(function)
    array = call(args[0], args[1], budget)
    if args[2] is not None:
        build(array, args[2], budget)
    assert isinstance(array, Array)  # both functions make one
    return array


def _haiku_mapping(args: tuple, budget: Budget) -> dict:
    if len(args) != 1 or type(args[0]) is not dict:
        given = describe(args[0]) if len(args) == 1 else f"{len(args)} arguments"
        raise CheckpointError(f"is damaged: a Haiku mapping is made of {given}, not of one mapping")
    return args[0]


def _ordered_dict(args: tuple, budget: Budget) -> dict:
    if args:
        raise _wrong(Token.ORDERED_DICT)
    return {}


_CALLS: dict[Token, Callable[[tuple, Budget], object]] = {
    Token.DTYPE: _dtype,
    Token.RECONSTRUCT: _reconstruct,
    Token.FROM_BUFFER: _from_buffer,
    Token.SCALAR: _scalar,
    Token.ENCODE: _encode,
    Token.DILL_ARRAY: lambda args, budget: _rebuilt(Token.DILL_ARRAY, args, budget, (type(None), dict)),
    Token.JAX_ARRAY: lambda args, budget: _rebuilt(Token.JAX_ARRAY, args, budget, (dict,)),
    Token.HAIKU_MAPPING: _haiku_mapping,
    Token.ORDERED_DICT: _ordered_dict,
}
