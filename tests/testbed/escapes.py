"""Attempts to get out of an audit's sandbox: small programs, and what they are up against on the host.

`python escapes.py VICTIM-AS-JSON` makes every attempt of ATTEMPTS, each in a process of its own, and prints as JSON
what came of it: "escaped", or what stopped it. One that ends without an error has escaped; `stop` says that it has not.
"""

from __future__ import annotations

import ctypes
import glob
import json
import mmap
import os
import resource
import signal
import socket
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
SECRET = "tcploop-escape-secret"
INHERITED = [number for number in range(3, 1024) if os.path.exists(f"/proc/self/fd/{number}")]
_CLONE_ARGS = (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17)
SHM_SIZE = 64
ANYBODY, ROOT, NOBODY = "anybody", "root", "nobody"  # who would succeed outside, where `NOBODY` is not to try


@dataclass(frozen=True)
class Victim:
    """What there is on the host to reach.

    `home` has a key, `work` is the folder that the program runs in; the abstract socket, the message queue and the
    shared memory have one `name`.
    """

    home: str
    work: str
    process: int
    name: str
    tcp: int


def number_of(name: str) -> int:
    """Return the number of the shared memory of this name."""
    return zlib.crc32(name.encode()) >> 1


class Stopped(Exception):
    """The attempt came to nothing, though no call failed."""


def stop(why: str) -> None:
    """Say that the attempt came to nothing."""
    raise Stopped(why)


def call(name: str, *arguments: object) -> int:
    """Call a function of the C library; OSError if it fails."""
    answer: int = getattr(LIBC, name)(*arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer


def numbered(x86: int, arm: int, *arguments: object) -> int:
    """Make a system call that the C library has no function for."""
    return call("syscall", x86 if os.uname().machine == "x86_64" else arm, *arguments)


ATTEMPTS: dict[str, tuple[Callable[[Victim], object], str]] = {}


def attempt(name: str, outside: str = ANYBODY) -> Callable[[Callable[[Victim], object]], Callable[[Victim], object]]:
    """Register an attempt; `outside` says who succeeds with it where there is no sandbox."""

    def register(function: Callable[[Victim], object]) -> Callable[[Victim], object]:
        ATTEMPTS[name] = function, outside
        return function

    return register


# Files.
attempt("write to HOME")(lambda v: Path(v.home, "mark").write_text("x"))
attempt("read an ssh key")(lambda v: Path(v.home, ".ssh/id_ed25519").read_text())
attempt("read root's password", ROOT)(lambda v: Path("/etc/shadow").read_text().index("root:"))
attempt("write to a file of the working folder")(lambda v: Path(v.work, "notes").write_text("x"))
attempt("make a file in the working folder")(lambda v: Path(v.work, "new").write_text("x"))
attempt("change the mode of a file")(lambda v: Path(v.work, "notes").chmod(0o777))
attempt("change the times of a file")(lambda v: os.utime(Path(v.work, "notes"), (1, 1)))
attempt("link to a file")(lambda v: os.link(Path(v.work, "notes"), Path(v.work, "linked")))
attempt("rename a file")(lambda v: Path(v.work, "notes").rename(Path(v.work, "it")).rename(Path(v.work, "notes")))
attempt("make a device", ROOT)(lambda v: os.mknod(f"{v.home}/null", 0o20666, os.makedev(1, 3)))
attempt("read what is in memory for all")(lambda v: Path("/dev/shm", v.name).read_text())
attempt("write a setting of the kernel", ROOT)(lambda v: open("/proc/sys/kernel/core_pattern", "r+").close())
attempt("pull the emergency brake", NOBODY)(lambda v: open("/proc/sysrq-trigger", "w").close())
attempt("write below /sys", ROOT)(lambda v: open("/sys/kernel/mm/transparent_hugepage/enabled", "r+").close())


@attempt("open a file by its handle", NOBODY)
def _handle(_: Victim) -> None:
    handle = (ctypes.c_uint32 * 32)(8, 1)
    call("open_by_handle_at", os.open("/", os.O_RDONLY), handle, os.O_RDONLY)


# Sockets and the network.
@attempt("connect to a host's path socket")
def _path_socket(victim: Victim) -> None:
    socket.socket(socket.AF_UNIX).connect(f"{victim.home}/agent")


@attempt("connect to a path socket in the working folder")
def _socket_at_work(victim: Victim) -> None:
    socket.socket(socket.AF_UNIX).connect(f"{victim.work}/agent")


@attempt("send to a path socket in the working folder")
def _datagram_at_work(victim: Victim) -> None:
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", f"{victim.work}/log")


@attempt("connect to an abstract socket")
def _abstract_socket(victim: Victim) -> None:
    socket.socket(socket.AF_UNIX).connect("\0" + victim.name)


@attempt("write to a named pipe")
def _named_pipe(victim: Victim) -> None:
    os.write(os.open(f"{victim.work}/pipe", os.O_WRONLY | os.O_NONBLOCK), b"x")


@attempt("dial a server of the host")
def _dial(victim: Victim) -> None:
    socket.create_connection(("127.0.0.1", victim.tcp), 2)


@attempt("listen to the host's network", ROOT)
def _packet_socket(victim: Victim) -> None:
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    packets.bind(("lo", 3))
    packets.settimeout(1)
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", victim.tcp), 1)
    while not _answers(packets.recv(99), victim.tcp):
        pass


def _answers(frame: bytes, port: int) -> bool:
    """True for a SYN-ACK of this port's, in an Ethernet frame with an IPv4 packet without options."""
    return frame[34:36] == port.to_bytes(2, "big") and frame[47] & 0x12 == 0x12


attempt("open a socket to the hypervisor", NOBODY)(lambda v: socket.socket(socket.AF_VSOCK))


@attempt("enter the network of a process of the host", ROOT)
def _setns(victim: Victim) -> None:
    here = os.stat("/proc/self/ns/net")
    for process in (victim.process, os.getppid(), 1):
        with suppress(FileNotFoundError):
            place = os.open(f"/proc/{process}/ns/net", os.O_RDONLY)
            if os.fstat(place) != here or process == victim.process:
                call("setns", place, 0)
                return
    stop("every process is of this network")


# Other processes.
attempt("signal a process of the host")(lambda v: os.kill(v.process, 0))
attempt("trace a process of the host")(lambda v: call("ptrace", 16, v.process, 0, 0))


@attempt("trace the parent", NOBODY)
def _trace_parent(_: Victim) -> None:
    call("ptrace", 16, os.getppid(), 0, 0)


@attempt("write into the supervisor's memory", NOBODY)
def _supervisor(_: Victim) -> None:
    open("/proc/1/mem", "r+b").close()


@attempt("read a process's memory")
def _vm_read(victim: Victim) -> None:
    first = Path(f"/proc/{victim.process}/maps").read_text().split("-")[0]
    buffer, place = ctypes.create_string_buffer(8), int(first, 16)
    ours, theirs = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8), (ctypes.c_size_t * 2)(place, 8)
    call("process_vm_readv", victim.process, ours, 1, theirs, 1, 0)


