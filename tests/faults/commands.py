"""Command lines as nobody would write them, in places where nobody would run them, each in a fork of this process."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import click
from hypothesis import strategies as st

from tcploop_lab.cli import main
from tcploop_lab.cli.entry import tcploop

PATIENCE = 30.0  # seconds for one command
ALLOWED = {0, 1, 2, 3, 130}
JUNK = ["", "-0", "-1", "0", "1", "1e9", "nan", "infe5", "1_0", "٣", "9" * 30, "-", "--", "x", "\x1b[2J", "é", "a/b"]
LIKELY = {
    "port": ["40500", "40501", "22"],
    "low-high": ["40000-40010", "40500-40500", "1-9", "9-1"],
    "s": ["0.2", "1"],
    "n": ["1", "3", "50"],
    "ms": ["5", "0"],
    "file": ["out", "there", "gone/out", "x" * 256, "/dev/full", "locked/out", "/proc/out", "/sys/out"],
    "host": ["127.0.0.1", "::1", "localhost", "no-such-name.invalid", "192.0.2.1"],
    "kind": ["simulated", "same-socket", "new-socket", "bind-self", "recorded"],
    "version": ["4.1", "6.18", "macos", "freebsd-13"],
}
VARIABLES = {
    "COLUMNS": ["", "0", "1", "-3", "x", "99999999", "٣"],
    "TERM": ["", "dumb", "xterm-256color", "no-such-terminal"],
    "TZ": ["", "no/such/zone", ":"],
    "HOME": ["", "/no/such/folder", "/dev/null", "/proc"],
    "TMPDIR": ["", "/no/such/folder", "/proc", "locked"],
    "LANG": ["C", "", "tr_TR.UTF-8", "nonsense"],
    "LC_ALL": ["C", "nonsense"],
    "NO_COLOR": ["1"],
    "FORCE_COLOR": ["1"],
    "PATH": [""],
    "TCPLOOP_TESTBED": ["simulated", "nonsense"],
}
SETTLED = {  # unless the command line says otherwise: no try on the real kernel, and soon over
    "kernel": ["--kernel", "6.18"],
    "timeout": ["--timeout", "1"],
    "samples": ["--samples", "2"],
    "max_tries": ["--max-tries", "50"],
    "workers": ["--workers", "1"],
}
LIMITS = [
    *({resource.RLIMIT_NOFILE: files} for files in (4, 6, 8, 12)),
    *({resource.RLIMIT_FSIZE: most} for most in (4096, 20000)),  # what is said on stderr fits
    *({resource.RLIMIT_NPROC: most} for most in (1, 3, 5)),  # root has no such limit
]
ENDLESS = {"watch", "lab"}  # an option and a server that go on until Ctrl-C, as they say (test_cli_find, test_security)
COMMANDS = [name for name in tcploop.commands if name not in ENDLESS]
SIMULATED = [name for name, one in tcploop.commands.items() if any(item.name == "kernel" for item in one.params)]


@dataclass(frozen=True)
class Odd:
    """A command line, and where it runs. `closed` are descriptors that are not open, `limits` those of setrlimit(2)."""

    args: list[str]
    variables: dict[str, str]
    encoding: str
    closed: frozenset[int]
    limits: dict[int, int]


def value_of(item: click.Parameter) -> st.SearchStrategy[str]:
    """A value for an option or an argument, likely or not."""
    return st.sampled_from(LIKELY.get(item.type.name, []) * 12 + JUNK)


def words_of(item: click.Parameter) -> st.SearchStrategy[list[str]]:
    """An option with its value, or an argument."""
    if isinstance(item, click.Argument):
        return st.lists(value_of(item), max_size=2) if item.nargs < 0 else value_of(item).map(lambda value: [value])
    name = st.sampled_from([*item.opts])
    return name.map(lambda one: [one]) if item.is_flag else st.tuples(name, value_of(item)).map(list)


@st.composite
def odd_commands(draw: st.DrawFn) -> Odd:
    """A command of the tree that click has, with some of its options, in an odd environment."""
    name = draw(st.sampled_from([*SIMULATED * 3, *COMMANDS, "", "nonsense"]))
    command = tcploop.commands.get(name, tcploop.program)
    needed = [item for item in command.params if item.required]
    offered = [item for item in command.params if item.name not in ENDLESS]
    chosen = draw(st.lists(st.sampled_from(offered), max_size=4)) if offered else []
    words = [word for item in [*needed, *chosen] for word in draw(words_of(item))]
    settled = [word for item in command.params for word in SETTLED.get(item.name or "", [])]
    names = draw(st.sets(st.sampled_from(sorted(VARIABLES)), max_size=3))
    return Odd(
        [*([name] if name else []), *settled, *(words if draw(st.booleans()) else draw(st.permutations(words)))],
        {one: draw(st.sampled_from(VARIABLES[one])) for one in sorted(names)},
        draw(st.sampled_from(["utf-8", "utf-8", "ascii", "latin-1"])),
        draw(st.frozensets(st.integers(0, 2), max_size=1)),
        draw(st.sampled_from([{}, {}, {}, *LIMITS])),
    )


def warm() -> None:
    """Load what most commands load, so that a fork has it: ten thousand take minutes, not hours."""
    import rich.table  # noqa: F401
    import scipy.stats  # noqa: F401

    from tcploop_lab.testbed import dissect

    dissect.scapy()


def outcome(odd: Odd, folder: Path) -> tuple[int, str]:
    """Run it in a fork of this process; return its exit code (-1: it hangs) and what it said on stderr."""
    said = folder.with_suffix(".err")
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = _run(odd, folder, said)
        finally:
            os._exit(code)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), said.read_text(errors="replace")
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1, "it hangs"


def _run(odd: Odd, folder: Path, said: Path) -> int:
    nowhere, err = os.open(os.devnull, os.O_RDWR), os.open(said, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.chdir(folder)
    for number, descriptor in enumerate((nowhere, nowhere, err)):
        os.dup2(descriptor, number)
    for number in odd.closed:
        os.close(number)
    streams = [None if number in odd.closed else open(number,  # noqa: SIM115
               "r" if number == 0 else "w", encoding=odd.encoding,
               errors="surrogateescape" if number == 0 else "backslashreplace") for number in range(3)]  # fmt: skip
    sys.stdin, sys.stdout, sys.stderr = streams  # type: ignore[assignment]
    os.environ.update(odd.variables)
    for name, most in odd.limits.items():
        resource.setrlimit(name, (most, most))
    try:
        return main(odd.args)
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:
        os.write(err, traceback.format_exc().encode())
        return 98
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
