"""Runs a command so that everything it starts ends with it: a program of its own, started by `program_run.py`.

    python -I -S supervisor.py STATUS-DESCRIPTOR COMMAND ...

The command runs in a process namespace (pid_namespaces(7)): when its first process ends, the kernel ends all others,
whatever they did to hide: forked twice, new session, another name. That first process is not the command itself, which
would then have to reap orphans and ignore signals as init does, but a copy of this program.

On STATUS-DESCRIPTOR it writes lines of "word number": `refused ERRNO` (no process namespace), `failed ERRNO` (the
command cannot be started), `status STATUS` (as subprocess has it), `left COUNT` (processes ended with the command).
"""

import contextlib
import ctypes
import errno
import os
import signal
import sys

_CLONE_NEWPID = 0x20000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_END = {signal.SIGTERM}
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
    signal.pthread_sigmask(signal.SIG_BLOCK, _END)  # not between fork() and the handler
    first = os.fork()
    if first == 0:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _END)
        _be_first(status, command)
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(first, signal.SIGKILL))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _END)
    os.waitpid(first, 0)  # returns when the kernel has ended and reaped all of them


def _be_first(status: int, command: list[str]) -> None:
    """Start the command, reap until it ends, then end the others."""
    if os.getpid() != 1:  # in no namespace of its own: "everybody" would be everybody on this host
        _tell(status, "refused", errno.EPERM)
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the kernel keeps it from the first process of a namespace
    child = os.fork()
    if child == 0:
        _become(status, command)
    while True:
        ended, code = os.wait()
        if ended == child:
            break
    _tell(status, "status", os.waitstatus_to_exitcode(code))
    with contextlib.suppress(ProcessLookupError):  # nobody is left
        os.kill(_EVERYBODY, signal.SIGKILL)
    _tell(status, "left", _reap())


def _become(status: int, command: list[str]) -> None:
    """Replace this process by the command, with signals as a shell would set them and no terminal."""
    os.setsid()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec keeps what is ignored
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        _tell(status, "failed", error.errno or 0)
    os._exit(127)


def _reap() -> int:
    """Wait for all that is left; return how many of them had not ended by themselves."""
    killed = 0
    try:
        while True:
            killed += os.WTERMSIG(os.wait()[1]) == signal.SIGKILL
    except ChildProcessError:
        return killed


def _tell(status: int, word: str, number: int) -> None:
    os.write(status, f"{word} {number}\n".encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
