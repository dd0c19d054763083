"""The options that several commands share, each in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce, wraps
from typing import Any

import click

from ..ports.clients import ClientKind
from .values import CLIENT, FILE, HOST, KERNEL, PORT, RANGE, SECONDS, TESTBED, TRIES

Decorator = Callable[[Any], Any]


def together(*decorators: Decorator) -> Decorator:
    """Return one decorator that does what these do, in the order of the help."""
    return lambda function: reduce(lambda made, decorator: decorator(made), reversed(decorators), function)


port = click.argument("port", type=PORT)
host = click.option("--host", type=HOST, default="127.0.0.1", help="An address of this machine to dial.")
port_range = click.option(
    "--range", "port_range", type=RANGE, help="The ephemeral port range to use (default: the kernel's)."
)
client = click.option(
    "--client",
    type=CLIENT,
    default="same-socket",
    help=f"How the sockets are made: {', '.join(ClientKind)}.",
)
testbed = click.option(
    "--testbed",
    "kind",
    type=TESTBED,
    help="Where tries happen: namespace, host or simulated (default: the best there is).",
)
max_tries = click.option(
    "--max-tries",
    type=TRIES,
    help="Give up after N tries (default: what a port that can loop exceeds once in a million runs).",
)
timeout = click.option("--timeout", type=SECONDS, default=60.0, show_default=True, help="Give up after S seconds.")
kernel = click.option(
    "--kernel",
    type=KERNEL,
    help='A simulated kernel, by version or era, such as "4.1"; no try is made on the real one.',
)


@dataclass(frozen=True)
class Place:
    """Where tries happen, as it was asked for: the kind of testbed, and the simulated kernel."""

    kind: str | None
    kernel: str | None


def _together_as_place(function: Any) -> Any:
    """Hand the kind of testbed and the kernel over as one Place, named `kind`."""

    @wraps(function)
    def with_place(*args: Any, kind: str | None, kernel: str | None, **values: Any) -> Any:
        return function(*args, kind=Place(kind, kernel), **values)

    return with_place


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
pcap = click.option("--pcap", type=FILE, help="Write the segments to the new FILE too, each once.")
force = click.option("--force", is_flag=True, help="Replace FILE if it is there.")

the_target = together(port, host, port_range, client)
the_loop = together(the_target, max_tries, timeout)
the_place = together(testbed, as_json)
the_stack = together(the_place, kernel, _together_as_place)
