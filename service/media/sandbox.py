"""What a process that parses hostile bytes gives up before it reads the first of them.

Limits (`setrlimit`) work everywhere; the rest is Linux's: root becomes nobody, Landlock takes the file system away, and
a seccomp filter takes away opening files, the network, other processes and whatever else decoding does not need. Each
is tried, and what is not there (an old kernel, macOS) is left out: `confine` says what is in force.
"""

import contextlib
import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from functools import lru_cache

NOBODY = 65534
# At the hard limit Linux sends SIGKILL and nothing else: the soft one has to come first.
CPU_GRACE_S = 2
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2

# Landlock: numbers of its system calls (the same everywhere), and what each version of it can forbid.
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF, LANDLOCK_VERSION_FLAG = 444, 446, 1
# (from this version on, all rights to files up to this bit)
LANDLOCK_FILE_BITS = ((1, 13), (2, 14), (3, 15), (5, 16))
LANDLOCK_NETWORK = (4, 0b11)  # TCP: bind, connect
LANDLOCK_SCOPES = (6, 0b11)  # abstract sockets and signals of processes outside

# Linux's numbers of system calls that are refused: (x86-64, arm64); None where there is no such call.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # files: the one that is decoded is handed over open
    "open": (2, None),
    "creat": (85, None),
    "openat": (257, 56),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "link": (86, None),
    "linkat": (265, 37),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "memfd_create": (319, 279),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    # the network, and sockets of any kind
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    # other processes
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # the machine
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "capset": (126, 91),
    "personality": (135, 92),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "modify_ldt": (154, None),
    "ioperm": (173, None),
    "iopl": (172, None),
}
# Newer calls have the same number everywhere. All are answered "no such call", so that libraries fall back to an older
# one (clone3 to clone), but for those that wait, and that manage one's own memory and descriptors.
NEWER_FROM = 424
NEWER_ALLOWED = (436, 440, 441, 449, 454, 455, 456)  # close_range, process_madvise, epoll_pwait2, futexes
CLONE, TGKILL = (56, 220), (234, 131)
CLONE_THREAD = 0x10000

# (AUDIT_ARCH_*, column of the tables above)
ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
X32_BIT = 0x40000000

# seccomp's answers, and the instructions of its filters (BPF) that are used here.
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
OFFSET_NUMBER, OFFSET_ARCHITECTURE, OFFSET_FIRST_ARGUMENT = 0, 4, 16

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def prepare() -> None:
    """Works out what `confine` needs and is the same in every process: to be called before forking those."""
    known = ARCHITECTURES.get(platform.machine())
    if known is not None:
        _filter(*known)


def confine(memory_bytes: int, open_files: int) -> list[str]:
    """This process gives up what decoding does not need; the names of what is in force. Cannot be undone.

    To be called while it has one thread, with nothing left to import or open. CPU time is limited by `limit_cpu`.
    """
    done = ["limits"]
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: open_files,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some of them
            resource.setrlimit(limit, (value, value))
    if _LIBC is None:
        return done
    if _become_nobody():
        done.append("nobody")
    if _LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return done
    if version := _landlock():
        done.append(f"landlock {version}")
    if _seccomp():
        done.append("seccomp")
    return done


def limit_cpu(seconds: int) -> None:
    """The kernel ends this process when it has used so much CPU time since its start.

    By SIGXCPU, which tells why; by SIGKILL soon after, should something have made it deaf to that.
    """
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + CPU_GRACE_S))


def _become_nobody() -> bool:
    """Root becomes another user, for good. In a container that has no such user everything stays as it is."""
    if os.geteuid() != 0:
        return False
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        return False
    return True


def _landlock() -> int:
    """No file by any path, no TCP; the version of Landlock, 0 where there is none."""
    assert _LIBC is not None
    version: int = _LIBC.syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION_FLAG)
    if version < 1:
        return 0
    bits = max(bits for since, bits in LANDLOCK_FILE_BITS if version >= since)
    rules = [(1 << bits) - 1]
    rules += [LANDLOCK_NETWORK[1]] if version >= LANDLOCK_NETWORK[0] else []
    rules += [LANDLOCK_SCOPES[1]] if version >= LANDLOCK_SCOPES[0] else []
    attributes = struct.pack(f"={len(rules)}Q", *rules)
    ruleset = _LIBC.syscall(LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return 0
    done = _LIBC.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return version if done else 0


def _seccomp() -> bool:
    """Refuses the calls above. False on an architecture whose numbers are not known here, or without seccomp."""
    assert _LIBC is not None
    known = ARCHITECTURES.get(platform.machine())
    if known is None:
        return False
    before, after = _filter(*known)
    program = before + _do(EQUAL, os.getpid(), 0, 1) + after
    given = _Program(len(program) // 8, program)
    return bool(_LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(given), 0, 0) == 0)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


@lru_cache
def _filter(architecture: int, column: int) -> tuple[bytes, bytes]:
    """The instructions before and after the one that compares with the process's own id.

    They load a field of the call; compare; return what is to be done.
    """
    refuse = _do(RETURN, ERRNO | errno.EACCES)
    unknown = _do(RETURN, ERRNO | errno.ENOSYS)
    allow = _do(RETURN, ALLOW)
    code = [_do(LOAD, OFFSET_ARCHITECTURE), _do(EQUAL, architecture, 1, 0), _do(RETURN, KILL)]
    code += [_do(LOAD, OFFSET_NUMBER)]
    code += [_do(AT_LEAST, X32_BIT, 0, 1), _do(RETURN, KILL)]
    for number in sorted(numbers[column] for numbers in REFUSED.values() if numbers[column] is not None):  # type: ignore[type-var]
        assert number is not None
        code += [_do(EQUAL, number, 0, 1), refuse]
    # Threads, but no processes; a signal to oneself (that is how a program aborts), but to nobody else.
    code += [_do(EQUAL, CLONE[column], 0, 4), _do(LOAD, OFFSET_FIRST_ARGUMENT)]
    code += [_do(ANY_BIT, CLONE_THREAD, 0, 1), allow, refuse]
    code += [_do(EQUAL, TGKILL[column], 0, 4), _do(LOAD, OFFSET_FIRST_ARGUMENT)]
    before, code = code, [allow, refuse]
    for number in NEWER_ALLOWED:
        code += [_do(EQUAL, number, 0, 1), allow]
    code += [_do(AT_LEAST, NEWER_FROM, 0, 1), unknown, allow]
    return b"".join(before), b"".join(code)


def _do(instruction: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction: struct sock_filter."""
    return struct.pack("=HBBI", instruction, if_true, if_false, value)
