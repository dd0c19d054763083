"""Runs a command so that everything it starts ends with it: a program of its own, started by `run.py`.

    python -I -S supervisor.py STATUS-DESCRIPTOR COMMAND ...

The command runs in a process namespace (pid_namespaces(7)): when its first process ends, the kernel ends all others,
whatever they did to hide: forked twice, new session, another name. That first process is not the command itself, which
would then have to reap orphans and ignore signals as init does, but a copy of this program. It waits for the last
process, not for the command alone: a program that goes to the background has not ended. SIGTERM from outside ends all:
first by SIGTERM, after a grace by SIGKILL.

On STATUS-DESCRIPTOR it writes lines of "word number": `refused ERRNO` (no process namespace), `unforked ERRNO` (no
process can be made), `failed ERRNO` (the command cannot be started), `status STATUS` (of the command, as subprocess has
it), and at the end `left COUNT` (processes that outlived the command, and were ended).
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import sys
import time

GRACE = 0.5  # seconds from SIGTERM to SIGKILL
_CLONE_NEWPID = 0x20000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_WAITED_FOR = {signal.SIGTERM, getattr(signal, "SIGCHLD", signal.SIGTERM)}  # Windows loads this, and has none
_EVERYBODY = -1  # kill(2): every process of this namespace but the caller, which is its first


def enter_process_namespace(status: int) -> None:
    """Let the children of this process live in a new process namespace; tell `status` and end if that is refused.

    It must come before this program is started: an ordinary user's rights in the private network end with exec.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWPID):
        _tell(status, "refused", ctypes.get_errno())
        os._exit(0)


def main(status: int, command: list[str]) -> None:
    """Run `command` as a child; return when nothing of it is left."""
    os.set_inheritable(status, False)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0)  # nobody of this user traces it or writes into its memory (proc(5), /proc/PID/mem)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # who started this is gone
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)  # not between fork() and the handler
    first = _fork(status) if os.getpid() != 1 else 0  # bubblewrap starts it as the first already
    if first == 0:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if _nobody_reads(status):  # the lab was gone before this process could be told of it
            os._exit(0)
        _be_first(status, command, before)
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(first, signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITED_FOR)
    os.waitpid(first, 0)  # returns when the kernel has ended and reaped all of them


def _nobody_reads(pipe: int) -> bool:
    """Whether the other end of a pipe is closed (poll(2), POLLERR)."""
    watch = select.poll()
    watch.register(pipe, 0)
    return bool(watch.poll(0))


def _fork(status: int) -> int:
    """Make a process, or tell why there is none and end."""
    try:
        return os.fork()
    except OSError as error:
        _tell(status, "unforked", error.errno or 0)
        os._exit(0)


def _be_first(status: int, command: list[str], mask: set[int | signal.Signals]) -> None:
    """Start the command, reap until the last process has ended or SIGTERM comes, then end what is left."""
    if os.getpid() != 1:  # in no namespace of its own: "everybody" would be everybody on this host
        _tell(status, "refused", errno.EPERM)
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the kernel keeps it from the first process of a namespace
    child = _fork(status)
    if child == 0:
        _become(status, command, mask)
    reaper = _Reaper(status, child)
    while reaper.reap() and not _told_to_end(signal.sigwaitinfo(_WAITED_FOR)):
        pass
    _tell(status, "left", _end_all(reaper))


def _told_to_end(told: signal.struct_siginfo) -> bool:
    """True for SIGTERM from outside: a process of this namespace has a number here (pid_namespaces(7)), others 0."""
    return told.si_signo == signal.SIGTERM and told.si_pid == 0


class _Reaper:
    """Waits for children, and tells the status of the command if that ends by itself."""

    def __init__(self, status: int, command: int) -> None:
        self._status, self._command = status, command
        self.ended = self.ending = False  # the command; by us
        self.outlived = 0

    def reap(self) -> bool:
        """Take note of all that have ended; False if none is left."""
        try:
            while (one := os.waitpid(-1, os.WNOHANG))[0]:
                self._note(*one)
        except ChildProcessError:
            return False
        return True

    def _note(self, process: int, code: int) -> None:
        self.outlived += self.ending and self.ended
        if process == self._command and not self.ending:
            self.ended = True
            _tell(self._status, "status", os.waitstatus_to_exitcode(code))


def _end_all(reaper: _Reaper) -> int:
    """End what still runs; return how many processes outlived the command: none if that ran as well."""
    reaper.ending = True
    _kill(signal.SIGTERM)
    until = time.monotonic() + GRACE
    while reaper.reap() and (left := until - time.monotonic()) > 0:
        signal.sigtimedwait({signal.SIGCHLD}, left)
    _kill(signal.SIGKILL)
    while reaper.reap():
        signal.sigtimedwait({signal.SIGCHLD}, GRACE)
    return reaper.outlived


def _kill(number: signal.Signals) -> None:
    try:
        os.kill(_EVERYBODY, number)
    except ProcessLookupError:
        return  # nobody is left


def _become(status: int, command: list[str], mask: set[int | signal.Signals]) -> None:
    """Replace this process by the command, with signals as a shell would set them and no terminal."""
    os.setsid()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec keeps what is ignored
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        _tell(status, "failed", error.errno or 0)
    os._exit(127)


def _tell(status: int, word: str, number: int) -> None:
    os.write(status, f"{word} {number}\n".encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
