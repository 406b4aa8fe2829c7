"""Files made to do harm: refused at once, in bounded memory, and nothing in them runs."""

import os
import pickle
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.pretrained import CheckpointError, UnsafePickleError, read_checkpoint
from models.tests.checkpoints import Contents, Style, write_checkpoint

MARKER = "MARKER"  # a file that the payloads below would make in the working directory
TOUCH = f"touch {MARKER}"
SMALL: Contents = {
    "params": {"m": {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}},
    "state": {"m/~/mean_ema": {"counter": np.array(1, np.int32), "average": np.ones((1, 3), np.float32)}},
}


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)


def text(value: str) -> bytes:
    """The instruction that pushes a text."""
    raw = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(raw)) + raw


def name(module: str, attribute: str, stack: bool = False) -> bytes:
    """The instructions that push a global."""
    if stack:
        return text(module) + text(attribute) + pickle.STACK_GLOBAL
    return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()


def get(number: int) -> bytes:
    """The instruction that pushes a value from the memo."""
    return pickle.LONG_BINGET + struct.pack("<I", number)


def leaf(value: bytes, before: bytes = b"") -> bytes:
    """A checkpoint with one parameter, made by the instructions given."""
    inner = b"}" + text("m") + b"}" + text("w") + value + b"ss"
    return b"\x80\x04" + before + b"}" + text("params") + inner + b"s" + text("state") + b"}s."


def store(data: bytes | bytearray) -> Path:
    """A new file each time: writing over an old one waits for the disk on some file systems."""
    path = Path("c.pkl")
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


def refuse(data: bytes, match: str = ".", error: type[CheckpointError] = CheckpointError) -> str:
    """The message that the file is refused with; nothing ran."""
    path = store(data)
    with pytest.raises(error, match=match) as told:
        read_checkpoint(path)
    assert not Path(MARKER).exists()
    message = str(told.value)
    assert message.startswith("c.pkl: ")
    assert "\n" not in message
    assert len(message) < 400
    return message


class Reduced:
    """Pickled as a call of os.system."""

    def __reduce__(self) -> tuple:
        return os.system, (TOUCH,)


def test_leaf_makes_checkpoints_that_are_read() -> None:
    assert read_checkpoint(store(leaf(b"K\x07")))["params"]["m"]["w"] == 7


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "place",
    [
        lambda evil: evil,
        lambda evil: {"params": {"m": {"w": evil}}, "state": {}},
        lambda evil: {"params": {}, "state": {}, "extra": [evil]},
        lambda evil: {"params": {"m": {"w": np.array([evil], object)}}, "state": {}},
    ],
    ids=["top", "leaf", "extra", "object array"],
)
def test_a_call_of_os_system_is_refused_and_not_run(place: Callable[[Any], Any], protocol: int) -> None:
    data = pickle.dumps(place(Reduced()), protocol)
    refuse(data)
    pickle.loads(data)
    assert Path(MARKER).exists()  # it is a real payload


@pytest.mark.parametrize(
    "payload",
    [
        b"(" + text(TOUCH) + b"ios\nsystem\n.",
        b"(" + name("os", "system") + text(TOUCH) + b"o.",
        name("os", "system") + text(TOUCH) + b"\x85R.",
        name("os", "system", stack=True) + text(TOUCH) + b"\x85R.",
        name("builtins", "eval") + text(f"open({MARKER!r}, 'w')") + b"\x85R.",
        name("builtins", "exec") + text(f"open({MARKER!r}, 'w')") + b"\x85R.",
        name("numpy", "load") + text("x.npy") + b"\x85R.",
    ],
)
def test_hand_made_calls_are_refused_and_not_run(payload: bytes) -> None:
    refuse(b"\x80\x04" + payload, "system|eval|exec|numpy.load", UnsafePickleError)


