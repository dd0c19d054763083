"""What holds for every test: in CI nothing may skip, unless it says with a reason that it may."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from functools import cache

import pytest

from tcploop_lab.errors import NotOnThisTestbed
from tcploop_lab.stacks.executor import NamespaceExecutor
from tcploop_lab.stacks.namespace import NamespaceRefused

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")

# Whoever starts the tests in the background of a shell has them ignore Ctrl-C, and all they start. The tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Whose tests may make tries on the real kernel. They run one after another: its table of port offsets is one for the
# whole host, so that two who dial the same port at once move each other's walk. All others run beside them (make test),
# and those in the browser, which look at pages and not at walks. Files elsewhere carry the mark `kernel` themselves.
MAKE_TRIES = {"matrix", "notebooks", "testbed"}

# All that touches a kernel must work for an ordinary user; .ci/run tries this folder as one, but for what is slow.
FOR_ANY_USER = {"testbed"}


def why_skipped(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason that a skipped report carries."""
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


def fail_the_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure that says why and how to allow it."""
    reason = why_skipped(report)
    report.outcome = "failed"
    report.longrepr = f"{reason}\nIn CI a test must run: install what it needs, or mark it may_skip(reason)."


def runs_with(item: pytest.Item) -> str:
    """The name of the group of tests that run one after another in one process: those that make tries, or a file."""
    if item.get_closest_marker("e2e") is not None:
        return "browser"
    return "tries" if item.get_closest_marker("kernel") is not None else item.path.stem


# First, as pytest-xdist reads the groups in a hook of its own.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark who makes tries and what must work for any user, and refuse a may_skip mark that gives no reason."""
    for item in items:
        if MAKE_TRIES & set(item.path.relative_to(item.config.rootpath).parts):
            item.add_marker(pytest.mark.kernel)
        if FOR_ANY_USER & set(item.path.parent.parts) and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.anyuser)
        if item.config.pluginmanager.hasplugin("xdist"):
            item.add_marker(pytest.mark.xdist_group(runs_with(item)))
        mark = item.get_closest_marker("may_skip")
        if mark is not None and not (mark.args and str(mark.args[0]).strip()):
            raise pytest.UsageError(f"{item.nodeid}: may_skip needs a reason: may_skip('only where ...')")


@cache
def why_no_private_network() -> str:
    """Why this machine gives no private network, "" if it gives one: found out by trying."""
    try:
        NamespaceExecutor().shutdown()
    except NamespaceRefused as refusal:
        return str(refusal.strerror)
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked to need a private network, where there is none."""
    if item.get_closest_marker("private_network") is not None and why_no_private_network():
        pytest.skip(f"needs a private network: {why_no_private_network()}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, fail a test that skips without the may_skip mark. An expected failure is not a skip.

    Elsewhere a test that asks for the namespace testbed, where this machine has none, has skipped itself.
    """
    report = yield
    refused = call.excinfo is not None and isinstance(call.excinfo.value, (NotOnThisTestbed, NamespaceRefused))
    if report.failed and refused and why_no_private_network():
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"Skipped: {call.excinfo.value}")
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if IN_CI and skipped and item.get_closest_marker("may_skip") is None:
        fail_the_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI, fail a whole file that skips itself, as pytest.importorskip makes it do."""
    report = yield
    if IN_CI and report.skipped:
        fail_the_skip(report)
    return report
