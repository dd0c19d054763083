"""What random scripts do not say: spellings, options, timeouts, nonsense. Each program answers the same on both stacks.

What the simulated kernel does not know it must say, and no more than the programs that are listed for that may need it.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator

import pytest

import tcploop_lab as lab
from tcploop_lab.stacks.simulated import SimulatedStack
from tcploop_lab.testbed.testbed import Testbed

from .answers import UNKNOWN, answers
from .live import on_the_kernel

TIMES = 3  # a machine that is busy for a moment delays what a program waits for
KERNEL = ".".join(platform.release().split(".")[:2])
HOSTS = (
    *(
        "LOCALHOST",
        "",
        "127.1",
        "0x7f.1",
        "2130706433",
        "127.0.0.01",
        "0",
        "<broadcast>",
        "255.255.255.255",
        "127.0.0.0",
    ),
    *("127.255.255.255", "224.0.0.1", "10.0.0.1", "0.0.0.1", "240.0.0.1", "a\\0b", " 127.0.0.1", "127.0.0.1 ", "::1"),
    *("1.2.3.4.5", "256.0.0.1", "127.0.0.1%lo", "::ffff:127.0.0.1"),
)
HOSTS6 = (
    *("", "::", "2001:db8::1", "fe80::1", "ff02::1", "::ffff:10.0.0.1", "::127.0.0.1", "0:0:0:0:0:0:0:1"),
    *("::1%lo", "::ffff:0.0.0.0", "127.0.0.1", "1::2::3"),
)
VALUES = (
    *("1", "0", "5", "-1", "300", "1 << 40", "True", "b'x'", "b''", "'x'", "None", "1.5", "struct.pack('=i', 7)"),
    *("struct.pack('=ii', 1, 3)", "struct.pack('=qq', 1, 500000)", "struct.pack('=qq', -1, 5)"),
    "struct.pack('=qq', 1, 1000000)",
)
OPTIONS = (
    *(
        "c.SOL_SOCKET, c." + name
        for name in ("SO_REUSEADDR", "SO_KEEPALIVE", "SO_LINGER", "SO_RCVTIMEO", "SO_SNDTIMEO")
    ),
    *("c.SOL_TCP, c." + name for name in ("TCP_NODELAY", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")),
    *("c.SOL_TCP, c.TCP_SYNCNT", "c.SOL_TCP, c.TCP_USER_TIMEOUT", "c.SOL_IPV6, c.IPV6_V6ONLY"),
    *("c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT", "c.SOL_IP, c.IP_LOCAL_PORT_RANGE"),
)
ARGUMENTS = ("'x'", "None", "1.5", "-1", "0", "1 << 80", "True", "b'x'", "()")
CALLS = ("settimeout", "setblocking", "listen", "shutdown", "recv", "recvfrom", "send", "sendall", "recv_into", "bind",
         "connect", "connect_ex", "sendto")  # fmt: skip


def _each(line: str, values: tuple[str, ...]) -> str:
    return "\n".join(line.replace("VALUE", value) for value in values)


PROGRAMS = {
    "names of hosts": _each("new().connect_ex(('VALUE', 20000))\nnew().bind(('VALUE', 20000))", HOSTS),
    "names of hosts, IPv6": _each("new(10).connect_ex(('VALUE', 20000))\nnew(10).bind(('VALUE', 20000))", HOSTS6),
    "names that are none": _each(
        "new().bind(VALUE)\nnew(10).connect(VALUE)",
        ("5", "None", "['127.0.0.1', 1]", "('127.0.0.1',)", "('127.0.0.1', 1, 2)", "('::1', '1')", "('::1', 1.0)",
         "(5, 1)", "('::1', -1)", "('::1', 65536)", "('::1', 1 << 80)", "('::1', 20000, -1)", "('::1', 20000, 1 << 20)",
         "('::1', 20000, 5, 7)", "('::1', 20000, 0, 'x')", "('::1', 1, 2, 3, 4)", "(b'::1', 20000)"),
    ),
    **{
        f"arguments, {state}": made + "\n" + "\n".join(_each(f"s.{call}(VALUE)", ARGUMENTS) for call in CALLS)
        for state, made in (("new", "s = new()\ns.settimeout(0)"), ("closed", "s = new()\ns.close()"))
    },
    **{
        f"option {option}, family {family}": f"s = new({family})\n" + _each(
            f"s.setsockopt({option}, VALUE)\n"
            f"s.getsockopt({option}), s.getsockopt({option}, 1), s.getsockopt({option}, 8)", VALUES,
        ) + "\n" + _each(f"s.getsockopt({option}, VALUE)", ("0", "2", "16", "-1", "1025"))
        for option in OPTIONS for family in (2, 10)
    },
    "options are the socket's and go to what it accepts": """