@pytest.mark.parametrize("stack", [False, True])
@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        ("numpy", "ndarray.__subclasses__"),
        ("numpy", "dtype.__class__"),
        ("collections", "OrderedDict.__init__"),
        ("numpy.ndarray", "__subclasses__"),
        ("numpy.core.multiarray", "frombuffer"),
        ("numpy", "_reconstruct"),
        ("numpy.core._multiarray_umath", "_reconstruct"),
        ("_codecs", "decode"),
        ("copyreg", "_reconstructor"),
        ("builtins", "getattr"),
        ("builtins", "bytearray"),
        ("dill._dill", "_load_type"),
        ("dill._dill", "_create_function"),
        ("dill._dill", "_import_module"),
        ("jax._src.array", "np.load"),
        ("haiku._src.data_structures", "to_mutable_dict"),
        ("haiku", "FlatMapping"),
        ("NUMPY", "ndarray"),
        ("numpy.", "ndarray"),
        ("", ""),
    ],
)
def test_only_names_in_the_table_are_known(module: str, attribute: str, stack: bool) -> None:
    message = refuse(leaf(name(module, attribute, stack)), "asks for", UnsafePickleError)
    assert f"{module}.{attribute}" in message


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (b"\x82\x05", "EXT1 5"),
        (b"\x83\x05\x00", "EXT2 5"),
        (b"\x84\x05\x00\x00\x00", "EXT4 5"),
        (b"Pid\n", "PERSID id"),
        (b"NQ", "BINPERSID"),
        (b"\x97", "NEXT_BUFFER"),
        (b"C\x01a\x98", "READONLY_BUFFER"),
        (b"\x8f", "EMPTY_SET"),
        (name("numpy", "ndarray") + b")\x81", "NEWOBJ"),
        (name("numpy", "ndarray") + b")}\x92", "NEWOBJ_EX"),
        (name("numpy", "ndarray") + b"K\x05\x85R", "call ndarray"),
        (name("numpy", "ndarray") + b"N}" + text("__doc__") + text("x") + b"s\x86b", "attributes of a function"),
        (
            name("haiku._src.data_structures", "FlatMapping") + b"}\x85R}" + text("a") + b"Nsb",
            "attributes of a mapping",
        ),
        (b"]" + b")R", "call a list"),
        (b"K\x01K\x02\x93", "a global by an int and an int"),
    ],
)
def test_instructions_that_arrays_do_not_need_are_refused(value: bytes, match: str) -> None:
    refuse(leaf(value), match, UnsafePickleError)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.array([None, "a"], object), "Python objects"),
        (np.zeros(2, [("a", "f4")]), "records"),
        (np.zeros(2, "V4"), "records"),
        (np.array(["a"]), "text"),
        (np.array([b"a"]), "text"),
        (np.zeros(2, np.complex64), "complex numbers"),
        (np.zeros(2, "M8[s]"), "dates"),
        (np.zeros(2, np.longdouble), "f16"),
        (np.zeros((2, 0), np.float32), "axis of|builtin"),
    ],
)
def test_arrays_of_anything_but_numbers_are_refused(values: np.ndarray, match: str, protocol: int) -> None:
    refuse(pickle.dumps({"params": {"m": {"w": values}}, "state": {}}, protocol), match)


DTYPE = name("numpy", "dtype") + text("f4") + b"\x85R"
BUFFER = name("numpy.core.numeric", "_frombuffer")
EMPTY = name("numpy.core.multiarray", "_reconstruct") + b"(" + name("numpy", "ndarray") + b"K\x00\x85C\x01btR"


