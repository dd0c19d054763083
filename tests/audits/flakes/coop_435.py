"""A test that takes its own dial for the server's answer: https://github.com/trailofbits/coop/issues/435

A port of bind(0) is let go, a server is started on it, and a bare connect() waits for it. Repaired as in coop's pull
request 437: the probe looks at both names and wants a status line, and a server that found the port taken gets another.
"""

import socket
import subprocess
import sys
import time

import pytest

SERVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    if connection.recv(999):
        connection.sendall(b"HTTP/1.1 401 Unauthorized\\r\\n\\r\\n")
    connection.close()
"""
TOO_LATE = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"  # as on a machine that is busy at this moment


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def start(port, first=""):
    return subprocess.Popen([sys.executable, "-c", first + SERVER, str(port)], stderr=subprocess.DEVNULL)


def status_line(sock):
    sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    return sock.recv(999).split(b"\r\n")[0]


def connects(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def serves(port):
    try:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            return sock.getsockname() != sock.getpeername() and status_line(sock).startswith(b"HTTP/")
    except OSError:
        return False


def status_of(port):
    with socket.create_connection(("127.0.0.1", port)) as sock:
        return status_line(sock)


@pytest.mark.self_connect
def test_before():
    port = free_port()
    start(port, first=TOO_LATE)
    while not connects(port):
        time.sleep(0.01)
    assert b"401" in status_of(port)


@pytest.mark.self_connect
def test_after():
    for _ in range(10):
        port = free_port()
        server = start(port)
        while server.poll() is None and not serves(port):
            time.sleep(0.01)
        if server.poll() is None:
            break
    assert b"401" in status_of(port)
