"""An executor whose functions run inside another kernel. Its interface is that of `stacks.executor`.

Live sockets stay in the other kernel: the lab gets a `RemoteSocket`, whose methods are carried out there.
"""

from __future__ import annotations

import contextlib
import itertools
import platform
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from ...errors import NotOnThisTestbed
from ...ports.ranges import PortRange
from .. import linux
from ..executor import InWorkers, importable
from ..task import noted_interrupts
from . import fetch, table
from .machine import Machine, environment

_CALL_TIMEOUT = 120.0  # seconds for one call on a socket; no call of the lab waits so long


class Link:
    """The connection to one other kernel: what is asked, and the answers as they come."""

    def __init__(self, version: object) -> None:
        must_run_here()
        release = table.named(version)
        self.version = release.version  # what it says itself may be shorter: 5.10.0-30 is Debian's 5.10.218
        with noted_interrupts() as ctrl_c:
            self.kernel = Machine(release, fetch.files_of(release), environment())
            self.kernel.wait_until_up(ctrl_c)
            if ctrl_c.pressed:
                self.kernel.end()
                raise KeyboardInterrupt
        self.output: Callable[[int, bytes], None] = lambda stream, data: None
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self.dropped: deque[tuple[str, int]] = deque()  # to be told with the next request
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ask(self, kind: str, value: Any) -> Future[Any]:
        """Send a request and return the future of its answer; `future.reports` are as a worker's."""
        self.tell_dropped()
        future: Future[Any] = Future()
        future.reports = []  # type: ignore[attr-defined]
        number = future.number = next(self._numbers)  # type: ignore[attr-defined]
        future.set_running_or_notify_cancel()
        with self._lock:
            ended = self._ended
            if not ended:
                self._waiting[number] = future
        if ended:
            future.set_exception(self.kernel.died())
            return future
        try:
            self.kernel.channel.send((kind, number, value), _name_of)
        except OSError:
            self._fail_all()
        except Exception as error:  # what cannot be pickled
            self._take(number).set_exception(error)
        return future

    def tell_dropped(self) -> None:
        """Tell what nobody here refers to any more."""
        with contextlib.suppress(IndexError):
            while True:
                self.tell(*self.dropped.popleft())

    def tell(self, kind: str, number: int, value: Any = None) -> None:
        """Send what has no answer."""
        with contextlib.suppress(OSError):
            self.kernel.channel.send((kind, number, value), _name_of)

    def end(self) -> None:
        """Switch the kernel off."""
        self.kernel.end()

    def _take(self, number: int) -> Future[Any]:
        with self._lock:
            return self._waiting.pop(number, None) or Future()

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                kind, number, value = self.kernel.channel.receive(self._thing)
                if kind == "output":
                    self.output(number, value)
                elif kind == "progress":
                    with contextlib.suppress(KeyError):
                        self._waiting[number].reports.append(value)  # type: ignore[attr-defined]
                elif kind == "result":
                    self._take(number).set_result(value)
                else:
                    self._take(number).set_exception(value)
        self._fail_all()

    def _fail_all(self) -> None:
        with self._lock:
            self._ended = True
            waiting = list(self._waiting.values())
            self._waiting.clear()
        for future in waiting:
            future.set_exception(self.kernel.died())

    def _thing(self, name: Any) -> Remote:
        kind, number = name
        return (RemotePackets if kind == "packets" else RemoteSocket)(self, kind, number)


def must_run_here() -> None:
    """Raise NotOnThisTestbed where no such kernel can run: they are programs for Linux on x86-64."""
    machine = f"{platform.system() if sys.platform == 'linux' else sys.platform} on {platform.machine()}"
    if machine != "Linux on x86_64":
        raise NotOnThisTestbed(
            f"other kernels for real are programs for Linux on x86-64, and this is {machine}: a simulated one runs "
            "anywhere (--kernel, or kernel= without real)"
        )


class Remote:
    """A live thing in the other kernel, where its methods are carried out."""

    def __init__(self, link: Link, kind: str, number: int) -> None:
        self._link, self._name = link, (kind, number)
        # The collector may come while this thread sends, and holds the lock for that: it only makes a note.
        weakref.finalize(self, link.dropped.append, ("drop", number)).atexit = False

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._link.ask("call", (self, method, args, kwargs)).result(_CALL_TIMEOUT)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(self._call, name)


def _name_of(value: Any) -> Any:
    return value._name if isinstance(value, Remote) else None


class RemoteSocket(Remote):
    """A socket, with the methods of `socket.socket`."""

    def __enter__(self) -> RemoteSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._call("close")


class RemotePackets(Remote):
    """A packet socket, with the methods of `stacks.stack.PacketSocket`."""

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return bool(self._call("closed"))


class _Here(linux.LinuxStack):
    """The stack of this process, whose waiting is for sockets of the other kernel."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self.version, self._link = link.version, link

    def wait_readable(self, sockets: Sequence[Any], timeout: float) -> list[Any]:
        """select() for reading, over there."""
        ready = self._link.ask("wait", (list(sockets), max(0.0, timeout))).result(timeout + _CALL_TIMEOUT)
        return [sockets[place] for place in ready]


class KernelExecutor(InWorkers):
    """Runs functions in worker processes inside another kernel, each in a private network of its own there.

    It ends with `shutdown`, with this process, and when nobody refers to it any more. Raises NotOnThisTestbed where
    the kernel cannot be had or does not start, ValueError for a version that is not in the table.
    """

    kind = "namespace"

    def __init__(
        self, version: object, workers: int = 1, port_range: PortRange | None = None, beside: Link | None = None
    ) -> None:
        super().__init__(workers)
        self._link = beside or Link(version)
        opened = self._link.ask("open", (workers, port_range))
        self._number: int = opened.number  # type: ignore[attr-defined]
        end = partial(self._link.dropped.append, ("close", self._number)) if beside else self._link.end
        self._end = weakref.finalize(self, end)
        try:
            self.info: dict[str, Any] = opened.result(self._link.kernel.start_timeout)
        except TimeoutError:
            self._end()
            late = f"kernel {self._link.version} was not ready within {self._link.kernel.start_timeout:g} s"
            raise NotOnThisTestbed(late + self._link.kernel.last_words()) from None
        except BaseException:
            self._end()
            raise
        self.version = self._link.version
        self.here = _Here(self._link)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run `function(*args, **kwargs)` in a worker there; its reports arrive in `future.reports`."""
        self.must_be_usable()
        importable(function)
        return self._link.ask("submit", (self._number, function, args, kwargs))

    def sibling(self, workers: int, port_range: PortRange | None) -> KernelExecutor:
        """Return an executor with workers of its own inside the same kernel, which ends with this one."""
        return KernelExecutor(self.version, workers, port_range, self._link)

    def stop(self, future: Future[Any]) -> None:
        """Ask the task of `future` to return what it has."""
        self._link.tell("stop", future.number)  # type: ignore[attr-defined]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, and the kernel with all that runs there if it is this one's. A fork ends nothing."""
        if not self.elsewhere:
            self.closed = True
            self._end()
            self._link.tell_dropped()
