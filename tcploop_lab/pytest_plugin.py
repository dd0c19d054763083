"""A pytest plugin: tests whose refused dials meet themselves. Off unless it is asked for: -p tcploop_lab.pytest_plugin

    @pytest.mark.self_connect              # or self_connect(timeout=10): seconds that the function may take, 60
    def test_the_client_waits_for_its_server():
        ...

The function runs in a process of its own in a private network, where every dial of an ephemeral port that would be
refused connects to itself. It fails if it used such a connection: wrote a byte over it, kept it until the function
returned, or closed it without having asked for its own name (getsockname), which is all that tells it from a server's.

Its threads and the programs that it starts are dialled for, too, and end with it. Fixtures are set up outside, in the
network of the machine: a server that a fixture starts is out of reach. What the function leaves in memory, and the
lines that coverage saw, are lost with its process. It needs Linux 6.3; elsewhere the test is skipped, with the reason.
"""

from __future__ import annotations

import socket
import sys
from typing import Any
from unittest import SkipTest

import pytest

from .audits.dials import Outcome, run
from .errors import NotOnThisTestbed
from .testbed.limits import parse_timeout

_MARK = "self_connect"
_SECONDS = 60.0
_apart = False


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", f"{_MARK}(timeout=60): refused dials meet themselves; using one is a failure")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse the mark where it could not be kept: on what is no plain test function, or with a wrong time."""
    for item in items:
        mark = item.get_closest_marker(_MARK)
        if mark is None:
            continue
        if type(item).runtest is not pytest.Function.runtest:
            raise pytest.UsageError(f"{item.nodeid}: {_MARK} is for test functions, not for {type(item).__name__}")
        try:
            _seconds(mark)
        except (ValueError, TypeError) as error:
            raise pytest.UsageError(f"{item.nodeid}: {_MARK}: {error}") from None


def _seconds(mark: pytest.Mark) -> float:
    def named(timeout: float = _SECONDS) -> float:
        return parse_timeout(timeout)

    return named(*mark.args, **mark.kwargs)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a marked function apart; every other one, and this one once it is apart, is pytest's."""
    mark = pyfuncitem.get_closest_marker(_MARK)
    if mark is None or _apart:
        return None
    seconds = _seconds(mark)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        outcome = run(lambda: _run_apart(pyfuncitem), seconds)
    except NotOnThisTestbed as refusal:
        pytest.skip(f"{_MARK}: {refusal}")
    _judge(pyfuncitem, outcome, seconds)
    return True


def _run_apart(item: pytest.Function) -> tuple[str, str]:
    """Run the function, in its own process; return how it went, and what there is to say."""
    global _apart
    _apart = True
    # Its own form has both names, and Python makes that of each socket that is collected open: that is no look.
    socket.socket.__repr__ = object.__repr__  # type: ignore[method-assign]
    try:
        item.runtest()
        return "passed", ""
    except (pytest.skip.Exception, SkipTest) as skipped:
        return "skipped", str(skipped)
    except pytest.xfail.Exception as expected:
        return "xfailed", str(expected)
    except BaseException:
        return "failed", str(item.repr_failure(pytest.ExceptionInfo.from_current()))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _judge(item: pytest.Function, outcome: Outcome, seconds: float) -> None:
    item.user_properties.append(("self_connections", len(outcome.dials)))
    lines = [] if outcome.ended else outcome.used  # whoever died closed nothing by itself
    late = f"it did not end within {seconds:g} s; self_connect(timeout=...) gives more"
    died = outcome.ended and f"the test's process ended ({outcome.ended})"
    how, words = outcome.said or ("failed", died or late)
    if how == "failed":
        met = [f"{dial.name} met itself" for dial in outcome.dials]
        pytest.fail("\n".join((words, *(lines or met))), pytrace=False)
    if lines:
        pytest.fail("\n".join(("it used a connection with itself:", *lines)), pytrace=False)
    if not outcome.dials and how == "passed":
        item.warn(pytest.PytestWarning(f"{_MARK}: no dial met itself"))
    _say_it_again(how, words)


def _say_it_again(how: str, words: str) -> Any:
    """Skip or fail as expected out here, as the function did."""
    if how == "skipped":
        pytest.skip(words)
    if how == "xfailed":
        pytest.xfail(words)