s = new()
copy = s.dup()
s.setsockopt(c.SOL_SOCKET, c.SO_KEEPALIVE, 1), s.setsockopt(c.SOL_TCP, c.TCP_KEEPIDLE, 5)
s.setsockopt(c.SOL_SOCKET, c.SO_RCVTIMEO, c.timeval(WAIT))
s.setsockopt(c.SOL_SOCKET, c.SO_SNDTIMEO, struct.pack("@qq", 7, 0))
copy.getsockopt(c.SOL_SOCKET, c.SO_KEEPALIVE), copy.getsockopt(c.SOL_SOCKET, c.SO_RCVTIMEO, 16)
s.bind(("127.0.0.1", 20000)), s.listen(), new().connect(("127.0.0.1", 20000))
b = s.accept()[0]
b.getsockopt(c.SOL_SOCKET, c.SO_KEEPALIVE), b.getsockopt(c.SOL_TCP, c.TCP_KEEPIDLE), b.getsockopt(1, c.SO_SNDTIMEO, 16)
took(b.recv, 1), took(s.accept)
b.getsockopt(c.SOL_SOCKET, c.SO_TYPE), b.getsockopt(c.SOL_TCP, c.TCP_INFO, 1)
""",
    "timeouts": """
s, a, b = pair()
b.settimeout(WAIT), a.settimeout(WAIT), s.settimeout(WAIT)
took(b.recv, 1), took(b.recv, 1, socket.MSG_DONTWAIT), took(s.accept), took(a.accept), took(s.send, b"x")
took(a.sendall, bytes(40_000_000)), took(a.send, b"x")
u = new()
u.settimeout(WAIT)
took(u.send, b"x"), took(u.recv, 1), took(u.accept), took(u.connect, ("127.0.0.1", 20001)), u.timeout
a.settimeout(5), took(a.close), b.close(), took(a.recv, 1)
t = stack.socket(2, 1 | 0o4000)
t.timeout, t.getblocking(), t.settimeout(float("nan"))
t.settimeout(1e20)
""",
    "ways to send and to receive": """
s, a, b = pair()
b.settimeout(WAIT)
a.sendall(b"hello world"), b.recv(5, socket.MSG_PEEK), b.recv(5), b.recvfrom(2), b.recv_into(bytearray(9), 2)
a.sendto(b"x", ("127.0.0.1", 9)), a.sendto(b"y", 0, ("127.0.0.1", 9)), b.recvfrom(9)
a.send(memoryview(b"abcd")), b.recv_into(bytearray(3), nbytes=2), b.recv(9)
a.send(memoryview(b"abcdef")[::2])
b.recv_into(b"fixed")
b.recv_into(bytearray(3), 5)
f, g = a.makefile("rwb"), b.makefile("r", newline="\\n")
f.write(b"one\\ntwo\\n"), f.flush(), g.readline(), a.close(), f.write(b"three"), f.flush(), f.close()
g.readline(), g.read(), b.close(), g.close(), a.fileno(), b.fileno()
""",
    "what is for nobody or for many": """
