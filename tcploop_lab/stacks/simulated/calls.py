"""The system calls on a socket, with Linux's order of checks (net/ipv4/af_inet.c, tcp.c, inet_connection_sock.c).

Each raises OSError as the kernel answers. `patience` is how long a call may block: None for ever, 0 not at all,
seconds of the simulated clock otherwise.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from socket import MSG_PEEK, SHUT_RDWR

from ...tcp.states import Event, State
from . import outgoing
from .addresses import Name, any_of, failure, is_any
from .end import SEND_ROOM, End, Phase

Patience = float | None
_SENDS = (State.ESTABLISHED, State.CLOSE_WAIT)
_NEEDS_RESET = (*_SENDS, State.FIN_WAIT_1, State.FIN_WAIT_2, State.SYN_RECEIVED)  # tcp_need_reset()
_UNFINISHED = (State.CLOSING, State.LAST_ACK)


def bind(end: End, name: Name) -> None:
    """__inet_bind()."""
    kernel, (address, port) = end.kernel, name
    if end.v6_only and ":" not in address:
        raise failure(errno.EINVAL)
    kernel.routes.check_own(address)
    if end.state is not State.CLOSED or end.port:
        raise failure(errno.EINVAL)
    end.source, end.address_locked = address, end.address_locked or not is_any(address)
    if port or not end.options.bind_no_port:
        try:
            _take_port(end, port)
        except OSError:
            end.source, end.address_locked = any_of(end.family), False
            raise
        end.port_locked = bool(port)
    if ":" in address and not is_any(address):
        end.v6_only = True  # __inet6_bind()
    end.shown_port = end.port


def _take_port(end: End, port: int) -> None:
    binds = end.kernel.binds
    if port and not binds.may_bind(end, port):
        raise failure(errno.EADDRINUSE)
    end.port = port or end.kernel.port_for_bind(end)
    binds.add_bound(end)
    end.kernel.changes += 1


def listen(end: End, backlog: int) -> None:
    """inet_listen()."""
    if end.phase is not Phase.UNCONNECTED or end.state not in (State.CLOSED, State.LISTEN):
        raise failure(errno.EINVAL)
    if not end.listening:
        _start_listening(end)
    end.queue_limit = backlog


def _start_listening(end: End) -> None:
    kernel = end.kernel
    if not end.port:
        _take_port(end, 0)
        end.shown_port = end.port
    elif not kernel.binds.may_listen(end):
        raise failure(errno.EADDRINUSE)
    kernel.binds.buckets[end.port].fast = 0
    end.listening = True
    kernel.listeners.setdefault((end.source, end.port), []).append(end)
    kernel.changes += 1


def disconnect(end: End) -> None:
    """tcp_disconnect(): back to a socket without a connection; the other end hears a RST where there is one."""
    state = end.state
    if end.listening:
        stop_listening(end)
    elif state in _NEEDS_RESET or (state in _UNFINISHED and end.unsent):
        outgoing.reset(end)
        end.error = errno.ECONNRESET
    elif state is State.SYN_SENT:
        end.tcb.take(Event.CLOSE)
        end.error = errno.ECONNRESET
    if state is not State.CLOSED:  # else a port that bind() to port 0 took is kept
        end.vanish()
    end.peer = None
    end.inbox.clear()
    end.reset_address()
    end.receive_shut = end.send_shut = end.done = False


def accept(end: End, patience: Patience) -> End:
    """inet_csk_accept()."""
    with end.kernel.hold(end):
        if not end.listening:
            raise failure(errno.EINVAL)
        if not end.queue and not wait(end, lambda: bool(end.queue), patience, "accept()"):
            raise failure(errno.EAGAIN)
        child = end.queue.popleft()
        child.parent, child.phase = None, Phase.CONNECTED
        return child


def send(end: End, data: memoryview, patience: Patience) -> int:
    """tcp_sendmsg_locked(): return how many bytes were taken."""
    sent = 0
    with end.kernel.hold(end):
        if end.state not in _SENDS:
            _wait_connected(end, patience)
        if end.error or end.send_shut:
            raise failure(end.take_error() or errno.EPIPE)
        while sent < len(data):
            room = SEND_ROOM - len(end.unsent) - sum(segment.length for segment in end.flight)
            if room <= 0:
                if not wait(end, lambda: _has_room(end), patience, "send()"):
                    if not sent:
                        raise failure(errno.EAGAIN)
                    break
                if end.error or end.send_shut:
                    if not sent:
                        raise failure(end.take_error() or errno.EPIPE)
                    break
                continue
            end.unsent += data[sent : sent + room]
            sent += min(room, len(data) - sent)
            outgoing.push(end)
    return sent


def _has_room(end: End) -> bool:
    waiting = len(end.unsent) + sum(segment.length for segment in end.flight)
    return bool(end.error or end.send_shut) or waiting <= SEND_ROOM * 2 // 3  # sk_stream_is_writeable()


def can_write(end: End) -> bool:
    """True if a call to send would not block (tcp_poll)."""
    return bool(end.error) or not (end.opening or end.listening or not _has_room(end))


def _wait_connected(end: End, patience: Patience) -> None:
    """sk_stream_wait_connect()."""
    if end.error:
        raise failure(end.take_error())
    if not end.opening:
        raise failure(errno.EPIPE)
    if not wait(end, lambda: not end.opening, patience, "send()"):
        raise failure(errno.EAGAIN)


def receive(end: End, size: int, patience: Patience, flags: int = 0) -> bytes:
    """tcp_recvmsg_locked(): return what has come, b"" after the other end's FIN."""
    with end.kernel.hold(end):
        if end.listening:
            raise failure(errno.ENOTCONN)
        while not end.inbox:
            if end.done:
                return b""
            if end.error:
                raise failure(end.take_error())
            if end.receive_shut:
                return b""
            if end.state is State.CLOSED:
                raise failure(errno.ENOTCONN)
            if not wait(end, lambda: can_read(end), patience, "recv()"):
                raise failure(errno.EAGAIN)
        data = bytes(end.inbox[:size])
        if not flags & MSG_PEEK:
            del end.inbox[:size]
            if data and end.tcb.state.synchronized:
                end.acks.read(end)
        return data


