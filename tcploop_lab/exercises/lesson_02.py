"""The exercises of lesson 02, the loop."""

from __future__ import annotations

from typing import Any

from .answers import a_socket, order_of, some_bytes
from .engine import Exercise, Mistake, one_letter, one_value


def _has_peer(sock: Any) -> bool:
    """True if the socket is connected, to whomever; getpeername() raises where it is not."""
    try:
        return bool(sock.getpeername())
    except OSError:
        return False


EXERCISES = (
    Exercise(
        number="02.1",
        asks='four letters in the order of the habits, such as `"abcd"`',
        reads=order_of("abcd"),
        right=lambda order: order == "cadb",
        because="1c, 2a, 3d, 4b. Each of the four was harmless on the machine where the program was written.",
        hint="Take the habits one by one, and ask what the machine really does at that line.",
        stronger="Two to start with: the wrong amount of memory is 1c, and the port that is never checked is 4b.",
        mistakes=(
            Mistake(
                lambda order: order[1] != "a",
                "Look at habit 2 again. With NDEBUG defined, the compiler removes assert() and all that is inside it.",
            ),
            Mistake(
                lambda order: order[2] != "d",
                "Look at habit 3 again. A connect() may fail for reasons that have nothing to do with the port: "
                "no network, no descriptors left.",
            ),
            Mistake(
                lambda order: order[0] != "c",
                "Look at habit 1 again. A pointer has 8 bytes on a 64-bit machine, an IPv4 socket address 16.",
            ),
        ),
    ),
    one_letter(
        number="02.2",
        among="abc",
        right="b",
        because="Even steps of 2 to 16, each about as often as the others: the random walk of Linux 5.18 and later.",
        hint="Subtract each port from the next one.",
        stronger="In a: 2, 2, 2, 2, 2. In c: 1, 1, 1, 1, 1. Which row of the table has steps like those in b?",
        wrong={
            "a": "The steps in a are 2 every time: that is the even sequence of Linux 4.2 to 5.11.",
            "c": "The steps in c are 1 every time: that is the hashed sequence of Linux up to 4.1, "
            "and there odd ports are picked too.",
        },
    ),
    one_value(
        number="02.3",
        asks="bytes",
        reads=some_bytes,
        right=b"abc",
        because="TCP carries one stream of bytes, without marks where one write ended and the next began "
        "(RFC 9293 section 2.2: a byte-stream service).",
        hint="All four bytes wait in the receive buffer, in order. recv(3) takes at most three.",
        stronger="On a fresh run, try `run.socket.sendall(b'ab')`, again with `b'cd'`, then `run.socket.recv(3)`.",
        wrong={
            b"ab": "That would be so if TCP kept the two writes apart. Does it? Try it on a fresh run.",
            b"abcd": "All four bytes are there, but recv(3) takes at most three.",
            b"cd": "The bytes come in the order in which they were written.",
        },
    ),
    Exercise(
        number="02.4",
        asks="your socket",
        reads=a_socket,
        right=lambda sock: sock.getsockname() == sock.getpeername(),
        because="Both names are the same. Where bind() comes first, one call of connect() is enough: the port is "
        "chosen by you, not by the kernel. In a range of one port it is enough, too; a loop has to be lucky.",
        hint="Compare `answer.getsockname()` with `answer.getpeername()`.",
        stronger="Three lines: `sock = testbed.tcp_socket()`, `sock.bind(('127.0.0.1', 40001))`, and "
        "then connect "
        "to the same address and port.",
        mistakes=(
            Mistake(lambda sock: sock.fileno() < 0, "That socket is closed. Keep it open until it is checked."),
            Mistake(
                lambda sock: not _has_peer(sock),
                "That socket is not connected. Did connect() raise, or connect_ex() return something but 0?",
            ),
            Mistake(
                _has_peer,
                "It is connected, but to somebody else: a listener answered. Choose a port where nobody listens.",
            ),
        ),
    ),
    one_letter(
        number="02.5",
        among="abc",
        right="c",
        because="The refused try gives its port back, and the next port comes from a counter of the kernel and "
        "not of the socket. So it does not matter which socket asks.",
        hint="Compare the two rows of the measurement in section 4, with their uncertainties.",
        stronger="Where is the counter kept that decides on the next source port: in the socket, or in the kernel?",
        wrong={
            "a": "That is what the article says. Did your measurement show it? Compare the means with their errors.",
            "b": "New sockets make each try slower, as the seconds show. The question is about the number of tries.",
        },
    ),
)