@attempt("see processes of the host")
def _see(_: Victim) -> None:
    mine = {os.getpid(), os.getppid(), 1}
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with suppress(OSError):
            if int(path.split("/")[2]) not in mine and SECRET.encode() in Path(path).read_bytes():
                return
    stop("there are only its own")


@attempt("read a secret in another process's environment")
def _environ(_: Victim) -> None:
    for path in glob.glob("/proc/[0-9]*/environ"):
        with suppress(OSError):
            if SECRET.encode() in Path(path).read_bytes():
                return
    stop("no process has it")


@attempt("read a secret in the environment")
def _variable(_: Victim) -> None:
    if SECRET not in os.environ.values():
        stop("it is not there")


@attempt("let another process be killed for memory")
def _oom(victim: Victim) -> None:
    Path(f"/proc/{victim.process}/oom_score_adj").write_text("1000")


@attempt("slow another process down")
def _nice(victim: Victim) -> None:
    os.setpriority(os.PRIO_PROCESS, victim.process, 19)


@attempt("use what others inherited")
def _descriptors(_: Victim) -> None:
    if not INHERITED:
        stop("there are only three")


# Memory that is shared by name.
@attempt("attach a host's shared memory")
def _shm(victim: Victim) -> None:
    LIBC.shmat.restype = ctypes.c_void_p
    if LIBC.shmat(call("shmget", number_of(victim.name), SHM_SIZE, 0), None, 0) in (None, ctypes.c_void_p(-1).value):
        stop("shmat failed")


attempt("open a host's message queue")(lambda v: numbered(240, 180, v.name.encode(), os.O_RDONLY, 0, None))
attempt("read the user's keys")(lambda v: numbered(250, 219, 10, -4, b"user", v.name.encode(), 0))


