"""The process that decode children are forked from: it has the decoders loaded, one thread, and no secrets.

Its owner (`children.py`) sends it messages over the socket that is its standard input: to fork a child, with a number
for it and the ends of a socket and of a pipe, or to send a signal to the child of a number. A child's process id is
written to its pipe, and at its end its exit status, with the memory that it took. When the owner is gone, so are this
process and all its children.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import struct
import sys
from types import FrameType

from service.media import decode_child

MESSAGE = struct.Struct("=cBQ")
PID = struct.Struct("=i")
STATUS = struct.Struct("=iQ")  # exit status, most memory that it ever had, in bytes
FORK, SIGNAL = b"F", b"S"


def main() -> None:
    """Serve until the owner closes its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is the owner's to handle
    owner = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, _nothing)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    decode_child.warm_up()
    gc.freeze()  # objects that are never collected stay shared with the children
    children: dict[int, tuple[int, int]] = {}  # process id -> number, status pipe
    while True:
        ready, _, _ = select.select([owner.fileno(), woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            _reap(children)
        if owner.fileno() in ready:
            message, descriptors, _, _ = socket.recv_fds(owner, MESSAGE.size, 2)
            if len(message) < MESSAGE.size:
                break
            kind, signum, number = MESSAGE.unpack(message)
            if kind == FORK:
                _fork(number, descriptors, children)
            else:
                _signal(number, signum, children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


def _fork(number: int, descriptors: list[int], children: dict[int, tuple[int, int]]) -> None:
    connection, status = descriptors
    try:
        pid = os.fork()
    except OSError:  # the machine has no more processes to give: the owner sees that there is no child
        os.close(connection)
        os.close(status)
        return
    if pid == 0:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(connection, 3)
            os.closerange(4, 1 << 16)
            decode_child.serve(3)
        finally:
            os._exit(1)
    os.close(connection)
    with contextlib.suppress(OSError):  # nobody waits for it any more
        os.write(status, PID.pack(pid))
    children[pid] = (number, status)


def _signal(number: int, signum: int, children: dict[int, tuple[int, int]]) -> None:
    """By number and not by process id, which may be another process's by now."""
    for pid, (known, _) in children.items():
        if known == number:
            os.kill(pid, signum)


def _reap(children: dict[int, tuple[int, int]]) -> None:
    while children:
        pid, ended, used = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            return
        _, status = children.pop(pid)
        peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        with contextlib.suppress(OSError):  # nobody waits for it any more
            os.write(status, STATUS.pack(os.waitstatus_to_exitcode(ended), peak))
        os.close(status)


def _nothing(signum: int, frame: FrameType | None) -> None:
    """A handler, so that the signal wakes `select`."""
