"""Python's socket: connect, say hello, read the answer."""

import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=3) as sock:
    sock.sendall(b"hello\n")
    print("the server says", sock.recv(100))