# The kernel.
attempt("mount a file system", NOBODY)(lambda v: call("mount", b"x", b"/tmp", b"tmpfs", 0, None))
attempt("make a mount writable", NOBODY)(lambda v: call("mount", b"x", v.work.encode(), None, 32 | 4096, None))
attempt("look below a mount", NOBODY)(lambda v: call("umount2", os.environ["HOME"].encode(), 2))
attempt("change the root", ROOT)(lambda v: os.chroot("/usr"))
attempt("make a user namespace")(lambda v: call("unshare", 0x10000000))
attempt("make a user namespace by clone")(lambda v: numbered(56, 220, 0x10000000 | 17, 0, 0, 0, 0) or os._exit(0))
attempt("make a user namespace by clone3")(lambda v: numbered(435, 435, _CLONE_ARGS, 64) or os._exit(0))
attempt("rename the host", NOBODY)(lambda v: socket.sethostname("escaped"))
attempt("set the clock", NOBODY)(lambda v: numbered(227, 112, 0, (ctypes.c_long * 2)(10**9, 0)))
attempt("load a module", NOBODY)(lambda v: numbered(175, 105, b"x", 1, b""))
attempt("load a program into the kernel", ROOT)(lambda v: numbered(321, 280, 0, (ctypes.c_uint32 * 18)(2, 4, 4, 1), 72))
attempt("use io_uring")(lambda v: numbered(425, 425, 4, (ctypes.c_uint32 * 30)()))
attempt("type into a terminal", NOBODY)(lambda v: Path("/dev/tty").write_text("x"))
attempt("gain rights")(lambda v: stop("no new privileges") if call("prctl", 39, 0, 0, 0, 0) else None)
attempt("raise a limit", NOBODY)(lambda v: resource.setrlimit(resource.RLIMIT_DATA, (-1, -1)))


@attempt("take all memory", NOBODY)
def _memory(_: Victim) -> None:
    mmap.mmap(-1, 4 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


@attempt("fill the disk", NOBODY)
def _disk(_: Victim) -> None:
    for number in range(9):
        with open(os.path.join(os.environ["TMPDIR"], str(number)), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, 200 << 20)


@attempt("write an endless file", NOBODY)
def _file(_: Victim) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open(os.path.join(os.environ["HOME"], "endless"), "wb") as file:
        os.truncate(file.fileno(), 1 << 40)


@contextmanager
def victim(folder: Path, process: int) -> Iterator[Victim]:
    """Yield what there is to reach on this host: files, sockets, memory, keys; `process` is a process of the user's."""
    home, work, name = folder / "home", folder / "work", f"tcploop-{os.getpid()}"
    (home / ".ssh").mkdir(parents=True)
    work.mkdir()
    (home / ".ssh" / "id_ed25519").write_text("key")
    (work / "notes").write_text("notes")
    os.mkfifo(work / "pipe")
    shared = Path("/dev/shm", name)
    shared.write_text("shared")
    segment = call("shmget", number_of(name), SHM_SIZE, 0o1600)
    queue = numbered(240, 180, name.encode(), os.O_RDWR | os.O_CREAT, 0o600, None)
    key = numbered(248, 217, b"user", name.encode(), b"x", 1, -4)  # its user has one keyring for all
    reader = os.open(work / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    servers = [_server(str(home / "agent")), _server(str(work / "agent")), _server("\0" + name)]
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind(str(work / "log"))
    tcp = socket.create_server(("127.0.0.1", 0))
    try:
        yield Victim(str(home), str(work), process, name, tcp.getsockname()[1])
    finally:
        for one in (*servers, log, tcp):
            one.close()
        for descriptor in (reader, queue):
            os.close(descriptor)
        numbered(241, 181, name.encode())  # mq_unlink
        numbered(250, 219, 21, key)  # KEYCTL_INVALIDATE
        call("shmctl", segment, 0, None)
        shared.unlink()


def _server(address: str) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    return server


def outcome(name: str, found: Victim) -> str:
    """Make one attempt in a process of its own; return "escaped", or what stopped it."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            ATTEMPTS[name][0](found)
            said = "escaped"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    with open(ours) as told:
        said = told.read()
    with suppress(ChildProcessError):
        os.waitpid(child, 0)
    return said or "it was killed"


if __name__ == "__main__":
    found = Victim(**json.loads(sys.argv[1]))
    print(json.dumps({name: outcome(name, found) for name in sys.argv[2:] or ATTEMPTS}))
