"""Small programs, statement by statement: what each returns or raises on a stack, in the words of Python's `socket`."""

from __future__ import annotations

import ast
import re
import socket
import struct
from typing import Any

from tcploop_lab.errors import NotOnThisTestbed
from tcploop_lab.ports.ranges import PortRange
from tcploop_lab.stacks import constants as c
from tcploop_lab.stacks.stack import Stack

WAIT = 0.5  # seconds
UNKNOWN = "not on this testbed"


def answers(stack: Stack, program: str) -> list[str]:
    """Run a program with `stack`, `new`, `pair` and `took`; one line for each of its statements."""
    scope: dict[str, Any] = {
        "stack": stack,
        "socket": socket,
        "struct": struct,
        "c": c,
        "PortRange": PortRange,
        "WAIT": WAIT,
    }
    scope |= {"new": stack.socket, "pair": lambda: _pair(stack), "took": lambda *call: _took(stack, *call)}
    return [_answer(stack, node, scope) for node in ast.parse(program).body]


def _answer(stack: Stack, node: ast.stmt, scope: dict[str, Any]) -> str:
    try:
        if isinstance(node, ast.Expr):
            answer = repr(eval(compile(ast.Expression(node.value), "program", "eval"), scope))
        else:
            exec(compile(ast.Module([node], []), "program", "exec"), scope)
            answer = "done"
    except NotOnThisTestbed:
        answer = UNKNOWN
    except (OSError, TypeError, ValueError, OverflowError, BufferError) as error:
        answer = f"{type(error).__name__} {getattr(error, 'errno', '')}"
    drawn = re.sub(r"\b(?:3[3-9]|[45]\d)\d{3}\b", "DRAWN", answer)
    return f"{ast.unparse(node)}  -> {drawn}"


def _pair(stack: Stack) -> tuple[Any, Any, Any]:
    listener, client = stack.socket(), stack.socket()
    listener.bind(("127.0.0.1", 20000))
    listener.listen()
    client.connect(("127.0.0.1", 20000))
    return listener, client, listener.accept()[0]


def _took(stack: Stack, call: Any, *args: Any) -> tuple[str, bool]:
    """What a call with a timeout of half a second answers, and whether it waited for it."""
    began = stack.monotonic()
    try:
        answer = repr(call(*args))
    except OSError as error:
        answer = f"{type(error).__name__} {error.errno}"
    return answer, stack.monotonic() - began > WAIT * 0.9