stack.add_address("10.1.2.3"), stack.source_for("10.200.1.1"), stack.source_for("10.255.255.255")
stack.source_for("::ffff:127.0.0.5"), stack.source_for("localhost"), stack.source_for("nonsense"), stack.source_for("")
a, b, d = new(), new(10), new(10)
a.bind(("127.0.0.2", 20000)), b.bind(("::ffff:127.0.0.2", 20001)), stack.add_address("2001:db8::5")
d.bind(("2001:db8::5", 20002)), a.connect_ex(("0.0.0.0", 20003)), b.connect_ex(("::", 20003))
d.connect_ex(("::", 20003))
a.connect_ex(("10.255.255.255", 20003)), a.connect_ex(("255.255.255.255", 20003)), a.connect_ex(("9.9.9.9", 20003))
stack.add_address("::1")
stack.set_reserved((PortRange(5, 6), PortRange(1, 3), PortRange(4, 4), PortRange(9, 9))), stack.reserved()
stack.sleep(-1)
stack.wait_readable([new()], 1) == [], stack.wait_readable([], 0.1)
""",
    "linger": """
a = new()
for on, seconds in ((1, 5), (0, 7)): a.setsockopt(c.SOL_SOCKET, c.SO_LINGER, struct.pack("ii", on, seconds))
a.getsockopt(c.SOL_SOCKET, c.SO_LINGER, 8)
""",
    "user time-out, of a SYN and of a shut window": """
s, first, second = new(), new(), new()
s.bind(("127.0.0.1", 20001)), s.listen(0), first.connect(("127.0.0.1", 20001))
second.setsockopt(c.SOL_TCP, c.TCP_USER_TIMEOUT, 1200), took(second.connect, ("127.0.0.1", 20001))
s, a, b = pair()
a.setsockopt(c.SOL_TCP, c.TCP_USER_TIMEOUT, 600), a.setblocking(False), a.send(bytes(20_000_000)) > 0
stack.sleep(2.5), a.getsockopt(c.SOL_SOCKET, c.SO_ERROR), a.getsockopt(c.SOL_SOCKET, c.SO_ERROR)
""",
    "keep-alive": """
sent = lambda: stack.counters()["OutSegs"]
a = new()
a.setsockopt(c.SOL_TCP, c.TCP_KEEPIDLE, 1), a.setsockopt(c.SOL_SOCKET, c.SO_KEEPALIVE, 1)
a.bind(("127.0.0.1", 20000)), a.connect(("127.0.0.1", 20000)), stack.sleep(1.3), sent()
before = sent()
a.setsockopt(c.SOL_TCP, c.TCP_KEEPINTVL, 1), a.setsockopt(c.SOL_TCP, c.TCP_KEEPIDLE, 1), stack.sleep(1.3)
sent() > before, a.setsockopt(c.SOL_SOCKET, c.SO_KEEPALIVE, 0)
before = sent()
stack.sleep(1.3), sent() > before
""",
}  # fmt: skip
NOT_KNOWN = {"names of hosts": 4}  # bind() to an address of broadcast or multicast


@pytest.fixture(scope="module")
def testbed() -> Iterator[Testbed]:
    """A testbed with a private network."""
    with lab.open_testbed(kind="namespace") as place:
        yield place


@pytest.mark.parametrize("name", PROGRAMS)
def test_both_kernels_answer_the_same(testbed: Testbed, name: str) -> None:
    """Values and errors; the simulated kernel leaves out only what it says that it does not know."""
    ours = answers(SimulatedStack(KERNEL, seed=1), PROGRAMS[name])
    for _ in range(TIMES):
        live = testbed.submit(on_the_kernel, answers, PROGRAMS[name]).result()
        different = [(a, b) for a, b in zip(live, ours, strict=True) if a != b and not b.endswith(UNKNOWN)]
        if not different:
            break
    assert different == []
    assert sum(answer.endswith(UNKNOWN) for answer in ours) == NOT_KNOWN.get(name, 0)
