"""A small seccomp filter: refuse some system calls with an error, allow all others (seccomp(2), bpf(4)).

Container profiles and old kernels refuse in just this way, so it makes their situation real for one process and its
children.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass

NUMBERS = {
    "x86_64": {"unshare": 272, "socket": 41, "setsockopt": 54, "ioctl": 16, "clone": 56, "vfork": 58, "clone3": 435},
    "aarch64": {"unshare": 97, "socket": 198, "setsockopt": 208, "ioctl": 29, "clone": 220, "clone3": 435},
}
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JSET|K, BPF_RET|K
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2


@dataclass(frozen=True)
class Refusal:
    """Refuse `call` with `error` where every argument in `equal` (index, value) is that and `bits` are set."""

    call: str
    error: int
    equal: Sequence[tuple[int, int]] = ()
    bits: Sequence[tuple[int, int]] = ()

    def program(self) -> bytes:
        """The instructions; each test that fails jumps behind the last one."""
        number = NUMBERS[platform.machine()][self.call]
        tests = [(_EQUAL, 0, number), *((_EQUAL, 16 + 8 * index, value) for index, value in self.equal)]
        tests += [(_ANY_BIT, 16 + 8 * index, value) for index, value in self.bits]
        code = b""
        for place, (how, offset, value) in enumerate(tests):
            skip = 2 * (len(tests) - place) - 1  # the tests that follow, two instructions each, and the return
            code += struct.pack("HBBI", _LOAD, 0, 0, offset) + struct.pack("HBBI", how, 0, skip, value)
        return code + struct.pack("HBBI", _RETURN, 0, 0, _ERRNO | self.error)


def refuse(refusals: Sequence[Refusal]) -> None:
    """Put the filter on this process and all that it starts. Raises OSError if the kernel has no seccomp."""
    code = b"".join(one.program() for one in refusals) + struct.pack("HBBI", _RETURN, 0, 0, _ALLOW)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp is refused")