def buffer(shape: bytes, data: bytes = b"C\x04abcd", dtype: bytes = DTYPE, order: bytes = text("C")) -> bytes:
    """A call of NumPy's _frombuffer, as protocol 5 has it."""
    return BUFFER + b"(" + data + dtype + shape + order + b"tR"


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (buffer(b"K\x02\x85"), "takes 8 bytes, not 4|axis of"),
        (buffer(b")", b"C\x03abc"), "takes 4 bytes, not 3"),
        (buffer(b"J\xff\xff\xff\xff\x85"), "axis of -1"),
        (buffer(b"\x8a\x08" + bytes(7) + b"\x40\x85"), "axis of 4611686018427387904"),
        (buffer(b"K\x00" + b"\x8a\x08" + bytes(7) + b"\x40\x86", b"C\x00"), "axis of 0"),
        (buffer(b"(" + b"K\x01" * 1000 + b"t"), "short tuple"),
        (buffer(b"G\x3f\xf0\x00\x00\x00\x00\x00\x00\x85"), "whole numbers"),
        (buffer(b"\x88\x85"), "whole numbers"),
        (buffer(b")", text("abcd")), "not bytes"),
        (buffer(b")", dtype=text("f4")), "for a dtype"),
        (buffer(b")", order=text("X")), "arguments"),
        (buffer(b"K\x01\x85", order=text("K") + b"K\x05\x85"), "arguments"),
        (buffer(b"K\x01\x85", order=text("K") + text("x") + b"\x85"), "arguments"),
        (name("numpy", "dtype") + text("f4,f4") + b"\x85R", "only float, int and bool"),
        (name("numpy", "dtype") + text("O") + b"\x85R", "Python objects"),
        (name("numpy", "dtype") + b"}\x85R", "arguments"),
        (DTYPE + b"(K\x03" + text("<") + DTYPE + b"NNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb", "records"),
        (DTYPE + b"(K\x03" + text("!") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb", "byte order"),
        (DTYPE + b"(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb", "flags"),
        (EMPTY, "an array without contents"),
        (EMPTY + b"}b", "a state that NumPy does not write"),
        (EMPTY + (b"(K\x01)" + DTYPE + b"\x89C\x04abcdtb") * 2, "fills an array twice"),
        (EMPTY + b"(K\x01)" + DTYPE + text("F") + b"C\x04abcdtb", "memory order"),
        (name("_codecs", "encode") + text("é€") + text("latin1") + b"\x86R", "no bytes"),
        (name("_codecs", "encode") + text("a") + text("rot13") + b"\x86R", "arguments"),
        (name("_codecs", "encode") + b"C\x01a" + text("latin1") + b"\x86R", "arguments"),
        (name("haiku._src.data_structures", "FlatMapping") + b"]\x85R", "a list, not of one mapping"),
        (name("haiku._src.data_structures", "frozendict") + b")R", "0 arguments, not of one mapping"),
        (name("collections", "OrderedDict") + b"]\x85R", "arguments"),
        (name("collections", "OrderedDict") + b"}R", "a mapping for arguments"),
        (name("dill._dill", "_create_array") + b"(" + name("numpy", "ndarray") + b"))NtR", "arguments"),
        (name("jax._src.array", "_reconstruct_array") + b"(" + BUFFER + b"))NtR", "arguments"),
    ],
)
def test_calls_with_other_arguments_are_refused(value: bytes, match: str) -> None:
    refuse(leaf(value), match)


def test_a_bool_array_holds_true_and_false_alone() -> None:
    dtype = name("numpy", "dtype") + text("b1") + b"\x85R"
    path = store(leaf(buffer(b"K\x03\x85", b"C\x03\x00\x01\x07", dtype)))
    assert read_checkpoint(path)["params"]["m"]["w"].tobytes() == b"\x00\x01\x01"


def laughs(levels: int, join: bytes) -> bytes:
    """Instructions that leave a value of 2 ** levels parts in the memo, under the number `levels`."""
    return text("lol") + b"\x94" + b"".join(b"(" + get(i) + get(i) + join + b"\x94" for i in range(levels))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("join", [b"t", b"l"], ids=["tuples", "lists"])
@pytest.mark.parametrize(
    "use",
    [
        lambda bomb: leaf(bomb),
        lambda bomb: leaf(b"}" + bomb + b"Ns"),
        lambda bomb: leaf(b"(" + bomb + b"Nd"),
        lambda bomb: leaf(buffer(bomb)),
        lambda bomb: leaf(buffer(bomb + b"\x85")),
        lambda bomb: leaf(buffer(b")", bomb)),
        lambda bomb: leaf(DTYPE + bomb + b"b"),
        lambda bomb: leaf(EMPTY + bomb + b"b"),
        lambda bomb: leaf(bomb + b"NR"),
        lambda bomb: leaf(bomb + bomb + b"\x93"),
        lambda bomb: leaf(DTYPE.replace(text("f4"), bomb)),
    ],
    ids=["value", "key", "key of DICT", "shape", "axis", "data", "dtype state", "state", "function", "name", "dtype"],
)
def test_nested_references_fail_fast(use: Callable[[bytes], bytes], join: bytes) -> None:
    data = use(get(200))
    refuse(data[:2] + laughs(200, join) + data[2:])


@pytest.mark.timeout(20)
def test_one_mapping_under_many_paths_is_too_many_arrays() -> None:
    leaves = b"}(" + b"".join(text(str(i)) + b"K\x01" for i in range(1000)) + b"u\x94"
    paths = b"}(" + b"".join(text(str(i)) + get(0) for i in range(1000)) + b"u"
    refuse(b"\x80\x04" + leaves + b"}(" + text("params") + paths + text("state") + b"}u.", "more than 100000 arrays")


