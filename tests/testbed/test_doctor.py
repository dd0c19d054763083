"""The doctor: what it finds by doing, on machines that allow everything and on such that refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tcploop_lab as lab
from tcploop_lab.stacks import namespace
from tcploop_lab.testbed import doctor as module
from tcploop_lab.testbed import fixes
from tcploop_lab.testbed.doctor import Capability, Doctor

pytestmark = [pytest.mark.kernel, pytest.mark.anyuser]

NEEDS_NAMESPACE = {"private namespace", "own port range", "TUN device"}
SHOW = """
import tcploop_lab as lab
result = lab.doctor()
print(result.testbed, result.ok)
for item in result.missing:
    print(item.name, "|", item.detail, "|", item.fix)
"""


def missing_where(setup: str) -> tuple[str, dict[str, str]]:
    """Run the doctor after `setup`, in new user and mount namespaces: its testbed, what is missing."""
    script = f'{setup} && exec "$0" -c "$1"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, sys.executable, SHOW]
    lines = subprocess.check_output(command, text=True, timeout=60).splitlines()
    return lines[0], dict(line.split(" | ", 1) for line in lines[1:])


def test_a_machine_that_allows_everything() -> None:
    """Here nothing but optional programs is missing, and every capability says what was seen."""
    result = lab.doctor()
    programs = set(fixes.PROGRAMS)
    assert (result.testbed, result.ok) == ("namespace", True)
    assert {item.name for item in result.missing} <= programs
    assert {item.name for item in result.capabilities} > NEEDS_NAMESPACE | programs | {
        "self-connection",
        "capture",
    }
    assert all(item.detail and item.ok is not bool(item.fix) for item in result.capabilities)


def test_nothing_of_the_host_is_changed() -> None:
    """The host's port range and its network devices are the same afterwards."""

    def host() -> tuple[object, ...]:
        return (
            namespace.read_port_range(),
            namespace.RESERVED_FILE.read_text(),
            sorted(os.listdir("/sys/class/net")),
        )

    before = host()
    lab.doctor()
    assert host() == before


def test_where_namespaces_are_refused() -> None:
    """It falls back to the host testbed, where self-connections work, and says what allows namespaces."""
    head, missing = missing_where("echo 0 > /proc/sys/user/max_user_namespaces")
    assert head == "host True"
    assert set(missing) >= NEEDS_NAMESPACE
    assert missing["private namespace"].startswith("unshare() said No space left on device")
    assert "sudo sysctl -w user.max_user_namespaces=" in missing["private namespace"]
    assert "self-connection" not in missing


def test_where_settings_are_read_only() -> None:
    """In a container with /proc/sys read-only a namespace is there, but no port range of its own."""
    head, missing = missing_where("mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys")
    assert head == "namespace True"
    assert set(missing) - set(fixes.PROGRAMS) == {"own port range"}
    assert "Read-only file system" in missing["own port range"]
    assert "--security-opt systempaths=unconfined" in missing["own port range"]


def test_where_there_is_no_tun(tmp_path: Path) -> None:
    """Without /dev/net/tun only that capability is missing."""
    head, missing = missing_where(f"mount --bind {tmp_path} /dev/net")
    assert head == "namespace True"
    assert set(missing) - set(fixes.PROGRAMS) == {"TUN device"}
    assert "modprobe tun" in missing["TUN device"]


def test_the_host_testbed_can_be_asked_for() -> None:
    """On the host the same questions are asked of the host's own loopback."""
    result = lab.doctor("host")
    found = {item.name: item for item in result.capabilities}
    assert (result.testbed, result.why, result.ok) == ("host", "asked for", True)
    assert found["self-connection"].ok and "connected to itself" in found["self-connection"].detail


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


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", "restrict_unprivileged_userns=0"),
        ("sys/user/max_user_namespaces", "0\n", "sysctl -w user.max_user_namespaces=15000"),
        ("sys/kernel/unprivileged_userns_clone", "0\n", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("self/status", "Name:\tsh\nSeccomp:\t2\n", "docker run --security-opt seccomp=unconfined"),
        ("self/status", "Name:\tsh\nSeccomp:\t0\n", "ask who runs this machine"),
        ("sys/kernel/osrelease", "4.4.0-19041-Microsoft\n", "wsl --set-version"),
        ("sys/kernel/osrelease", "5.15.153.1-microsoft-standard-WSL2\n", "ask who runs this machine"),
    ],
)  # fmt: skip
def test_the_way_out_fits_the_system(tmp_path: Path, name: str, text: str, advice: str) -> None:
    """The advice is chosen by the setting that explains the refusal."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert advice in fixes.for_namespace(tmp_path, "linux", {})


def test_on_a_hub_the_way_out_is_for_who_runs_it(tmp_path: Path) -> None:
    """Where a JupyterHub's container forbids unshare, the advice names the settings of its spawners."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text("Name:\tsh\nSeccomp:\t2\n")
    advice = fixes.for_namespace(tmp_path, "linux", {"JUPYTERHUB_API_URL": "http://hub:8081/hub/api"})
    assert "c.DockerSpawner.extra_host_config" in advice and "c.KubeSpawner.extra_container_config" in advice
    assert "docker run" not in advice


def test_the_way_out_elsewhere_is_linux(tmp_path: Path) -> None:
    """On a system without network namespaces the way out is a Linux virtual machine."""
    assert "a Linux virtual machine" in fixes.for_namespace(tmp_path, "darwin")


def test_the_apparmor_profile_is_for_this_python(tmp_path: Path) -> None:
    """The profile that the advice writes names the running Python, and allows it user namespaces."""
    setting = tmp_path / "sys/kernel/apparmor_restrict_unprivileged_userns"
    setting.parent.mkdir(parents=True)
    setting.write_text("1\n")
    command = fixes.for_namespace(tmp_path, "linux").partition("alone: ")[2].partition("|")[0]
    profile = subprocess.check_output(["sh", "-c", command], text=True)
    python = os.path.realpath(sys.executable)
    assert profile == f"abi <abi/4.0>,\nprofile tcploop {python} flags=(unconfined) {{ userns, }}\n"
