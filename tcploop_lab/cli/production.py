"""For a machine that has the problem, or is not to get it: find, port."""

from __future__ import annotations

import time
from typing import Any

import click

import tcploop_lab as lab

from ..stacks.task import raised_interrupts
from ..testbed import files
from ..testbed.find import Found
from . import looking, options, output
from .group import Command
from .root import NO, YES
from .values import FILE, INTERVAL, checked


@click.command(cls=Command)
@click.option(
    "--prometheus", metavar="FILE", type=FILE, help="Write metrics to FILE, for a textfile collector (.prom)."
)
@click.option("--watch", metavar="SECONDS", type=INTERVAL, help="Look again and again, until Ctrl-C.")
@options.as_json
def find(prometheus: str | None, watch: float | None, as_json: bool) -> int:
    """Find self-connections on this machine, and ports at risk.

    Every network namespace that this user may look into is read, and nothing else is done: root sees all of them, and
    whose the sockets are. Exit code 1 means that there is a self-connection.

    Example: tcploop find --prometheus /var/lib/node_exporter/tcploop.prom
    """
    if prometheus is not None:
        with checked():
            files.must_be_writable(prometheus, force=True)
    before: Found | None = None
    while True:
        began = time.monotonic()
        found = lab.find()
        if prometheus is not None:
            _write(prometheus, found, time.monotonic() - began)
        read = _tell(found, before, as_json, watch is not None)
        if watch is None or not read:
            return NO if found.self_connections else YES
        before = found
        with raised_interrupts():  # one that came while it printed, too
            time.sleep(watch)


@click.command(cls=Command)
@options.host
@click.option("--hold", is_flag=True, help="Hold it until Enter, or until the end of what is piped in.")
@options.as_json
def port(host: str, hold: bool, as_json: bool) -> int:
    """Print a free port that the kernel gives to nobody by itself.

    It lies outside the ephemeral range, so that no client can meet itself there. Held, nobody else gets it meanwhile; a
    server that sets SO_REUSEADDR can listen on it all the same.

    Example: ./my-server --port $(tcploop port)
    """
    with checked(), lab.safe_port(host, hold) as found:
        output.deliver(True, found.describe()) if as_json else output.write(f"{found.port}\n")
        if hold:
            output.note(f"{found.summary} until Enter")
            looking.wait_for_enter()
    return YES


def _write(path: str, found: Found, seconds: float) -> None:
    with checked(), files.written(path, force=True) as page:
        page.write(_exposition(found, seconds))


def _exposition(found: Found, seconds: float) -> bytes:
    """Return metrics in the text format of Prometheus, for a node exporter's textfile collector.

    Those that count are there for every network, so that a 0 is a 0 and no gap.
    """
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()

    def gauge(name: str, help: str, *labels: str) -> Any:
        return Gauge(f"tcploop_{name}", help, labels, registry=registry)

    counts = gauge("self_connections", "TCP sockets that are connected to themselves.", "network")
    left_over = gauge("self_connections_closed", "Self-connections in TIME-WAIT, which hold their port.", "network")
    risks = gauge("ports_at_risk", "Ports in use on which a plain client can connect to itself.", "network")
    for network in found.networks:
        for metric, ones in ((counts, found.self_connections), (left_over, found.left_over), (risks, found.at_risk)):
            metric.labels(network.name).set(sum(one.network == network.name for one in ones))
    silent = gauge(
        "self_connection_silent_seconds",
        "For how long a self-connection has sent no data.",
        "network", "local", "program", "pid",
    )  # fmt: skip
    for one in found.self_connections:
        if one.silent_s is not None:
            silent.labels(one.network, one.local, one.program, one.pid or "").set(one.silent_s)
    gauge("find_unseen", "How many things this user may not see.").set(len(found.unseen))
    gauge("find_seconds", "How long it took to look.").set(seconds)
    return bytes(generate_latest(registry))


def _tell(found: Found, before: Found | None, as_json: bool, again: bool) -> bool:
    """Print it; of one look among many a line alone, where nothing has changed. False if nobody reads it any more."""
    clock = f"{time.strftime('%H:%M:%S')} " if again else ""
    if as_json or before is None or _seen(found) != _seen(before):
        return output.deliver(as_json, found.describe())
    return output.write(f"{clock}{found.summary}\n")


def _seen(found: Found) -> tuple[object, ...]:
    """What makes a look a new one; ages do not."""
    return ([(one.local, one.network, one.pid) for one in (*found.self_connections, *found.left_over)], found.ports)
