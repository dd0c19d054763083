"""The doctor's ways out: each situation is made real, and the advice is followed and seen to work there.

Podman and firejail are used where they are installed. AppArmor, Debian's switch, JupyterHub, Kubernetes and WSL 1
cannot be made here: for these only the choice is tested.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcploop_lab.testbed import advice
from tests.matrix.seccomp import Refusal, refuse

from ..waiting import wait_until
from .elsewhere import NO_RIGHTS, after, doctor_after, doctor_by

LIMIT = "/proc/sys/user/max_user_namespaces"
READ_ONLY = "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys"


def command_in(text: str, program: str) -> str:
    """The command of this program that an advice gives."""
    found = re.search(rf"\b{program} [^;]*", text)
    assert found is not None, text
    return found[0]


@pytest.mark.private_network
def test_a_limit_of_namespaces_is_raised() -> None:
    """With max_user_namespaces 0 the advice is a sysctl command, after which a user without rights has a namespace."""
    kind, missing = doctor_after(f"echo 0 > {LIMIT}", *NO_RIGHTS)
    assert (kind, "self-connection" in missing) == ("host", False)
    assert missing["private namespace"].startswith("unshare() said No space left on device")
    way_out = command_in(missing["private namespace"], "sysctl")
    kind, missing = doctor_after(f"echo 0 > {LIMIT} && {way_out} > /dev/null")
    assert (kind, "private namespace" in missing) == ("namespace", False)


@pytest.mark.private_network
def test_a_limit_outside_of_here_is_raised_outside() -> None:
    """A namespace that is full shows no limit of its own: the advice says where it lies, and raised there it works."""
    inner = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    kind, missing = doctor_by([*after(f"echo 1 > {LIMIT}"), *inner])
    assert kind == "host"
    assert "set outside of here" in missing["private namespace"]
    way_out = command_in(missing["private namespace"], "sysctl")
    assert doctor_by([*after(f"echo 1 > {LIMIT} && {way_out} > /dev/null"), *inner])[0] == "namespace"


@pytest.mark.private_network
def test_root_needs_no_user_namespace() -> None:
    """Root that may make network namespaces gets a testbed where no user namespace is to be had."""
    kind, missing = doctor_after(f"echo 0 > {LIMIT}")
    assert (kind, "own port range" in missing) == ("namespace", False)


@pytest.mark.private_network
def test_settings_that_are_read_only_are_made_writable() -> None:
    """With /proc/sys read-only there is a namespace without a port range of its own; after the advice there is one."""
    kind, missing = doctor_after(READ_ONLY)
    assert (kind, set(missing) & {"private namespace", "own port range"}) == ("namespace", {"own port range"})
    assert "Read-only file system" in missing["own port range"]
    way_out = command_in(missing["own port range"], "mount")
    assert "own port range" not in doctor_after(f"{READ_ONLY} && {way_out}")[1]


@pytest.mark.private_network
def test_proc_is_mounted() -> None:
    """Without /proc the advice is to mount it, which is enough; nothing says that this is no Linux."""
    kind, missing = doctor_after("mount -t tmpfs none /proc")
    assert kind == "simulated"
    assert not [text for text in missing.values() if "not Linux" in text]
    way_out = command_in(missing["private namespace"], "mount")
    assert doctor_after(f"mount -t tmpfs none /proc && {way_out}")[0] == "namespace"


@pytest.mark.private_network
def test_a_chroot_is_entered_in_another_way(tmp_path: Path) -> None:
    """In a chroot a user gets no namespace; root there does, and so does who follows the advice from outside."""
    place = f"mount --rbind / {tmp_path} && cd {tmp_path}"
    kind, missing = doctor_by([*after(place), "chroot", str(tmp_path), *NO_RIGHTS])
    assert kind == "host"
    assert "in a chroot" in missing["private namespace"]
    assert doctor_by([*after(place), "chroot", str(tmp_path)])[0] == "namespace"
    way_out = command_in(missing["private namespace"], "unshare").replace("DIR", str(tmp_path)).split()
    kind, missing = doctor_by([*after(place), *way_out])
    assert (kind, "own port range" in missing) == ("namespace", False)


@pytest.mark.private_network
def test_root_without_rights_becomes_a_user_or_keeps_one() -> None:
    """As podman run --cap-drop=all has it: a user has no such trouble, and root none with the one capability."""
    kind, missing = doctor_after("true", *NO_RIGHTS, "--no-new-privs")
    assert kind == "host"
    assert "--user 1000:1000" in missing["private namespace"] and "--cap-add=SETFCAP" in missing["private namespace"]
    assert doctor_by(["unshare", "--user", "--map-user=1000", "--map-group=1000"])[0] == "namespace"
    one = ["setpriv", "--bounding-set=-all,+setfcap", "--inh-caps=-all", "--no-new-privs"]
    assert doctor_after("true", *one)[0] == "namespace"


def test_a_filter_of_system_calls_is_named() -> None:
    """Where seccomp refuses unshare(), as Docker's profile does, and no container is known, the filter is named."""
    code = "import os, sys; from tests.testbed.test_advice import no_unshare; no_unshare();"
    kind, missing = doctor_by([sys.executable, "-c", f"{code} os.execvp(sys.argv[1], sys.argv[1:])"])
    assert kind == "host"
    assert "seccomp" in missing["private namespace"] and "chroot" not in missing["private namespace"]