@pytest.mark.timeout(20)
def test_one_buffer_in_many_arrays_is_too_much_data() -> None:
    big = bytes(1 << 20)
    before = b"B" + struct.pack("<I", len(big)) + big + b"\x94" + name("numpy", "dtype") + text(">f4") + b"\x85R\x94"
    shape = b"J" + struct.pack("<i", len(big) // 4) + b"\x85"
    arrays = b"}(" + b"".join(text(str(i)) + buffer(shape, get(0), get(1)) for i in range(1000)) + b"u"
    tracemalloc.start()
    refuse(leaf(arrays, before), "the same bytes again and again")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("before", "value"),
    [
        (b"", b")" + b"\x85" * 300_000),
        (b"]\x94" + b"".join(b"]" + get(i) + b"a\x94" for i in range(50_000)), get(50_000)),
        (b"}\x94" + b"".join(b"}" + text("k") + get(i) + b"s\x94" for i in range(50_000)), get(50_000)),
    ],
    ids=["tuples", "lists", "mappings"],
)
def test_deep_nesting_is_refused(before: bytes, value: bytes) -> None:
    refuse(leaf(value, before), "where an array or a number belongs")


def test_many_open_containers_are_refused() -> None:
    refuse(leaf(b"(" * 1_000_000), "nested more than")


def test_values_that_hold_themselves_are_refused() -> None:
    refuse(leaf(b"]\x94" + get(0) + b"a"), "a list at")
    refuse(leaf(b"}\x94" + text("m") + get(0) + b"s"), "a mapping at")
    loop = b"}\x94(" + text("params") + get(0) + text("state") + get(0) + b"u."
    refuse(b"\x80\x04" + loop, "a mapping at")


@pytest.mark.timeout(60)
def test_the_number_of_instructions_is_limited() -> None:
    refuse(b"\x80\x04" + b"N" * 2_100_000 + b".", "more than 2000000 pickle instructions")


@pytest.mark.parametrize(
    "value",
    [
        b"B\xff\xff\xff\xff",
        b"\x8e" + struct.pack("<Q", 1 << 40),
        b"\x8e" + struct.pack("<Q", (1 << 64) - 1),
        b"\x96" + struct.pack("<Q", 1 << 40),
        b"X\xff\xff\xff\xff",
        b"\x8d" + struct.pack("<Q", 1 << 62),
        b"\x8b\xff\xff\xff\x7f",
        b"\x8b\xff\xff\xff\xff",
        b"\x95" + struct.pack("<Q", 1 << 50),
        b"T\xff\xff\xff\x7f",
        b"I" + b"9" * 100_000 + b"\n",
        b"L" + b"9" * 100_000 + b"L\n",
        b"\x8b\x00\x10\x00\x00" + b"\x7f" * 4096,
        b"r\xff\xff\xff\xffj\xff\xff\xff\x7f",
    ],
)
def test_lengths_and_numbers_beyond_the_file_are_refused_without_memory(value: bytes) -> None:
    tracemalloc.start()
    refuse(leaf(b"N" + value))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.parametrize(
    "data", [b"\x80\x04.", b"\x80\x04(.", b"\x80\x04u.", b"\x80\x04(K\x01u.", b"\x80\x04\x94.", b"}e."]
)
def test_a_stack_without_the_value_wanted_is_damage(data: bytes) -> None:
    refuse(data, "is damaged")


STYLES = [
    Style("dict", "numpy", 5),
    Style("FlatMapping", "dill", 4),
    Style("frozendict", "dill", 2),
    Style("OrderedDict", "jax", 3),
    Style("dict", "numpy-1", 0),
]


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_a_file_cut_anywhere_is_refused(style: Style) -> None:
    data = write_checkpoint("whole.pkl", SMALL, style).read_bytes()
    for end in range(len(data)):
        refuse(data[:end])


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_damage_of_any_kind_gives_arrays_or_a_checkpoint_error(style: Style) -> None:
    data = write_checkpoint("whole.pkl", SMALL, style).read_bytes()
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(1000):
        damaged = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path = store(damaged)
        try:
            read = read_checkpoint(path)
        except CheckpointError:
            refused += 1
        else:
            leaves = [a for modules in read.values() for parts in modules.values() for a in parts.values()]
            assert all(isinstance(a, np.ndarray) and a.dtype.kind in "fiub" for a in leaves)
    assert refused > 100


def test_random_instructions_give_nothing_but_a_checkpoint_error() -> None:
    rng = np.random.default_rng(6)
    for _ in range(2000):
        path = store(b"\x80\x04" + rng.bytes(int(rng.integers(1, 200))))
        with pytest.raises(CheckpointError):
            read_checkpoint(path)
