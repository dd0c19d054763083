"""A port on which nobody can answer, and somebody does: https://github.com/oven-sh/bun/pull/41336

A test needs a dead port, so it connects a socket and takes the port that connect() gave that one: no bind(0) gets it
while the socket is open. But another connect() may, and then meets itself. Repaired: the holder binds first.
"""

import socket

import pytest


def dead_port(binds_first):
    """A connection, and the port of its caller, on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as sink:
        holder = socket.socket()
        if binds_first:
            holder.bind(("127.0.0.1", 0))
        holder.connect(sink.getsockname())
        return (holder, sink.accept()), holder.getsockname()[1]


def through_a_proxy(port):
    """The status that a proxy answers with: 502 if nobody is there, else what that says."""
    try:
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            upstream.sendall(b"GET / HTTP/1.1\r\n\r\n")
            return upstream.recv(99).split(b"\r\n")[0]
    except ConnectionRefusedError:
        return b"HTTP/1.1 502 Bad Gateway"


@pytest.mark.self_connect
def test_before():
    _holder, port = dead_port(binds_first=False)
    assert b"502" in through_a_proxy(port)


@pytest.mark.self_connect
def test_after():
    _holder, port = dead_port(binds_first=True)
    assert b"502" in through_a_proxy(port)