def no_unshare() -> None:
    """Refuse unshare() of a user namespace to this process and all it starts."""
    refuse([Refusal("unshare", 1, bits=[(0, 0x10000000)]), Refusal("unshare", 1, bits=[(0, 0x40000000)])])


@pytest.mark.private_network
@pytest.mark.may_skip("needs firejail: apt install firejail")
@pytest.mark.skipif(not shutil.which("firejail"), reason="needs firejail: apt install firejail")
def test_firejail_is_left() -> None:
    """In firejail the advice is to do without it; --noprofile gives a private network, and no range of its own."""
    command = ["firejail", "--quiet", sys.executable, "-c", "1"]
    inside = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "no suitable" in inside.stderr:
        pytest.skip(f"firejail hides the folder of {sys.executable}: try it in a checkout outside /tmp")
    kind, missing = doctor_by(["firejail", "--quiet"])
    assert (kind, "run without firejail" in missing["private namespace"]) == ("host", True)
    kind, missing = doctor_by(["firejail", "--quiet", "--noprofile"])
    assert kind == "namespace"
    assert "no port range of its own" in missing["own port range"]


# podman 4 with crun wants version 1 or 2 of cgroups, and not both; what is unmounted is so in a namespace of its own.
PODMAN = """umount /sys/fs/cgroup/unified 2> /dev/null
exec podman --root "$0/root" --runroot "$0/run" run --rm --cgroups=disabled --network=none \
--ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --env PYTHONPATH --env HOME --env PYTHONDONTWRITEBYTECODE "$@"
"""


@pytest.fixture
def podman() -> Iterator[list[str]]:
    """The command that runs podman; its containers have this machine's files, and what they write is gone with them."""
    if os.geteuid() or not shutil.which("podman"):
        pytest.skip("needs root, and podman: apt install podman")
    hidden = [one for one in Path(sys.executable).absolute().parents if not one.stat().st_mode & 0o001]
    if hidden:  # its users are others than root
        pytest.skip(f"only root may enter {hidden[-1]}: try it in a checkout that everybody may enter")
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # podman takes no path of more than 50 characters
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", PODMAN, short]
        done = subprocess.run([*command, "--rootfs", "/:O", "true"], capture_output=True, text=True, timeout=60)
        if done.returncode:
            pytest.skip(f"podman runs no container here: {done.stderr.strip()}")
        yield command
        # What watched over a container tidies up after it has ended.
        wait_until(lambda: subprocess.run(["pgrep", "-f", short], stdout=subprocess.DEVNULL).returncode == 1)


def in_container(podman: list[str], *options: str) -> tuple[str, dict[str, str]]:
    """What the doctor finds in a container with these options."""
    return doctor_by([*podman, *options, "--rootfs", "/:O"])


