"""Takes from a process what reading an upload does not need. Irrevocable; call it in a child.

Three walls, each as far as the kernel lets us build it:

1. Resource limits: address space, processor time, size of a written file, open files, no core
   dumps. Everywhere.
2. A network namespace of its own, without interfaces. Linux, with CAP_SYS_ADMIN. Not through a
   user namespace: where a distribution lets one be made but not mapped, the process would be left
   unable to create a file.
3. A seccomp filter that refuses sockets, new programs and looking into other processes. Linux on
   x86-64 and arm64; works without privileges, also in Docker.

The file system is not hidden: run the worker as a user who owns nothing else.
"""

import ctypes
import errno
import platform
import resource
import struct
import sys
from typing import Final

_CLONE_NEWNET: Final = 0x40000000
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
_SIGKILL: Final = 9

# include/uapi/linux/filter.h, seccomp.h and audit.h.
_LOAD_WORD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM
_KILL: Final = 0x80000000
_AT_SYSCALL: Final = 0
_AT_ARCHITECTURE: Final = 4
_X32_FROM: Final = 0x40000000

# socket, socketpair, connect, execve, execveat, ptrace, process_vm_readv, process_vm_writev,
# io_uring_setup (which opens sockets of its own), bpf, keyctl.
_REFUSED: Final = {
    "x86_64": (0xC000003E, (41, 53, 42, 59, 322, 101, 310, 311, 425, 321, 250)),
    "aarch64": (0xC00000B7, (198, 199, 203, 221, 281, 117, 270, 271, 425, 280, 219)),
}


def confine(
    *, memory_bytes: int, cpu_seconds: int, file_bytes: int, open_files: int = 64
) -> list[str]:
    """Build the walls around this process and the threads it starts from now on.

    Args:
        memory_bytes: address space; beyond it allocation fails (MemoryError).
        cpu_seconds: processor time; beyond it the kernel kills the process.
        file_bytes: size of any file it writes; beyond it writing fails (EFBIG).
        open_files: descriptors at a time.

    Returns:
        The walls that stand, of "resource_limits", "network_namespace", "seccomp".
    """
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, open_files),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))
    walls = ["resource_limits"]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if libc.unshare(_CLONE_NEWNET) == 0:
            walls.append("network_namespace")
        if _filter_syscalls(libc):
            walls.append("seccomp")
    return walls


def _filter_syscalls(libc: ctypes.CDLL) -> bool:
    if platform.machine() not in _REFUSED:
        return False
    architecture, refused = _REFUSED[platform.machine()]
    # Each test jumps forward to one of the three verdicts at the end.
    tests = [(_JUMP_AT_LEAST, _X32_FROM), *((_JUMP_EQUAL, number) for number in refused)]
    program = [
        _step(_LOAD_WORD, _AT_ARCHITECTURE),
        _step(_JUMP_EQUAL, architecture, if_not=len(tests) + 3),
        _step(_LOAD_WORD, _AT_SYSCALL),
        *(_step(code, value, if_so=len(tests) - at) for at, (code, value) in enumerate(tests)),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _REFUSE),
        _step(_RETURN, _KILL),
    ]
    code = ctypes.create_string_buffer(b"".join(program))
    # struct sock_fprog: a count, padding to a pointer, the pointer.
    filter_program = struct.pack("HP", len(program), ctypes.addressof(code))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_program, 0, 0) == 0)


def _step(code: int, value: int, *, if_so: int = 0, if_not: int = 0) -> bytes:
    """One `struct sock_filter`."""
    return struct.pack("HBBI", code, if_so, if_not, value)
