"""Runs a program inside the testbed, with a capture beside it. All of this runs in the worker.

The program has no terminal, an empty stdin, and one pipe for all that it prints, which is read up to a limit and kept
in part. What else it has not is in `sandbox/`.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import select
import selectors
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import IO

from ..errors import NotOnThisTestbed
from ..stacks.linux import LivePacketSocket
from ..stacks.namespace import enter_another_network
from ..stacks.packet_filter import tcp_header
from ..stacks.stack import Frame, SocketRow, Stack
from ..stacks.task import current_task
from ..testbed.capture import why_no_capture
from ..testbed.sockets import socket_rows
from . import supervisor
from .attempts import Written
from .echo import echo
from .order import INTERRUPT, Order, Report
from .sandbox.entrance import Entrance, entrance, no_process_namespace
from .sandbox.mounts import left_in
from .scene import end_of_self_connections, set_scene

_HEAD, _TAIL = 48 << 10, 16 << 10  # bytes of output that are kept: the beginning, and the last words
_MOST_FRAMES = 2 << 20  # bytes of frames that are kept whole; after that only SYN, FIN and RST
_MOST_SMALL = 4 << 20  # bytes of frames with these: somebody who dials without end fills no memory
_AT_ONCE = 1000  # frames that are read before the other things are looked at
_LOOK_EVERY = 0.05  # seconds
_TAIL_OF_CAPTURE = 0.02  # seconds after the end: closing segments are sent by another context
_GRACE = 2.0  # seconds the supervisor gets to end all; after that the lab does
_PR_SET_CHILD_SUBREAPER = 36
_MOST_AGAIN = 5  # times that the sandbox is built anew where files of the system come and go
_LONGEST = 200  # characters of the last words in an error
_NO_PROCESS = "no process can be made for the program: {}; raise the limit (ulimit -u, pids.max of the cgroup)"
_SYN, _FIN, _RST, _ACK = 0x02, 0x01, 0x04, 0x10


class Output:
    """The first and the last of what was printed; `printed` counts all bytes."""

    def __init__(self) -> None:
        self.printed = 0
        self._head, self._tail = b"", b""

    def add(self, data: bytes) -> None:
        """Keep of `data` what there is room for."""
        self.printed += len(data)
        room = _HEAD - len(self._head)
        self._head += data[:room]
        self._tail = (self._tail + data[room:])[-_TAIL:]

    @property
    def kept(self) -> bytes:
        """What was kept, with a line in the middle that counts what was not."""
        missing = self.printed - len(self._head) - len(self._tail)
        gap = b"\n... %d bytes are left out ...\n" % missing if missing else b""
        return self._head + gap + self._tail


def run_programs(stack: Stack, orders: Sequence[Order]) -> list[Report]:
    """Run these programs, which have one sandbox, one after another, each in a network and with a HOME of its own.

    Dialling the port means dialling itself there, or an echo. Ends early at an interrupt. Raises NotOnThisTestbed if
    the network cannot be set, capturing is refused, processes cannot be kept together, or a layer of the sandbox is
    missing and all are wanted.
    """
    reports: list[Report] = []
    for again in range(_MOST_AGAIN + 1):
        try:
            with _entrance(orders[0]) as way:
                while len(reports) < len(orders) and INTERRUPT not in {one.why_ended for one in reports[-1:]}:
                    reports.append(_run(stack, orders[len(reports)], way))
            break
        except _NotEntered:
            if again == _MOST_AGAIN:
                raise
        except BlockingIOError as error:  # fork(2): EAGAIN
            raise NotOnThisTestbed(_NO_PROCESS.format(error.strerror)) from None
    return reports


def _entrance(order: Order) -> contextlib.AbstractContextManager[Entrance]:
    return entrance(order.sandbox, order.command[0], order.folder, order.own, order.environment, order.lab)


class _NotEntered(NotOnThisTestbed):
    """Nothing was started: bubblewrap was told of a file that went away, or came, before it was there."""


def _run(stack: Stack, order: Order, way: Entrance) -> Report:
    if stack.reserved():  # this network has seen a run
        enter_another_network()
    held = order.held == "always"
    set_scene(stack, order.target, order.port, order.caller, held, once=order.attempts == 1)
    control = echo(order.port, held) if order.control else contextlib.nullcontext(False)
    with way.folders() as own, control as stands_in, contextlib.closing(_packets(stack, order)) as packets:
        report = _Watch(stack, order, packets, way).run()
        return replace(report, stands_in=stands_in, files=left_in(own))


def _packets(stack: Stack, order: Order) -> LivePacketSocket:
    try:
        return stack.open_packet_socket(order.port, both_ends=False)  # type: ignore[return-value]
    except (OSError, AttributeError) as error:
        raise NotOnThisTestbed(why_no_capture(error, private=True)) from None


def _kill_descendants() -> None:
    """End all that this process started: the first process of the program's namespace, and with it all others."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()


