"""The ways out that the doctor gives: exact commands for the systems where something is missing.

Each was tried where it is given (tests/testbed/test_advice.py), but for the systems that no test can make: AppArmor,
Debian's switch, JupyterHub, Kubernetes, WSL 1.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = "install Python 3.11 or later and make the environment again: make lab PYTHON=python3.12"
SELF_CONNECTION = "run tcploop check PORT: its evidence says which precondition fails"
IPV6 = "IPv6 is off: sudo sysctl -w net.ipv6.conf.lo.disable_ipv6=0, or boot without ipv6.disable=1"
SOCKET_RANGE = "IP_LOCAL_PORT_RANGE needs Linux 6.3 or later; where there are private namespaces, use those"
BIND_NO_PORT = "IP_BIND_ADDRESS_NO_PORT needs Linux 4.2 or later"
CAPTURE = (
    "make private namespaces possible, see above, or run as root; where that is so, a filter refuses packet sockets, "
    "as firejail's protocol option does: run without it"
)
REAL_KERNELS = (
    "tcploop kernels lists them, and how to get them; they run on Linux on x86-64, without root; the "
    "simulated ones do without them"
)
NEEDS_NAMESPACE = "make private namespaces possible, see above"

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
_NO_PROC = (
    "/proc is not mounted: as root, mount -t proc proc /proc; for a chroot before one enters it: "
    "mount -t proc proc DIR/proc"
)
_APPARMOR = (
    "Ubuntu's AppArmor takes the rights away: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 "
    "(until the next boot), or allow this Python alone: "
    "printf 'abi <abi/4.0>,\\nprofile tcploop {python} flags=(unconfined) {{ userns, }}\\n' "
    "| sudo tee /etc/apparmor.d/tcploop && sudo apparmor_parser -r /etc/apparmor.d/tcploop"
)
_CLONE_OFF = "Debian's switch is off: sudo sysctl -w kernel.unprivileged_userns_clone=1"
_RAISE = "sysctl -w user.max_user_namespaces=15000 user.max_net_namespaces=15000"
_NONE_LEFT = f"the limit of namespaces here is 0: as root, {_RAISE}"
_NONE_LEFT_OUTSIDE = f"a limit of namespaces is reached that was set outside of here: on the host, as root, {_RAISE}"
_ROOT_WITHOUT_RIGHTS = (
    "root without CAP_SETFCAP may not keep its number in a user namespace: run as an ordinary user "
    "(docker run --user 1000:1000, the same with podman), or leave root that one capability (--cap-add=SETFCAP)"
)
_CHROOT = (
    "in a chroot the kernel makes no user namespace: run as root there, or enter it from outside with "
    "unshare --map-root-user --net chroot DIR"
)
_FIREJAIL = (
    "firejail forbids it: run without firejail; firejail --noprofile allows a private network, "
    "but no port range of its own"
)
# What AppArmor's profile for containers forbids: https://github.com/moby/profiles/blob/main/apparmor/template.go
_CONTAINER = (
    "the container forbids it: {program} run --security-opt seccomp=unconfined --security-opt systempaths=unconfined "
    "(where the host has AppArmor also --security-opt apparmor=unconfined) gives an ordinary user all of it, and "
    "isolates the container less: only for what you trust. Without that, {program} run "
    "--sysctl net.ipv4.ip_local_port_range='40000 40099' gives the container's own network a narrow range, "
    "for --testbed host"
)
# Where the filter lets a private network be made, only /proc/sys is in the way: docs/containers.md.
_CONTAINER_PATHS = (
    "the container keeps it read-only: {program} run --security-opt systempaths=unconfined (where the host has "
    "AppArmor also --security-opt apparmor=unconfined) makes it writable, and isolates the container less: only for "
    "what you trust"
)
# https://github.com/kubernetes/kubernetes/blob/v1.26.11/pkg/kubelet/sysctl/safe_sysctls.go
_KUBERNETES = (
    "the pod forbids it: securityContext.seccompProfile.type: Unconfined allows a private network, and isolates the "
    "pod less; without that, the pod's securityContext.sysctls may set net.ipv4.ip_local_port_range, for --testbed host"
)
# https://github.com/jupyterhub/dockerspawner/issues/344 and https://github.com/jupyterhub/kubespawner/pull/450
_HUB = (
    "the containers of this JupyterHub forbid it; whoever runs it can allow it: "
    "c.DockerSpawner.extra_host_config = {'security_opt': ['seccomp=unconfined', 'systempaths=unconfined']}, or with "
    "Kubernetes c.KubeSpawner.extra_container_config = {'securityContext': {'seccompProfile': {'type': 'Unconfined'}}}"
)
_WSL_1 = "WSL 1 has no network namespaces: in PowerShell, wsl --set-version DISTRIBUTION 2 (wsl -l -v lists yours)"
_FILTER = "a filter of system calls (seccomp) forbids it: run it outside of whatever set the filter, or as root"
_SOCKETS = (
    "a filter refuses such sockets, as firejail's protocol option does: run without it, "
    "or add netlink and packet to what it allows"
)
_UNKNOWN = "ask who runs this machine to allow user namespaces, or run as root"
_READ_ONLY = "as a root that may mount: mount -o remount,bind,rw /proc/sys"

_CAP_SETFCAP = 1 << 31

# Settings whose value explains a refusal. They only choose the advice: what works is found out by trying.
_SETTINGS = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", _APPARMOR),
    ("user/max_user_namespaces", "0", _NONE_LEFT),
    ("user/max_net_namespaces", "0", _NONE_LEFT),
    ("kernel/unprivileged_userns_clone", "0", _CLONE_OFF),
)


@dataclass(frozen=True)
class Machine:
    """What the advice is chosen by: the files below `root`, the platform, the environment, and who asks."""

    root: Path = Path("/")
    platform: str = sys.platform
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    user: int = os.geteuid() if hasattr(os, "geteuid") else -1

    def for_namespace(self, error: int = 0, made: bool = False) -> str:
        """Return the way out of a private namespace that was refused with this errno; or `made`, but without rights."""
        return next(self._reasons(error, made))

    def for_own_range(self) -> str:
        """Return the way out where a private network is there, and its settings cannot be written."""
        return "; or ".join(filter(None, (_READ_ONLY, self._container(_CONTAINER_PATHS))))

    def for_two_hosts(self, refusal: OSError) -> str:
        """Return why two hosts cannot be made, and the way out; its `filename` is what `stacks.two_hosts` was doing."""
        what, said = refusal.filename or "network", f"({refusal.strerror})"
        if what == "namespace":
            reason = f"each needs a network of its own {said}"
            way_out = self.for_namespace(refusal.errno or 0)
            return f"{reason}; use the namespace testbed, or where it is refused: {way_out}"
        if what in ("netlink", "packet"):
            return f"a {what} socket is refused {said}; {_SOCKETS}"
        if refusal.errno == errno.EOPNOTSUPP:
            return f"this kernel has no {what} driver loaded {said}; sudo modprobe {what}"
        return f"the {what} is refused {said}; {_UNKNOWN}"

    def _reasons(self, error: int, made: bool) -> Iterator[str]:
        """Yield what explains the refusal, the surest first."""
        if self.platform != "linux":
            yield _NOT_LINUX
        if self._read("proc/sys/kernel/osrelease").endswith("-Microsoft"):  # WSL 2: microsoft-standard-WSL2
            yield _WSL_1
        if not self._read("proc/self/status"):
            yield _NO_PROC
        for name, value, advice in _SETTINGS:
            if self._read(f"proc/sys/{name}") == value:
                yield advice.format(python=os.path.realpath(sys.executable))
        yield from self._by_error(error, made)
        yield _UNKNOWN

    def _by_error(self, error: int, made: bool) -> Iterator[str]:
        filtered = "\nSeccomp:\t2" in self._read("proc/self/status")
        if error == errno.ENOSPC:
            yield _NONE_LEFT_OUTSIDE
        if made and self.user == 0 and not self._may_keep_its_number():
            yield _ROOT_WITHOUT_RIGHTS
        if filtered:
            yield self._container() or _FILTER
        if error == errno.EPERM and not made:  # neither filter nor setting: a chroot is what is left (unshare(2))
            yield _CHROOT

    def _may_keep_its_number(self) -> bool:
        """Whether root may be root in a user namespace: from Linux 5.12 on by CAP_SETFCAP (user_namespaces(7))."""
        rights = self._read("proc/self/status").partition("CapEff:")[2].split()
        return bool(int(rights[0], 16) & _CAP_SETFCAP) if rights else False

    def _container(self, advice: str = _CONTAINER) -> str:
        """The way out of the container that this is, known by what its program leaves in it; "" if it is none."""
        if "JUPYTERHUB_API_URL" in self.environment:
            return _HUB
        if "KUBERNETES_SERVICE_HOST" in self.environment:
            return _KUBERNETES
        program = self.environment.get("container", "")
        if program == "firejail":
            return _FIREJAIL
        if program == "podman" or (self.root / "run/.containerenv").exists():
            return advice.format(program="podman")
        return advice.format(program="docker") if (self.root / ".dockerenv").exists() else ""

    def _read(self, name: str) -> str:
        try:
            return (self.root / name).read_text().strip()
        except OSError:
            return ""
