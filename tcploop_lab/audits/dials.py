"""Runs a function in a private network where every dial of an ephemeral port that would be refused meets itself.

The function runs in a process of its own, with the network of an audit: no TIME-WAIT is left. Each connect() of it, of
its threads and of the programs that it starts waits for a second process, which dials in its place: first from the very
port that is dialled (IP_LOCAL_PORT_RANGE), and where the kernel does not give that port, because somebody listens there
or holds it with bind(), from any other. So a dial meets itself where it could, by the kernel's own rules.

A self-connection counts as used unless the caller asked for its own name (getsockname) and then closed it without a
byte: nothing else tells it from one to a server. What io_uring and fast open dial is not seen.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import signal
import socket
import struct
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import NotOnThisTestbed
from ..ports.ranges import PortRange
from ..stacks import constants, notified, packet_filter, wire
from ..stacks.linux import LinuxStack, LivePacketSocket
from ..stacks.namespace import NamespaceRefused, enter_private_network, read_port_range
from ..tcp.endpoint import Endpoint
from ..tcp.words import counted
from .scene import leave_no_time_wait

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_TAIL = 0.02  # seconds after the end in which closing segments are still sent
_GRACE = 5.0  # seconds that ending all of it may take
_LOOK_EVERY = 0.5  # seconds
_SYN, _FIN, _RST, _ACK = 0x02, 0x01, 0x04, 0x10


@dataclass(frozen=True)
class Dial:
    """A dial that met itself, and what the caller did with it: see `use`."""

    name: str
    port: int
    asked: bool = False
    sent: int = 0
    closed: float | None = None

    def use(self, until: float) -> str:
        """Return in words how it was used; "" for a caller that asked for its own name and closed it unused.

        `until` is when the function returned, in seconds since the epoch, as is `closed`.
        """
        if self.sent:
            return f"wrote {counted(self.sent, 'byte')} to itself"
        if self.closed is None or self.closed > until:
            return "kept the connection until the end"
        return "" if self.asked else "closed it without a look at its own name, as if it had met a server"


@dataclass(frozen=True)
class Outcome:
    """What the function said (None if it did not return), and each dial that met itself. `used` has those it used.

    `ended` says how its process ended before it returned, as in "exit status 3"; "" if the time was up.
    """

    said: Any
    dials: tuple[Dial, ...]
    until: float
    ended: str = ""

    @property
    def used(self) -> list[str]:
        """One line for each self-connection that was used."""
        return [f"{dial.name}: {words}" for dial in self.dials if (words := dial.use(self.until))]


def run(function: Callable[[], Any], timeout: float) -> Outcome:
    """Run `function` where refused dials meet themselves; what it returns must be what pickle takes.

    All its processes end with it, after `timeout` seconds at the latest. What it changes in memory is lost. Raises
    NotOnThisTestbed where the system does not allow it.
    """
    if notified.why_none():
        raise NotOnThisTestbed(f"dials cannot be made to wait here: {notified.why_none()}")
    watcher, channel = _apart(lambda _: _watch(function, timeout))
    try:
        outcome: Outcome | None = _told(channel, time.monotonic() + timeout + 2 * _GRACE)
    finally:
        channel.close()
        _end(watcher)
    if outcome is None:
        raise RuntimeError("the process that watches the dials was ended from outside")
    return outcome


def _apart(work: Callable[[socket.socket], Any]) -> tuple[int, socket.socket]:
    """Start a process that sends what `work` returns or raises; return it, and where to receive that."""
    ours, theirs = socket.socketpair()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads: the child starts none that needs theirs
        child = os.fork()
    if child == 0:
        ours.close()
        try:
            wire.send(theirs, _returned_or_raised(work, theirs))
        finally:
            os._exit(0)
    theirs.close()
    return child, ours


def _returned_or_raised(work: Callable[[socket.socket], Any], channel: socket.socket) -> Any:
    try:
        return work(channel)
    except BaseException as error:
        return error


def _told(channel: socket.socket, deadline: float) -> Any:
    """Return what was sent, or raise it; None if nothing was until then. A child may hold the other end open."""
    channel.settimeout(max(deadline - time.monotonic(), 0.001))
    try:
        told = wire.receive(channel)
    except (EOFError, TimeoutError, ConnectionError):
        return None
    if isinstance(told, BaseException):
        raise told
    return told


def _end(watcher: int) -> None:
    """End the watcher, which ends all others first."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(watcher, signal.SIGTERM)
    until = time.monotonic() + _GRACE
    while os.waitpid(watcher, os.WNOHANG)[0] == 0:
        if time.monotonic() > until:
            os.kill(watcher, signal.SIGKILL)
        time.sleep(0.002)


