"""The doctor: what it finds by doing, on machines that allow everything and on such that refuse."""

from __future__ import annotations

import os

import pytest

import tcploop_lab as lab
from tcploop_lab.stacks import namespace
from tcploop_lab.testbed import advice
from tcploop_lab.testbed import doctor as module
from tcploop_lab.testbed.doctor import Capability, Doctor

from .elsewhere import doctor_by

pytestmark = pytest.mark.anyuser

NEEDS_NAMESPACE = {"private namespace", "own port range", "two hosts"}


def host() -> tuple[object, ...]:
    """The host's port range, its reserved ports and its network devices."""
    return namespace.read_port_range(), namespace.RESERVED_FILE.read_text(), sorted(os.listdir("/sys/class/net"))


@pytest.mark.private_network
def test_a_machine_that_allows_everything_is_left_as_it_was() -> None:
    """Only optional programs are missing, every capability says what was seen; nothing of the host has changed."""
    before = host()
    result = lab.doctor()
    assert host() == before
    programs = set(advice.PROGRAMS)
    assert (result.testbed, result.ok) == ("namespace", True)
    assert {item.name for item in result.missing} <= programs
    assert {item.name for item in result.capabilities} > NEEDS_NAMESPACE | programs | {"self-connection", "capture"}
    assert all(item.detail and item.ok is not bool(item.fix) for item in result.capabilities)


@pytest.mark.private_network
def test_where_packet_sockets_are_refused() -> None:
    """In firejail without packet sockets there are neither captures nor two hosts, and the way out says so."""
    kind, missing = doctor_by(["firejail", "--quiet", "--noprofile", "--protocol=unix,inet,inet6,netlink"])
    assert kind == "namespace"
    assert set(missing) - set(advice.PROGRAMS) >= {"capture", "two hosts"}
    assert "add netlink and packet to what it allows" in missing["two hosts"]


def test_the_host_testbed_can_be_asked_for() -> None:
    """On the host the same questions are asked of the host's own loopback."""
    result = lab.doctor("host")
    found = {item.name: item for item in result.capabilities}
    assert (result.testbed, result.why, result.ok) == ("host", "asked for", True)
    assert found["self-connection"].ok and "connected to itself" in found["self-connection"].detail


@pytest.mark.private_network
def test_programs_are_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any of the programs the course works; each is named with the command that installs it."""
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    result = lab.doctor()
    missing = {item.name: item.fix for item in result.missing}
    assert result.ok
    assert set(missing) == {"ss", "lsof", "nsenter", "tshark", "chromium"}
    assert all("sudo apt install" in fix for fix in missing.values())


def test_what_is_needed_decides() -> None:
    """The course works unless something needed is missing; the summary names all that is."""
    good = Capability("self-connection", True, "seen", needed=True)
    bad = Capability("capture", False, "not seen", "a way out")
    assert Doctor("Linux", "host", "asked for", (good, bad)).ok
    broken = Doctor("Linux", "host", "asked for", (Capability("python", False, "3.9", "newer", needed=True), bad))
    assert not broken.ok
    assert broken.summary.endswith("missing: python, capture")
