"""Which kernel does what: from a version or an era's name to the behaviour that differs.

The eras themselves (how connect() picks a source port) are in `ports.eras`; here is the rest that changed.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import Any

from ...ports.eras import BY_NAME, ERAS, era_of_linux
from ...ports.ranges import LINUX_DEFAULT_RANGE, PortRange

Number = tuple[int, ...]

# What came to older series too: the release whose review mail has it (docs/sources.md).
_ACCEPTS_SINCE: dict[Number, int] = {(6, 1): 110, (6, 6): 51}  # a SYN-ACK in SYN-RECEIVED: 23e89e8ee7be, 6.11
_COUNTS_SINCE: dict[Number, int] = {  # CLOSE-WAIT in CurrEstab: a46d0ea5c942, 6.10
    (4, 19): 317, (5, 4): 279, (5, 10): 221, (5, 15): 162, (6, 1): 95, (6, 6): 35, (6, 9): 6,
}  # fmt: skip
_RELEASES_SINCE: dict[Number, int] = {(6, 17): 8}  # a port whose last binder has left: d57f4b874946, 6.18
_RESETS_SINCE: dict[Number, int] = {  # the address of a connect() that found no port: 77934dc6db0d, 6.1
    (4, 14): 301, (4, 19): 268, (5, 4): 226, (5, 10): 157, (5, 15): 81,
}  # fmt: skip
# What Debian's 6.1.176 was seen to have, and 5.10.262 not (earlier ones were not looked at): IP_LOCAL_PORT_RANGE.
_SEEN: dict[Number, int] = {(6, 1): 176}
_NAMED = ("freebsd-13", "freebsd-14", "windows", "macos")
_LAST = {2: 6, 3: 19, 4: 20, 5: 19, 6: 19}  # x.y after which x+1 came; those of today's x are not all out yet
_SHOWN = ("3.13", "4.1", "4.19", "4.19.249", "5.10", "5.15", "6.1", "6.18", "7.3")


@dataclass(frozen=True)
class Version:
    """A kernel as the simulation knows it.

    `era` is that of its ports; `any_parity` says that bind() to port 0 takes either. `challenge`: a SYN-ACK in
    SYN-RECEIVED is answered by a challenge ACK. `reuse` is tcp_tw_reuse. `persistence`: for how many seconds a
    refused SYN is sent again. `releases`: a port is free for connect() once its last binder has left. `tells_bound`:
    inet_diag tells which sockets are only bound. `counts_waiting`: CurrEstab counts CLOSE-WAIT too.
    """

    name: str
    era: str
    port_range: PortRange = LINUX_DEFAULT_RANGE
    any_parity: bool = False
    challenge: bool = False
    reuse: int = 2
    persistence: float = 0.0
    releases: bool = True
    tells_bound: bool = True
    bind_no_port: bool = True
    socket_range: bool = True
    own_steps: bool = True  # with a range of its own a socket has no parity
    counts_waiting: bool = True
    linear_syns: int = 4
    resets_source: bool = True  # after a connect() that found no port the socket has no address again
    hurries: bool = True  # a SYN that an old connection answered is sent again at once

    @property
    def once(self) -> str:
        """The errno of a second connect() of a socket, where that always fails; else nothing."""
        return BY_NAME[self.era].connects_once

    @property
    def refuses_itself(self) -> bool:
        """True if an IPv4 socket cannot connect to its own name."""
        return bool(BY_NAME[self.era].never)


def version(name: Any) -> Version:
    """Return the kernel of that version ("6.18", "4.19.249", "freebsd-14") or era; ValueError names the nearest."""
    if isinstance(name, Version):
        return name
    if isinstance(name, float):
        raise ValueError(f'kernel {name!r}: write it in quotes, as "5.10", which as a number is {5.10}')
    text = str(name).strip().lower().removeprefix("simulated ").removeprefix("linux ").replace(" ", "-")
    release = re.fullmatch(r"[0-9]{1,2}\.[0-9]{1,3}(\.[0-9]{1,3})?", text)
    found = _linux(text) if release else _OTHERS.get(text) or _era(text)
    if found is None:
        near = difflib.get_close_matches(text, dict.fromkeys((*_SHOWN, *_NAMED, *ERAS)), 4, 0.3) or _SHOWN
        raise ValueError(
            f"kernel {name!r}: it is a version of Linux from 2.2 on, one of {', '.join(_NAMED)}, or an era; "
            f"near it are {', '.join(near)}"
        )
    return found


def _linux(text: str) -> Version | None:
    number = tuple(int(part) for part in text.split("."))
    if number < (2, 2) or number[1] > _LAST.get(number[0], number[1]):
        return None
    return Version(
        name=f"Linux {text}",
        era=era_of_linux(number).name,
        port_range=LINUX_DEFAULT_RANGE if number >= (4, 2) else PortRange(32768, 61000),
        any_parity=number < (4, 6),  # before the companion of 1580ab63fc9a
        challenge=not _since(number, (6, 11), _ACCEPTS_SINCE),
        reuse=2 if number >= (4, 19) else 0,  # 79e9fed46038
        releases=_since(number, (6, 18), _RELEASES_SINCE),  # d57f4b874946
        tells_bound=number >= (6, 8),  # 91051f003948
        bind_no_port=number >= (4, 2),  # 90c337da1524
        socket_range=_since(number, (6, 3), _SEEN),  # 91d0b78c5177
        own_steps=number >= (6, 8),  # 207184853dbd
        counts_waiting=_since(number, (6, 10), _COUNTS_SINCE),  # a46d0ea5c942
        linear_syns=4 if number >= (6, 5) else 0,  # ccce324dabfe
        resets_source=_since(number, (6, 1), _RESETS_SINCE),  # 77934dc6db0d
        hurries=number >= (5, 6),  # 9603d47bad46
    )


def _since(number: Number, first: Number, ports: dict[Number, int]) -> bool:
    """True for `first` and what follows, and for the releases of older series that have it too."""
    back_port = ports.get(number[:2])
    return number >= first or (back_port is not None and number[2:] >= (back_port,))


def _era(name: str) -> Version | None:
    """The kernel of an era's name: today's Linux with that allocator, or the system that the era is of."""
    if name not in ERAS:
        return None
    native = {"rover": "2.4", "hashed-sequence": "4.1", "even-sequence": "4.19", "perturbed-even-sequence": "5.15"}
    if name in native:
        return _linux(native[name])
    return replace(_TODAY, name=name, era=name)


_TODAY = _linux("6.18") or Version("Linux 6.18", "random-walk")
_BSD = replace(_TODAY, reuse=0, tells_bound=False, bind_no_port=False, socket_range=False, linear_syns=0, hurries=False)
_DYNAMIC = PortRange(49152, 65535)  # RFC 6335 section 6
_FREEBSD = PortRange(10000, 65535)
_OTHERS = {
    "macos": replace(_BSD, name="macOS", era="macos", port_range=_DYNAMIC),
    "freebsd-13": replace(_BSD, name="FreeBSD 13", era="freebsd-13", port_range=_FREEBSD),
    "freebsd-14": replace(_BSD, name="FreeBSD 14", era="freebsd", port_range=_FREEBSD),
    "windows": replace(_BSD, name="Windows", era="windows", port_range=_DYNAMIC, persistence=2.0),
}
_OTHERS["freebsd"] = _OTHERS["freebsd-14"]