def _watch(function: Callable[[], Any], timeout: float) -> Outcome:
    """In the process that answers the dials: make the network, start the function, answer until it has returned."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this ends it
    signal.signal(signal.SIGTERM, lambda *_: _end_all(and_this=True))
    try:
        enter_private_network()
        leave_no_time_wait()
        packets = LinuxStack().open_packet_socket(None)
        packets.keep_only(packet_filter.same_ports())
        _must_have_own_ranges()
    except (NamespaceRefused, OSError) as refused:
        raise NotOnThisTestbed(f"the network of an audit is refused here: {refused}") from None
    try:
        return _Watcher(packets).run(function, timeout)
    finally:
        _end_all()


def _must_have_own_ranges() -> None:
    with socket.socket() as sock:
        try:
            sock.setsockopt(constants.SOL_IP, constants.IP_LOCAL_PORT_RANGE, constants.range_option(40000, 40000))
        except OSError:
            raise NotOnThisTestbed("sockets with a port range of their own (Linux 6.3) are missing here") from None


def _end_all(and_this: bool = False) -> None:
    import psutil

    while children := psutil.Process().children(recursive=True):
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    if and_this:
        os._exit(0)


@dataclass
class _Watcher:
    """Answers the dials of one function, and notes what becomes of those that met themselves."""

    packets: LivePacketSocket
    dials: list[Dial] = field(default_factory=list)
    cookies: dict[int, int] = field(default_factory=dict)
    syns: dict[tuple[int, int], int] = field(default_factory=dict)  # port and sequence number: the place of the dial
    newest: dict[int, int] = field(default_factory=dict)

    def run(self, function: Callable[[], Any], timeout: float) -> Outcome:
        """Start the function, answer until it has returned or the time is up."""
        self.range = read_port_range()
        child, channel = _apart(lambda theirs: _wait_and_run(function, theirs))
        deadline = time.monotonic() + timeout
        listener = _listener(channel)
        pidfd = os.pidfd_open(child)
        said = self._answer_until_told(listener.fileno(), channel, pidfd, deadline)
        until = said[1] if said else time.time()
        ended = "" if said or not _readable(pidfd) else _how_it_ended(child)
        time.sleep(_TAIL)
        self._look()
        return Outcome(said[0] if said else None, tuple(self.dials), until, ended)

    def _answer_until_told(self, listener: int, channel: socket.socket, pidfd: int, deadline: float) -> Any:
        """Return what the function said and when, None if the time was up or its process has ended."""
        poll, told = select.poll(), channel.fileno()
        for one in (listener, told, pidfd, self.packets.fileno()):
            poll.register(one, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            ready = dict(poll.poll(1000 * min(left, _LOOK_EVERY)))
            if ready.get(listener, 0) & select.POLLIN:
                self._answer(listener)
            elif listener in ready:  # nobody is left who could call; to ask would block before Linux 6.11
                poll.unregister(listener)
            if self.packets.fileno() in ready:
                self._look()
            if told in ready or pidfd in ready:
                # What it says is there before it ends; a child of it may hold the other end open.
                said = _told(channel, deadline) if _readable(told) else None
                if said or pidfd in ready:
                    return said
                poll.unregister(told)
        return None

    def _answer(self, listener: int) -> None:
        """Answer one call."""
        try:
            call = notified.next_call(listener)
        except OSError:  # its thread has ended
            return
        try:
            error = self._dial(call) if call.dials else None
            if not call.dials:
                self._ask(call)
        except (OSError, StopIteration, struct.error):  # no socket, no memory there: the kernel says so itself
            error = None
        if error is None:
            notified.let_go_on(listener, call)
        else:
            notified.answer(listener, call, error)

    def _ask(self, call: notified.Call) -> None:
        """Note that the caller asked for the name of its end."""
        if not self.cookies:
            return
        with call.socket() as sock:
            place = self.cookies.get(notified.cookie(sock))
        if place is not None:
            self.dials[place] = replace(self.dials[place], asked=True)

    def _dial(self, call: notified.Call) -> int | None:
        """Dial from the port that is dialled; the errno, or None where the kernel does not give that port."""
        address = call.address()
        with call.socket() as sock:
            port = int.from_bytes(address[2:4], "big")
            if not _may_meet_itself(sock, address, self.range):
                return None
            before = sock.getsockopt(constants.SOL_IP, constants.IP_LOCAL_PORT_RANGE, 4)
            sock.setsockopt(constants.SOL_IP, constants.IP_LOCAL_PORT_RANGE, constants.range_option(port, port))
            error = notified.connect(sock, address)
            sock.setsockopt(constants.SOL_IP, constants.IP_LOCAL_PORT_RANGE, before)
            if error in (0, errno.EINPROGRESS) and _leaves_from_there(sock, address):
                self.cookies[notified.cookie(sock)] = len(self.dials)
                self.dials.append(Dial(str(Endpoint(sock.getsockname()[0], port)), port))
        return None if error == errno.EADDRNOTAVAIL else error

    def _look(self) -> None:
        """Read what was captured: the k-th SYN of a port is that of the k-th dial of it."""
        frames, _ = self.packets.frames()
        for frame in frames:
            if frame.outgoing and _same_addresses(frame.data):
                header = packet_filter.tcp_header(frame.data)
                self._note(header, frame.time)

    def _note(self, header: packet_filter.TcpHeader, when: float) -> None:
        port = header.dport
        if header.flags & (_SYN | _ACK) == _SYN and (port, header.seq) not in self.syns:
            earlier = sum(one == port for one, _ in self.syns)
            places = [place for place, dial in enumerate(self.dials) if dial.port == port]
            if earlier < len(places):
                self.syns[port, header.seq] = self.newest[port] = places[earlier]
        place = self.newest.get(port)
        if place is None:
            return
        dial = self.dials[place]
        closes = header.flags & (_FIN | _RST) and dial.closed is None
        self.dials[place] = replace(dial, sent=dial.sent + header.length, closed=when if closes else dial.closed)


def _readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def _listener(channel: socket.socket) -> wire.OpenFile:
    """Return where the calls of the function arrive. Refused: EBUSY under another's listener, gVisor."""
    try:
        listener: wire.OpenFile | None = _told(channel, time.monotonic() + _GRACE)
    except OSError as refused:
        raise NotOnThisTestbed(f"dials cannot be made to wait here: {refused.strerror}") from None
    if listener is None:
        raise NotOnThisTestbed("dials cannot be made to wait here: the process that should wait has ended")
    return listener


