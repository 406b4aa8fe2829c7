"""A pickle reader that runs nothing: only arrays, numbers, texts and mappings come out of it.

`pickletools.genops` splits the file into instructions without carrying any of them out, and the small machine below
carries out those that a checkpoint needs, on values of its own. Python's unpickler would import what the file names,
call it, set attributes and hash keys before anyone can look; here a name is looked up in a table
(`models.pretrained.pickle_values.GLOBALS`) and keys are texts.

Time and memory are bounded by the file: a value that is used again is one value, nothing is copied by an instruction,
nothing is walked, hashed or compared but texts, and the number of instructions has a limit.
"""

import pickletools
from typing import BinaryIO

from models.pretrained.pickle_values import GLOBALS, Budget, CheckpointError, UnsafePickleError, build, call, describe

MAX_INSTRUCTIONS = 2_000_000  # the published files, ~1,200 arrays each, have fewer than 100,000
MAX_MARKS = 64  # containers open at a time
MAX_KEY = 1000  # letters; the longest path of the published files has 114
_PROTOCOLS = range(6)

_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_TEXTS = {"UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_PUSH = _NUMBERS | _BYTES | _TEXTS
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def unpickle(file: BinaryIO, size: int) -> object:
    """Read one pickle of any protocol from `file`, open at its start and `size` bytes long; what follows it is left.

    Returns None, bool, int (64 bits), float, str, bytes, bytearray, tuple, list, dict with str keys, and
    `pickle_values.Array`; values may be shared and may contain themselves. Raises CheckpointError for a damaged file,
    UnsafePickleError for one that asks for more, OSError.
    """
    source = _Source(file, size)
    machine = _Machine(size)
    operations = pickletools.genops(source)  # type: ignore[arg-type]  # takes anything with read, readline and tell
    for _ in range(MAX_INSTRUCTIONS):
        try:
            opcode, argument, _position = next(operations)
        except (ValueError, OverflowError, MemoryError, StopIteration):
            # The reason may quote megabytes of the file.
            if source.short:
                raise CheckpointError(f"breaks off at byte {size}: it is cut short, or damaged") from None
            raise CheckpointError(f"is damaged: no valid pickle near byte {source.tell()}") from None
        if opcode.name == "STOP":
            return machine.result()
        if opcode.name == "FRAME" and argument > size:  # type: ignore[operator]
            raise CheckpointError(f"breaks off at byte {size}: it announces a part of {argument} bytes")
        machine.step(opcode.name, argument)
    raise CheckpointError(f"has more than {MAX_INSTRUCTIONS} pickle instructions, far more than any checkpoint")


class _Source:
    """What genops reads from: never asks the file for more than is left, whatever length the pickle declares."""

    def __init__(self, file: BinaryIO, size: int):
        self._file = file
        self._position = 0
        self._size = size
        self.short = False  # whether something was cut off by the end of the file

    def read(self, size: int) -> bytes:
        data = self._file.read(min(size, self._size - self._position))
        self._position += len(data)
        self.short |= len(data) < size
        return data

    def readline(self) -> bytes:
        data = self._file.readline(self._size - self._position)
        self._position += len(data)
        self.short |= not data.endswith(b"\n")
        return data

    def tell(self) -> int:
        return self._position


class _Machine:
    """The stack and memo of a pickle. Every method raises CheckpointError for what a sound file would not do."""

    def __init__(self, size: int):
        self._stack: list[object] = []
        self._marked: list[list[object]] = []  # the stacks below each open mark
        self._memo: dict[int, object] = {}
        self._budget = Budget(2 * size + (1 << 20))  # old protocols make bytes out of text first

    def step(self, name: str, argument: object) -> None:
        """Carry out one instruction."""
        if name in _PUSH:
            if type(argument) is int and not -(2**63) <= argument < 2**63:
                raise CheckpointError("has a whole number of more than 64 bits")
            self._stack.append(argument)
        elif name in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
            assert name == "MEMOIZE" or isinstance(argument, int)
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = self._top()  # type: ignore[index]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            assert isinstance(argument, int)
            if argument not in self._memo:
                raise CheckpointError(f"is damaged: it refers to value {argument}, which it has not stored")
            self._stack.append(self._memo[argument])
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            parts = [self._pop() for _ in range(_TUPLES[name])]
            self._stack.append(tuple(reversed(parts)))
        elif name == "MARK":
            if len(self._marked) >= MAX_MARKS:
                raise CheckpointError(f"is nested more than {MAX_MARKS} deep; a checkpoint has two levels of mappings")
            self._marked.append(self._stack)
            self._stack = []
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            self._global(name, argument)
        elif name == "REDUCE":
            args = self._pop()
            self._stack.append(call(self._pop(), args, self._budget))
        elif name == "BUILD":
            state = self._pop()
            build(self._top(), state, self._budget)
        elif name not in ("PROTO", "FRAME"):
            self._container(name, argument)
        elif name == "PROTO" and argument not in _PROTOCOLS:
            raise CheckpointError(f"is a pickle of protocol {argument}; protocols 0 to 5 can be read")

    def result(self) -> object:
        """The value that the pickle is of."""
        if self._marked:
            raise CheckpointError("is damaged: it ends inside of a container")
        return self._pop()

    def _container(self, name: str, argument: object) -> None:
        if name in ("TUPLE", "LIST"):
            items = self._items()  # changes which stack is the current one
            self._stack.append(tuple(items) if name == "TUPLE" else items)
        elif name == "EMPTY_LIST":
            self._stack.append([])
        elif name in ("DICT", "EMPTY_DICT"):
            items = self._items() if name == "DICT" else []
            self._stack.append({})
            self._set(items)
        elif name in ("APPEND", "APPENDS"):
            items = self._items() if name == "APPENDS" else [self._pop()]
            target = self._top()
            if type(target) is not list:
                raise CheckpointError("is damaged: it appends to what is not a list")
            target.extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            self._set(self._items() if name == "SETITEMS" else [self._pop(), self._pop()][::-1])
        else:
            what = f"{name} {_short(argument)}" if argument is not None else name
            raise UnsafePickleError(f"uses the pickle instruction {what}, which no checkpoint of arrays needs")

    def _global(self, name: str, argument: object) -> None:
        if name == "GLOBAL":
            module, _, attribute = str(argument).partition(" ")
        else:
            last, first = self._pop(), self._pop()
            if type(first) is not str or type(last) is not str:
                raise UnsafePickleError(
                    f"asks for a global by {describe(first)} and {describe(last)} instead of a name"
                )
            module, attribute = first, last
        token = GLOBALS.get((module, attribute))
        if token is None:
            raise UnsafePickleError(
                f"asks for {_short(f'{module}.{attribute}')}, which no checkpoint of arrays needs; it was not run"
            )
        self._stack.append(token)

    def _set(self, items: list[object]) -> None:
        target = self._top()
        if type(target) is not dict:
            raise CheckpointError("is damaged: it sets items of what is not a mapping")
        if len(items) % 2:
            raise CheckpointError("is damaged: a mapping has a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) is not str:  # hashing anything else could take forever
                raise CheckpointError(f"has a mapping with {describe(key)} for a key; keys are texts")
            if len(key) > MAX_KEY:  # two equal ones are compared in full, each time
                raise CheckpointError(f"has a mapping with a key of {len(key)} letters")
            target[key] = value

    def _items(self) -> list[object]:
        """What was pushed since the last mark, which is taken away."""
        if not self._marked:
            raise CheckpointError("is damaged: it closes a container that it has not opened")
        items, self._stack = self._stack, self._marked.pop()
        return items

    def _pop(self) -> object:
        if not self._stack:
            raise CheckpointError("is damaged: it takes a value that it has not given")
        return self._stack.pop()

    def _top(self) -> object:
        if not self._stack:
            raise CheckpointError("is damaged: it takes a value that it has not given")
        return self._stack[-1]


def _short(value: object) -> str:
    text = ascii(value[:100] if isinstance(value, str | bytes) else value)
    return text.strip("'")[:100]
