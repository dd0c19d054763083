"""Which system calls a program under audit may not make: a filter for seccomp(2), as bytes.

Refused is what reaches the machine rather than the program's own files and network: mounts, namespaces, other
processes' memory, keys (keyrings(7): they are the user's, in every namespace), loading code into the kernel, clocks,
sockets of other families than the network namespace holds; and a range of its own for a socket, whose ports the audit
could not tell (`scene.py`): Linux before 6.3 has none either. Numbers: the kernel's syscall tables, by machine.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Sequence

_X86, _ARM = "x86_64", "aarch64"
_NUMBERS = {  # on x86_64 and aarch64; None where a machine has no such call
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "unshare": (272, 97), "setns": (308, 268),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "syslog": (103, 116), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None),
    "open_by_handle_at": (304, 265), "vhangup": (153, 58), "fanotify_init": (300, 262),
}  # fmt: skip
_CLONE, _CLONE3, _SOCKET, _IOCTL, _IO_URING = (56, 220), (435, 435), (41, 198), (16, 29), (425, 425)
_SETSOCKOPT, _SOL_IP, _IP_LOCAL_PORT_RANGE = (54, 208), 0, 51
_NAMESPACES = 0x7E020080  # every CLONE_NEW flag that clone(2) takes
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: type into a terminal
_FAMILIES = (1, 2, 10, 16, 17)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET (socket(2)): Linux's numbers
_ARCHITECTURES = {_X86: 0xC000003E, _ARM: 0xC00000B7}
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16  # struct seccomp_data
_X32 = 0x40000000
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def why_no_filter() -> str:
    """Return why there is no filter for this machine, "" if there is one."""
    machine = platform.machine()
    return "" if machine in _ARCHITECTURES else f"its system calls on {machine} are not listed"


def program(strict: bool) -> bytes:
    """Return the filter; `strict` refuses io_uring too, whose requests are no system calls."""
    column = (_X86, _ARM).index(platform.machine())
    code = _code(_LOAD, _ARCHITECTURE_AT) + _code(_EQUAL, _ARCHITECTURES[platform.machine()], 1, 0)
    code += _refuse(errno.ENOSYS) + _code(_LOAD, _NUMBER_AT) + _code(_AT_LEAST, _X32, 0, 1) + _refuse(errno.ENOSYS)
    calls = [numbers[column] for numbers in (*_NUMBERS.values(), *([_IO_URING] if strict else []))]
    for number in filter(None, calls):
        code += _when(number, b"", errno.EPERM)
    code += _when(_CLONE3[column], b"", errno.ENOSYS)  # its flags are in memory: the C library then takes clone()
    code += _when(_CLONE[column], _code(_ANY_BIT, _NAMESPACES, 0, 1), errno.EPERM, argument=0)
    code += _when(_SOCKET[column], _unless(_FAMILIES), errno.EAFNOSUPPORT, argument=0)
    option = _code(_EQUAL, _IP_LOCAL_PORT_RANGE, 0, 3) + _argument(1) + _code(_EQUAL, _SOL_IP, 0, 1)
    code += _when(_SETSOCKOPT[column], option, errno.ENOPROTOOPT, argument=2)
    for request in _TERMINAL_INPUT:
        code += _when(_IOCTL[column], _code(_EQUAL, request, 0, 1), errno.EPERM, argument=1)
    return code + _code(_RETURN, _ALLOW)


def _when(number: int, test: bytes, error: int, argument: int | None = None) -> bytes:
    """Refuse this call if the test of its argument does not jump over the refusal."""
    load = _argument(argument) if argument is not None else b""
    inner = load + test + _refuse(error)
    again = _code(_LOAD, _NUMBER_AT) if load else b""
    return _code(_EQUAL, number, 0, len(inner + again) // 8) + inner + again


def _argument(number: int) -> bytes:
    return _code(_LOAD, _ARGUMENTS_AT + 8 * number)


def _unless(values: Sequence[int]) -> bytes:
    """Jump over one instruction if the argument is one of these."""
    return b"".join(_code(_EQUAL, value, len(values) - place, 0) for place, value in enumerate(values))


def _refuse(error: int) -> bytes:
    return _code(_RETURN, _ERRNO | error)


def _code(what: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", what, then, otherwise, value)
