"""System calls that wait for another process: who dials, and who asks for the name of a socket.

A process puts a filter on itself, which its threads and children keep; then connect() and getsockname() wait until
whoever holds the listener has answered, in their place or by letting them go on. No rights are needed. Sources:
seccomp(2), seccomp_unotify(2), pidfd_getfd(2); numbers: include/uapi/linux/seccomp.h and the tables of system calls.
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from . import libc

_CONNECT, _GETSOCKNAME = {"x86_64": (42, 51), "aarch64": (203, 204)}.get(platform.machine(), (0, 0))
_SECCOMP = {"x86_64": 317, "aarch64": 277}.get(platform.machine(), 0)
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}.get(platform.machine(), 0)
_PIDFD_GETFD = 438  # on every machine
_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _NEW_LISTENER, _WAIT_KILLABLE = 1, 1 << 3, 1 << 5  # Linux 5.19: a signal does not break it off
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_RECEIVE, _SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV and _SEND
_CONTINUE = 1
_NOTICE = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif
_SO_COOKIE = 57
_LONGEST = 128  # bytes of an address: struct sockaddr_storage


def why_none() -> str:
    """Return why no call can be made to wait here, "" if it can."""
    return "" if _SECCOMP else f"its system calls on {platform.machine()} are not listed"


def make_calls_wait() -> int:
    """Make the connect() and getsockname() of the calling process wait; return the listener. OSError if refused."""
    libc.call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in _program()))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(_program()), ctypes.addressof(code)))
    flags = ctypes.c_ulong(_NEW_LISTENER | _WAIT_KILLABLE)
    try:
        return libc.call("syscall", _SECCOMP, _SET_MODE_FILTER, flags, program)
    except OSError as error:
        raise OSError(error.errno, f"seccomp() said {error.strerror}") from None


def _program() -> list[tuple[int, int, int, int]]:
    return [
        (_LOAD, 0, 0, 4),  # struct seccomp_data: the architecture
        (_EQUAL, 0, 3, _ARCHITECTURE),
        (_LOAD, 0, 0, 0),  # the number
        (_EQUAL, 2, 0, _CONNECT),
        (_EQUAL, 1, 0, _GETSOCKNAME),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _NOTIFY),
    ]


@dataclass(frozen=True)
class Call:
    """A call that waits: which thread made it, whether it dials, on which of its descriptors, and two arguments."""

    number: int
    thread: int
    dials: bool
    descriptor: int
    pointer: int
    length: int

    def socket(self) -> socket.socket:
        """Return the same socket. OSError if that is no socket, or nobody may have it."""
        process = os.pidfd_open(_process_of(self.thread))
        try:
            return socket.socket(fileno=libc.call("syscall", _PIDFD_GETFD, process, self.descriptor, 0))
        finally:
            os.close(process)

    def address(self) -> bytes:
        """Return the address that is dialled, as connect(2) takes it."""
        memory = os.open(f"/proc/{self.thread}/mem", os.O_RDONLY)
        try:
            return os.pread(memory, min(self.length, _LONGEST), self.pointer)
        finally:
            os.close(memory)


def _process_of(thread: int) -> int:
    lines = Path(f"/proc/{thread}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Tgid:"))


def next_call(listener: int) -> Call:
    """Return a call that waits, or the next one. OSError if its thread has ended meanwhile, or nobody is left."""
    import fcntl

    notice = bytearray(_NOTICE.size)
    fcntl.ioctl(listener, _RECEIVE, notice)
    number, thread, _, call, _, _, *arguments = _NOTICE.unpack(notice)
    return Call(number, thread, call == _CONNECT, *arguments[:3])


def let_go_on(listener: int, call: Call) -> None:
    """Let the kernel do what the call asks for."""
    _answer(listener, struct.pack("=QqiI", call.number, 0, 0, _CONTINUE))


def answer(listener: int, call: Call, error: int) -> None:
    """Answer in the kernel's place: `error` is an errno, 0 for success."""
    _answer(listener, struct.pack("=QqiI", call.number, 0, -error, 0))


def _answer(listener: int, words: bytes) -> None:
    import contextlib
    import fcntl

    with contextlib.suppress(FileNotFoundError):  # whoever waited has ended
        fcntl.ioctl(listener, _SEND, words)


def connect(sock: socket.socket, address: bytes) -> int:
    """Connect to an address as connect(2) takes it; return the errno, 0 for success."""
    try:
        libc.call("connect", sock.fileno(), address, len(address))
    except OSError as error:
        return error.errno or 0
    return 0


def cookie(sock: socket.socket) -> int:
    """Return the number by which the kernel knows a socket, whoever holds it."""
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8), "little")
