"""A server that cannot start: https://github.com/OpenIdentityPlatform/OpenDJ/issues/728

A replication server is restarted on its port. Meanwhile a peer dials the port again and again, meets itself, waits for
an answer and so holds the port; the server only logs that. Repaired as in pull request 729: the peer rejects itself.
"""

import socket
import threading

import pytest


class Peer(threading.Thread):
    """Dials until it is answered; after each dial that was not it waits until it may dial again."""

    def __init__(self, port, looks):
        super().__init__(daemon=True)
        self.port, self.looks, self.greeting = port, looks, b""
        self.dialled, self.again = threading.Event(), threading.Event()

    def run(self):
        while not self.greeting:
            try:
                self.greeting = self.greeted()
            except OSError:
                self.greeting = b""
            self.dialled.set()
            self.again.wait()

    def greeted(self):
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            if self.looks and sock.getsockname() == sock.getpeername():
                return b""
            self.dialled.set()
            sock.settimeout(5)
            return sock.recv(99)


def restart(port):
    """Listen again; like the server in question, go on without a listener where that fails."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        print("Replication Server failed to start : could not bind to the listen port :", port, error)
        return None


def is_connected_after_a_restart(looks):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    peer = Peer(port, looks)
    peer.start()
    peer.dialled.wait()
    listener = restart(port)
    peer.again.set()
    if listener is not None:
        listener.accept()[0].sendall(b"start session")
        peer.join(5)
    return peer.greeting == b"start session"


@pytest.mark.self_connect
def test_before():
    assert is_connected_after_a_restart(looks=False)


@pytest.mark.self_connect
def test_after():
    assert is_connected_after_a_restart(looks=True)