def _how_it_ended(child: int) -> str:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return f"exit status {code}" if code >= 0 else f"signal {-code}, {signal.strsignal(-code)}"


def _leaves_from_there(sock: socket.socket, address: bytes) -> bool:
    """True if the dial leaves from the address that it dials; the kernel takes 0.0.0.0 for the source, :: for ::1."""
    source = sock.getsockname()[0]
    dialled = socket.inet_ntop(sock.family, address[4:8] if sock.family == socket.AF_INET else address[8:24])
    anywhere = {"0.0.0.0": source, "::ffff:0.0.0.0": source, "::": "::1"}
    return bool(source == anywhere.get(dialled, dialled))


def _same_addresses(frame: bytes) -> bool:
    """True if a frame that passed the filter goes to where it came from."""
    start, size = (26, 4) if frame[12:14] == b"\x08\x00" else (22, 16)
    return frame[start : start + size] == frame[start + size : start + 2 * size]


def _may_meet_itself(sock: socket.socket, address: bytes, ephemeral: PortRange) -> bool:
    """True for a TCP socket without a port of its own that dials an ephemeral port."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        return False
    family, port = struct.unpack("=H", address[:2])[0], int.from_bytes(address[2:4], "big")
    return family == sock.family and ephemeral.low <= port <= ephemeral.high and sock.getsockname()[1] == 0


def _wait_and_run(function: Callable[[], Any], channel: socket.socket) -> tuple[Any, float]:
    """In the function's process: make its calls wait, run it, and say when it returned."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    wire.send(channel, wire.OpenFile(notified.make_calls_wait()), hand_over=True)
    said = function()
    return said, time.time()