def can_read(end: End) -> bool:
    """True if a call to read or to accept would not block (tcp_poll)."""
    if end.listening:
        return bool(end.queue)
    return bool(end.inbox or end.done or end.error or end.receive_shut or end.state is State.CLOSED)


def shutdown(end: End, how: int) -> None:
    """inet_shutdown()."""
    if not 0 <= how <= SHUT_RDWR:
        raise failure(errno.EINVAL)
    receive, transmit = how in (0, 2), how in (1, 2)
    with end.kernel.hold(end):
        if end.phase is Phase.CONNECTING:
            unfinished = end.opening or end.state is State.CLOSED
            end.phase = Phase.DISCONNECTING if unfinished else Phase.CONNECTED
        state = end.state
        if state is State.SYN_SENT or (state is State.LISTEN and receive):
            disconnect(end)
            end.phase = Phase.UNCONNECTED
        elif state is not State.LISTEN:
            end.receive_shut |= receive
            end.send_shut |= transmit
            if transmit and state in _SENDS:
                end.close_sending()
        if state is State.CLOSED:
            raise failure(errno.ENOTCONN)


def close(end: End, patience: Patience = None) -> None:
    """__tcp_close()."""
    matters = end.state is not State.CLOSED or end.port  # to the tries of other sockets
    with end.kernel.hold(end):
        end.receive_shut = end.send_shut = True
        if end.listening:
            stop_listening(end)
        elif end.state is not State.CLOSED:
            _say_goodbye(end)
        end.orphan = True  # before what came meanwhile is looked at
    if end.tcb.state is State.FIN_WAIT_2:
        end.become_time_wait()
    elif end.tcb.state is State.CLOSED:
        end.put_port()
    end.kernel.changes += bool(matters)


def _say_goodbye(end: End) -> None:
    unread = bool(end.inbox)
    end.inbox.clear()
    if unread:  # RFC 2525 section 2.17: the other end must hear that data was lost
        outgoing.reset(end)
        end.vanish()
    elif end.options.linger == 0:
        disconnect(end)
    elif end.tcb.state is State.SYN_SENT:
        end.tcb.take(Event.CLOSE)
        end.vanish()
    elif end.state in (*_SENDS, State.SYN_RECEIVED):
        end.close_sending()
        _linger(end)


def _linger(end: End) -> None:
    """SO_LINGER with a time: wait until all is acknowledged (sk_stream_wait_close)."""
    if end.options.linger:
        finished = (State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)
        wait(end, lambda: end.state not in finished, float(end.options.linger), "close()")


def stop_listening(end: End) -> None:
    """inet_csk_listen_stop(): who was not accepted hears a RST."""
    kernel = end.kernel
    end.listening = False
    ends = kernel.listeners[end.source, end.port]
    ends.remove(end)
    if not ends:
        del kernel.listeners[end.source, end.port]
    for child in list(end.children):
        child.vanish()
    for child in end.queue:
        child.parent, child.orphan = None, True
        disconnect(child)
    end.queue.clear()
    if not end.port_locked:
        end.put_port()
    kernel.changes += 1


def wait(end: End, ready: Callable[[], bool], patience: Patience, call: str) -> bool:
    """Let go of the socket until `ready`; False when `patience` ends first."""
    kernel = end.kernel
    if patience == 0:
        return False
    kernel.release(end)
    try:
        return kernel.actors.wait(ready, patience, call, lambda: who_waits(end))
    finally:
        kernel.owner = end


def who_waits(end: End) -> str:
    """Name the socket whose call waits, for the error that tells of a deadlock."""
    return f" (socket {end.written(end.source, end.shown_port)} in {end.state})"
