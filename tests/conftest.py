"""What holds for every test: in CI nothing may skip, unless it says with a reason that it may."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tcploop_lab.errors import NotOnThisTestbed
from tcploop_lab.stacks.executor import NamespaceExecutor
from tcploop_lab.stacks.namespace import NamespaceRefused

IN_CI = os.environ.get("CI", "").lower() in ("1", "true")

# Whoever starts the tests in the background of a shell has them ignore Ctrl-C, and all they start. The tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same inputs in every run, but for make fuzz, and no limit of time for each: the machine may be busy.
settings.register_profile(
    "lab", deadline=None, derandomize="FUZZ_INPUTS" not in os.environ, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("lab")

# pytest-xdist gives its processes a terminal's width; the tests read what the command writes into a pipe.
os.environ.pop("COLUMNS", None)

# All that touches a kernel must work for an ordinary user; .ci/run tries this folder as one, but for what is marked so.
FOR_ANY_USER, NOT_FOR_ANY_USER = {"testbed"}, {"slow", "root"}


def why_skipped(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason that a skipped report carries."""
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


def fail_the_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure that says why and how to allow it."""
    reason = why_skipped(report)
    report.outcome = "failed"
    report.longrepr = f"{reason}\nIn CI a test must run: install what it needs, or mark it may_skip(reason)."


def together(nodeid: str) -> str:
    """The name of the group of tests that run one after another in one process: a file, or all that share a browser.

    Nor is anything graded elsewhere while a test looks whether a judge has left a process of this user behind.

    Tries disturb no other process: who looks at steps dials an address of its own, since the kernel's table of port
    offsets, one for the whole host, is indexed by addresses and port.
    """
    file = nodeid.split("::")[0]
    if file.startswith(("tests/assignments/", "tests/test_cli_grade")):
        return "grading"
    return "browser" if "e2e" in Path(file).parts else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than there are processors: a test with a browser or a program waits about half of its time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep together what must stay so; --dist=loadgroup does not with pytest 9.2, where node ids cannot be changed."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return Together(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what must work for any user, and refuse a may_skip mark that gives no reason."""
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if FOR_ANY_USER & set(item.path.parent.parts) and not NOT_FOR_ANY_USER & marks:
            item.add_marker(pytest.mark.anyuser)
        mark = item.get_closest_marker("may_skip")
        if mark is not None and not (mark.args and str(mark.args[0]).strip()):
            raise pytest.UsageError(f"{item.nodeid}: may_skip needs a reason: may_skip('only where ...')")
    if hasattr(config, "workerinput"):
        long_ones_first(items)


def long_ones_first(items: list[pytest.Item]) -> None:
    """Where processes share the tests: begin with the browser, which lasts longest, then files with a slow test.

    Notebooks are long, too: one of them begun last would run alone at the end.
    """
    group = {item: together(item.nodeid) for item in items}
    slow = [item for item in items if item.path.suffix == ".ipynb" or item.get_closest_marker("slow") is not None]
    long = {group[item] for item in slow}
    items.sort(key=lambda item: (group[item] != "browser", group[item] not in long))


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
