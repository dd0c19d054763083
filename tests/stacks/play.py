"""What a stack does with a script: what each call returns or raises, what it sends, and the states it leaves."""

from __future__ import annotations

import contextlib
import errno
import itertools
import re
from collections.abc import Sequence
from typing import Any

from tcploop_lab.stacks import constants as c
from tcploop_lab.stacks.stack import Frame, Stack

from .calls import LINUX_RANGE, PORTS, Call, NameOf, Script
from .segments import Segments

# Longer than a delayed ACK (40 ms): what a call sends is there before it is written down, on a busy machine too.
_SETTLE = 0.06  # seconds
_WAIT = 0.05  # seconds that a call that blocks may take
_STATES = (
    *("?", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED", "CLOSE-WAIT"),
    *("LAST-ACK", "LISTEN", "CLOSING", "SYN-RECEIVED"),
)
_NUMBERED = re.compile(r"\b(even|odd|drawn)\d+")
COUNTERS = ("ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets", "CurrEstab", "InSegs", "OutSegs",
            "RetransSegs", "InErrs", "OutRsts")  # fmt: skip


class Ports:
    """Names for the ports that the kernel drew: in the order in which they are seen, with the parity.

    A socket with a range of its own takes any parity (207184853dbd), and by chance the port of another: a script with
    one tells neither.
    """

    def __init__(self, parity: bool = True) -> None:
        self._kinds = ("even", "odd") if parity else ("drawn", "drawn")
        self._drawn: dict[int, str] = {}
        self._numbers = itertools.count(1)

    def name(self, port: int) -> str:
        """Return a port of the script as it is, another one as "even1", "odd2"."""
        if port in PORTS or port not in LINUX_RANGE:
            return str(port)
        if port not in self._drawn:
            number = next(self._numbers) if self._kinds[0] != self._kinds[1] else ""
            self._drawn[port] = f"{self._kinds[port % 2]}{number}"
        return self._drawn[port]


class Player:
    """Plays one script on a fresh stack and writes down what happens."""

    def __init__(self, stack: Stack, script: Script, capture: bool) -> None:
        self.stack, self.script = stack, script
        self.ports = Ports(parity=not any(c.IP_LOCAL_PORT_RANGE in call.args for call in script))
        self.sockets: dict[str, Any] = {}
        self.segments = Segments(self.ports.name)
        self.packets = stack.open_packet_socket(None, both_ends=False) if capture else None
        self.lines: list[str] = []
        self._sent = 0

    def play(self) -> tuple[str, ...]:
        """Return one line for each call, and at the end the table and the counters, with and without the sockets."""
        self.stack.set_port_range(LINUX_RANGE)
        for call in self.script:
            if self._has_all(call):
                result = self._result(call)
                self._settle()
                self._note(str(call), result)
        self._look("at the end")
        for letter in sorted(self.sockets):
            self.sockets[letter].close()
            self._settle()  # a busy kernel may hand on what the last one sent when the next one is closed
        self._note("all closed", "")
        self._look("all closed")
        if self.packets is not None:
            self.packets.close()
        return tuple(self.lines)

    def _settle(self) -> None:
        """After a call that sent something, wait for what it brings about; no call leaves anything else behind."""
        sent = self.stack.counters()["OutSegs"]
        if sent != self._sent:
            self._sent = sent
            self.stack.sleep(_SETTLE)

    def _has_all(self, call: Call) -> bool:
        """False for a call with a socket that no accept() has brought."""
        letters = {call.on, *(argument.letter for argument in call.args if isinstance(argument, NameOf))}
        return letters <= {"stack", *self.sockets}

    def _result(self, call: Call) -> str:
        try:
            return self._shown(self._made(call))
        except ValueError as error:  # select() of a closed socket
            return repr(error)
        except OSError as error:
            return f"{type(error).__name__} {errno.errorcode.get(error.errno or 0, error.errno)}"

    def _made(self, call: Call) -> Any:
        target = self.stack if call.on == "stack" else self.sockets[call.on]
        args = [self._argument(argument) for argument in call.args]
        if call.method == "readable":  # select()
            return bool(self.stack.wait_readable([target], _WAIT))
        if call.timeout != 0:
            target.settimeout(call.timeout)
        try:
            made = getattr(target, call.method)(*args)
        finally:
            if call.timeout != 0:
                target.settimeout(0)
        return self._kept(call.into, made) if call.into else made

    def _argument(self, argument: Any) -> Any:
        return self.sockets[argument.letter].getsockname()[:2] if isinstance(argument, NameOf) else argument

    def _kept(self, letter: str, made: Any) -> Any:
        sock, name = made if isinstance(made, tuple) else (made, None)
        sock.setblocking(False)
        for option in (c.SO_SNDTIMEO, c.SO_RCVTIMEO):
            sock.setsockopt(c.SOL_SOCKET, option, c.timeval(_WAIT))
        self.sockets[letter] = sock
        return name

    def _shown(self, value: Any) -> str:
        if isinstance(value, tuple) and len(value) in (2, 4):  # the name of a socket
            return f"{value[0]}:{self.ports.name(value[1])}"
        return "" if value is None else repr(value)

    def _note(self, call: str, result: str) -> None:
        """Write down a call, what it returned, the segments since the last one, and the state of every socket."""
        states = ", ".join(f"{letter} {self._state(letter)}" for letter in sorted(self.sockets))
        sent = "".join(f"\n    {segment}" for segment in self.segments.read(self._frames()))
        self.lines.append(f"{call}  -> {result or 'done'}   [{states}]{sent}")

    def _frames(self) -> Sequence[Frame]:
        if self.packets is None:
            return ()
        frames, dropped = self.packets.frames()
        assert not dropped
        return frames

    def _state(self, letter: str) -> str:
        with contextlib.suppress(OSError):
            sock = self.sockets[letter]
            name = self._shown(sock.getsockname())
            return f"{name} {_STATES[sock.getsockopt(c.SOL_TCP, c.TCP_INFO, 1)[0]]}"
        return "closed"

    def _look(self, when: str) -> None:
        rows = sorted((self._name(row.local), self._name(row.peer), row.state) for row in self.stack.socket_table())
        self.lines += [f"table {when}: {' '.join(row)}" for row in rows]
        counters = self.stack.counters()
        self.lines.append(f"counters {when}: " + " ".join(f"{name}={counters[name]}" for name in COUNTERS))

    def _name(self, name: str) -> str:
        host, _, port = name.rpartition(":")
        return f"{host}:{self.ports.name(int(port))}" if port else name


def play(stack: Stack, script: Script, capture: bool = True) -> tuple[str, ...]:
    """Play a script on a fresh stack, and return what happened line by line."""
    return Player(stack, script, capture).play()


def without_segments(lines: Sequence[str]) -> tuple[str, ...]:
    """Return what a player can say that captured nothing: it does not see all ports that were drawn."""
    return tuple(_NUMBERED.sub(r"\1", line.partition("\n")[0]) for line in lines)