@pytest.fixture
def profile(tmp_path: Path) -> str:
    """A seccomp profile as Docker's: podman's own without the calls that make namespaces."""
    rules = json.loads(Path("/usr/share/containers/seccomp.json").read_text())
    for rule in rules["syscalls"]:
        rule["names"] = [name for name in rule["names"] if rule["action"] != "SCMP_ACT_ALLOW" or name != "unshare"]
    rules["syscalls"].append({"names": ["unshare"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": []})
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(rules))
    return str(path)


@pytest.mark.may_skip("needs root, and podman: apt install podman")
def test_podman_gives_a_network_and_after_the_advice_its_range(podman: list[str]) -> None:
    """By default a user in podman has a private network alone; with the advice's one option everything."""
    user = ("--user", "1000:1000")
    kind, missing = in_container(podman, *user)
    assert (kind, set(missing) & {"private namespace", "own port range"}) == ("namespace", {"own port range"})
    assert "isolates the container less" in missing["own port range"]
    options = re.findall(r"--security-opt (?:seccomp|systempaths)=\w+", missing["own port range"])
    kind, missing = in_container(podman, *user, *" ".join(options).split())
    assert (kind, "own port range" in missing, len(options)) == ("namespace", False, 1)


@pytest.mark.may_skip("needs root, and podman: apt install podman")
def test_dockers_profile_gives_neither_and_a_range_all_the_same(podman: list[str], profile: str) -> None:
    """Where the profile forbids unshare(), --sysctl gives the container's network the range that loops then have."""
    docker = ("--user", "1000:1000", "--security-opt", f"seccomp={profile}")
    kind, missing = in_container(podman, *docker)
    assert (kind, {"private namespace", "own port range"} <= set(missing)) == ("host", True)
    value = re.search(r"--sysctl net.ipv4.ip_local_port_range='(\d+) (\d+)'", missing["private namespace"])
    assert value is not None
    code = "import tcploop_lab as lab; t = lab.open_testbed(); r = t.connect_loop(40050, progress=False);"
    command = [*podman, *docker, "--sysctl", f"net.ipv4.ip_local_port_range={value[1]} {value[2]}", "--rootfs", "/:O"]
    where = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "HOME": "/tmp"}
    command += [sys.executable, "-c", f"{code} print(t.port_range, r.self_connected)"]
    assert subprocess.check_output(command, env=where, text=True, timeout=60) == "40000-40099 True\n"


@pytest.mark.may_skip("needs root, and podman: apt install podman")
def test_root_in_podman_without_capabilities(podman: list[str]) -> None:
    """With --cap-drop=all root has no namespace; as the advice says, a user has one, and so has root with SETFCAP."""
    kind, missing = in_container(podman, "--cap-drop=all")
    assert (kind, "CAP_SETFCAP" in missing["private namespace"]) == ("host", True)
    for option in ("--user=1000:1000", "--cap-add=SETFCAP"):
        assert option.replace("=", " ", 1) in missing["private namespace"] or option in missing["private namespace"]
        assert in_container(podman, "--cap-drop=all", option)[0] == "namespace"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", "restrict_unprivileged_userns=0"),
        ("proc/sys/user/max_user_namespaces", "0\n", "sysctl -w user.max_user_namespaces=15000"),
        ("proc/sys/kernel/unprivileged_userns_clone", "0\n", "sysctl -w kernel.unprivileged_userns_clone=1"),
        ("proc/self/status", "Name:\tsh\nSeccomp:\t2\n", "a filter of system calls"),
        ("proc/self/status", "Name:\tsh\nSeccomp:\t0\n", "ask who runs this machine"),
        ("proc/sys/kernel/osrelease", "4.4.0-19041-Microsoft\n", "wsl --set-version"),
        ("proc/sys/kernel/osrelease", "5.15.153.1-microsoft-standard-WSL2\n", "ask who runs this machine"),
    ],
)  # fmt: skip
def test_the_way_out_fits_the_system(tmp_path: Path, name: str, text: str, words: str) -> None:
    """The advice is chosen by the setting that explains the refusal."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    status = tmp_path / "proc/self/status"
    status.parent.mkdir(parents=True, exist_ok=True)
    status.write_text("Name:\tsh\nSeccomp:\t0\n")
    path.write_text(text)
    assert words in advice.Machine(tmp_path, "linux", {}, 1000).for_namespace()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"JUPYTERHUB_API_URL": "http://hub:8081/hub/api"}, ("c.DockerSpawner.extra_host_config", "c.KubeSpawner")),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, ("seccompProfile", "securityContext.sysctls")),
        ({"container": "podman"}, ("podman run --security-opt",)),
        ({"container": "firejail"}, ("run without firejail",)),
    ],
)
def test_the_container_chooses_the_way_out(tmp_path: Path, environment: dict[str, str], words: tuple[str, ...]) -> None:
    """Where a container forbids unshare, the advice is for the program that made it, and for who runs it."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/status").write_text("Name:\tsh\nSeccomp:\t2\n")
    text = advice.Machine(tmp_path, "linux", environment, 1000).for_namespace(1)
    assert all(word in text for word in words)


def test_the_way_out_elsewhere_is_linux(tmp_path: Path) -> None:
    """On a system without network namespaces the way out is a Linux virtual machine."""
    assert "a Linux virtual machine" in advice.Machine(tmp_path, "darwin").for_namespace()


def test_the_apparmor_profile_is_for_this_python(tmp_path: Path) -> None:
    """The profile that the advice writes names the running Python, and allows it user namespaces."""
    setting = tmp_path / "proc/sys/kernel/apparmor_restrict_unprivileged_userns"
    setting.parent.mkdir(parents=True)
    setting.write_text("1\n")
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc/self/status").write_text("Seccomp:\t0\n")
    command = advice.Machine(tmp_path, "linux").for_namespace().partition("alone: ")[2].partition("|")[0]
    profile = subprocess.check_output(["sh", "-c", command], text=True)
    python = os.path.realpath(sys.executable)
    assert profile == f"abi <abi/4.0>,\nprofile tcploop {python} flags=(unconfined) {{ userns, }}\n"