def _reaped(process: subprocess.Popen[bytes]) -> bool:
    """Wait a moment for the supervisor, whose last words were read: False, nothing more is to be read."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_LOOK_EVERY)
    return False


def _tell_to_end(process: subprocess.Popen[bytes]) -> None:
    """Let the supervisor end all that is in its namespace: SIGTERM, a grace, SIGKILL. It is the child of who waits."""
    import psutil

    with contextlib.suppress(psutil.Error):
        for first in psutil.Process(process.pid).children() or [process]:
            first.terminate()


class _Watch:
    """One run of the program, from its start to the end of the last process."""

    def __init__(self, stack: Stack, order: Order, packets: LivePacketSocket, way: Entrance) -> None:
        self._stack, self.order, self._way = stack, order, way
        self.report = Report(control=order.control, layers=way.layers, missing=dict(way.missing))
        self._packets = packets
        self._output, self._most_output = Output(), order.sandbox.limits["output"]
        self._kept = 0
        self._written = Written(order.port)
        self._syns: set[tuple[int, int]] = set()
        self._dialled: float | None = None
        self._holder = socket.socket(socket.AF_INET6 if ":" in order.target.address else socket.AF_INET)
        self._newest = 0.0
        self._sockets: dict[SocketRow, None] = {}
        self._status = b""
        self._code: int | None = None

    def run(self) -> Report:
        """Start the program, watch it, and report when nothing of it is left."""
        began = time.monotonic()
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)  # of whoever loses a parent here
        status, theirs = os.pipe()
        try:
            process = self._start(theirs)
        finally:
            os.close(theirs)
        with open(status, "rb", buffering=0) as told, process, self._holder:
            self._watch(process, told, began + self.order.timeout)
            self._finish(process, told)
        self.report.seconds = time.monotonic() - began
        return self._reported()

    def _start(self, status: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._way.words(supervisor.__file__, str(status), *self.order.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[status],
            preexec_fn=lambda: self._way.leave(status),  # the worker has one thread
            start_new_session=True,  # no terminal
            cwd=self._way.folder,
            env=self._way.environment,
        )

    def _watch(self, process: subprocess.Popen[bytes], told: IO[bytes], deadline: float) -> None:
        with selectors.DefaultSelector() as selector:
            assert process.stdout is not None
            selector.register(process.stdout, selectors.EVENT_READ, self._read_output)
            selector.register(told, selectors.EVENT_READ, lambda told: self._read_status(told) or _reaped(process))
            selector.register(self._packets, selectors.EVENT_READ, self._read_packets)
            while process.poll() is None and not self._over(deadline):
                ready = selector.select(_LOOK_EVERY)
                for key, _ in ready:
                    if not key.data(key.fileobj):
                        selector.unregister(key.fileobj)
                if self._syns and not ready:
                    self._look_at_sockets()

    def _over(self, deadline: float) -> bool:
        """True when the lab should end the program; says why."""
        if current_task().stopped():
            self.report.why_ended = INTERRUPT
        elif time.monotonic() >= deadline:
            self.report.why_ended = f"the time limit of {self.order.timeout:g} s"
        elif self._output.printed > self._most_output:
            self.report.why_ended = f"the limit of {self._most_output:,} bytes of output"
        elif self._dialled is not None and time.monotonic() >= self._dialled + (self.order.enough or math.inf):
            self.report.why_ended = "the lab, which had seen enough"
        return bool(self.report.why_ended)

    def _finish(self, process: subprocess.Popen[bytes], told: IO[bytes]) -> None:
        """End what still runs, and read what is left to read."""
        self._look_at_sockets()
        if process.poll() is None:
            self.report.ended = time.time()
            _tell_to_end(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
        self._code = process.poll()
        if self._code != 0:  # somebody stopped, killed or overwrote it
            _kill_descendants()
            process.wait()
        assert process.stdout is not None
        until = time.monotonic() + _GRACE  # somebody elsewhere may have got hold of the pipe
        for read, source in ((self._read_output, process.stdout), (self._read_status, told)):
            while time.monotonic() < until and select.select([source], [], [], _LOOK_EVERY)[0] and read(source):
                pass
        time.sleep(_TAIL_OF_CAPTURE)
        while self._take_frames():
            pass

    def _read_output(self, pipe: IO[bytes]) -> bool:
        data = os.read(pipe.fileno(), 1 << 16)
        self._output.add(data)
        return bool(data)

    def _read_status(self, pipe: IO[bytes]) -> bool:
        data = os.read(pipe.fileno(), 4096)
        self._status += data
        return bool(data)

    def _read_packets(self, _: socket.socket) -> bool:
        self._take_frames()
        return True

    def _take_frames(self) -> int:
        frames, dropped = self._packets.frames(_AT_ONCE)
        if dropped and not self.report.dropped:
            self.report.whole_until = self._newest  # what was read before is complete: the kernel drops the newest
        self.report.dropped += dropped
        self._newest = frames[-1].time if frames else self._newest
        for frame in frames:
            if frame.outgoing:  # each segment once
                self._take(frame)
        return len(frames)

    def _take(self, frame: Frame) -> None:
        header = tcp_header(frame.data)
        self._written.add(header.sport, header.dport, header.seq, header.flags, header.length)
        if header.flags & (_FIN | _RST):
            self._holder.close()  # as a connection with itself gives its port back
        self._keep(frame, bool(header.flags & (_SYN | _FIN | _RST)))
        if header.flags & (_SYN | _ACK) == _SYN and header.dport == self.order.port:
            self._new_syn(header.sport, header.seq)

    def _keep(self, frame: Frame, weighs: bool) -> None:
        """Keep a frame if there is room; one that weighs, and for which there is none, is as good as lost."""
        if self._kept + len(frame.data) <= (_MOST_SMALL if weighs else _MOST_FRAMES):
            self.report.frames.append(frame)
            self._kept += len(frame.data)
        elif weighs:
            self.report.whole_until = min(self.report.whole_until, self._newest)
            self.report.dropped += 1
        else:
            self.report.omitted += 1

    def _new_syn(self, sport: int, seq: int) -> None:
        if not self._syns:
            self._dialled = time.monotonic()
            if self.order.held == "since the dial":
                with contextlib.suppress(OSError):  # the program has it, or the holder was closed before that was seen
                    self._holder.bind((self.order.target.address, self.order.port))
        self._syns.add((sport, seq))
        port = self.order.port
        if sport == port and sum(other == port for other, _ in self._syns) == self.order.attempts:
            end_of_self_connections(self._stack, port)
        self._look_at_sockets()

    def _look_at_sockets(self) -> None:
        if len(self._syns) <= self.order.attempts + 1:  # a client that dials thousands of times is slow enough
            self._sockets |= dict.fromkeys(socket_rows(self._stack, self.order.port))

    def _reported(self) -> Report:
        told = dict(line.split() for line in self._status.decode().splitlines())
        self._must_be_kept_together(told)
        report = self.report
        report.failed = int(told["failed"]) if "failed" in told else None
        report.exit_status = int(told["status"]) if "status" in told else None
        report.left = int(told.get("left", 0))
        if (
            report.exit_status is not None and not report.left
        ):  # the last process ended just before the lab would end it
            report.ended, report.why_ended = None, ""
        report.output = self._output.kept.decode(errors="replace")
        report.written = self._written.bytes
        report.sockets = tuple(self._sockets)
        report.listened = any(row.state == "LISTEN" for row in report.sockets)
        return report

    def _must_be_kept_together(self, told: Mapping[str, str]) -> None:
        """Raise NotOnThisTestbed where the supervisor could not do its work: what the program did is not known then."""
        if "refused" in told:
            raise no_process_namespace(int(told["refused"]))
        if "unforked" in told:
            raise NotOnThisTestbed(_NO_PROCESS.format(os.strerror(int(told["unforked"]))))
        if "left" not in told and "failed" not in told and self.report.ended is None:
            last = self._output.kept.decode(errors="replace").strip().splitlines()[-1:]
            words = f", whose last words were {last[0][:_LONGEST]!r}" if last else ""
            nothing_ran = not told and self._output.kept.startswith(b"bwrap: ")
            code = self._code
            how = f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"
            raise (_NotEntered if nothing_ran else NotOnThisTestbed)(
                f"the process that keeps the program together was ended from outside ({how}), so nothing "
                f"is known of the program{words}: run the audit again, with more memory if the system ran out of it"
            )
