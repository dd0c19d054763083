"""The ways out that the doctor gives: exact commands for the systems where something is missing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PYTHON = "install Python 3.11 or later and make the environment again: make lab PYTHON=python3.12"
SELF_CONNECTION = "run tcploop check PORT: its evidence says which precondition fails"
IPV6 = "IPv6 is off: sudo sysctl -w net.ipv6.conf.lo.disable_ipv6=0, or boot without ipv6.disable=1"
SOCKET_RANGE = "IP_LOCAL_PORT_RANGE needs Linux 6.3 or later; where there are private namespaces, use those"
BIND_NO_PORT = "IP_BIND_ADDRESS_NO_PORT needs Linux 4.2 or later"
CAPTURE = "make private namespaces possible, see above, or run as root"
NEEDS_NAMESPACE = "make private namespaces possible, see above"
OWN_RANGE = (
    "a container keeps /proc/sys read-only: docker run --security-opt seccomp=unconfined "
    "--security-opt systempaths=unconfined --security-opt apparmor=unconfined; until then use --testbed host"
)
TUN = "sudo modprobe tun; for a container also: docker run --device /dev/net/tun"

# What to look for, under which names, and where it comes from. All of them are optional.
PROGRAMS: dict[str, tuple[tuple[str, ...], str]] = {
    "ss": (("ss",), "sudo apt install iproute2 (Debian, Ubuntu) or sudo dnf install iproute (Fedora)"),
    "lsof": (("lsof",), "sudo apt install lsof (Debian, Ubuntu) or sudo dnf install lsof (Fedora)"),
    "nsenter": (("nsenter",), "sudo apt install util-linux (Debian, Ubuntu) or util-linux-core (Fedora)"),
    "tshark": (
        ("tshark",),
        "sudo apt install tshark (Debian, Ubuntu) or sudo dnf install wireshark-cli (Fedora)",
    ),
    "chromium": (
        ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
        "sudo apt install chromium (Debian) or playwright install chromium; only the browser tests use it",
    ),
}

_NOT_LINUX = (
    "network namespaces are a part of Linux: run the course in a Linux virtual machine, "
    "such as Multipass or Lima on macOS, or WSL 2 on Windows"
)
_APPARMOR = (
    "Ubuntu's AppArmor takes the rights away: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 "
    "(until the next boot), or allow this Python alone: "
    "printf 'abi <abi/4.0>,\\nprofile tcploop {python} flags=(unconfined) {{ userns, }}\\n' "
    "| sudo tee /etc/apparmor.d/tcploop && sudo apparmor_parser -r /etc/apparmor.d/tcploop"
)
_NONE_ALLOWED = "the system allows no user namespaces: sudo sysctl -w user.max_user_namespaces=15000"
_CLONE_OFF = "Debian's switch is off: sudo sysctl -w kernel.unprivileged_userns_clone=1"
_SECCOMP = (
    "a container's seccomp profile forbids unshare: docker run --security-opt seccomp=unconfined; "
    "Kubernetes: securityContext.seccompProfile.type: Unconfined"
)
# https://github.com/jupyterhub/dockerspawner/issues/344 and https://github.com/jupyterhub/kubespawner/pull/450
_HUB = (
    "the containers of this JupyterHub forbid unshare; whoever runs it can allow it: "
    "c.DockerSpawner.extra_host_config = {'security_opt': ['seccomp=unconfined']}, or with Kubernetes "
    "c.KubeSpawner.extra_container_config = {'securityContext': {'seccompProfile': {'type': 'Unconfined'}}}"
)
_WSL_1 = "WSL 1 has no network namespaces: in PowerShell, wsl --set-version DISTRIBUTION 2 (wsl -l -v lists yours)"
_UNKNOWN = (
    "ask who runs this machine to allow user namespaces, or run as root; in a container: "
    "docker run --security-opt seccomp=unconfined"
)

# Settings whose value explains a refusal. They only choose the advice: what works is found out by trying.
_SETTINGS = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", _APPARMOR),
    ("user/max_user_namespaces", "0", _NONE_ALLOWED),
    ("kernel/unprivileged_userns_clone", "0", _CLONE_OFF),
)


def for_namespace(
    root: Path = Path("/proc"), platform: str = sys.platform, environment: Mapping[str, str] = os.environ
) -> str:
    """Return the way out of a refused private namespace, chosen by what `root` says about the system.

    A JupyterHub is known by what it puts into the `environment` of its servers.
    """
    if platform != "linux":
        return _NOT_LINUX
    if _read(root / "sys/kernel/osrelease").endswith("-Microsoft"):  # WSL 2 has another name: microsoft-standard-WSL2
        return _WSL_1
    for name, value, advice in _SETTINGS:
        if _read(root / "sys" / name) == value:
            return advice.format(python=os.path.realpath(sys.executable))
    if "\nSeccomp:\t2" in _read(root / "self/status"):
        return _HUB if "JUPYTERHUB_API_URL" in environment else _SECCOMP
    return _UNKNOWN


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
