"""What was found as metrics in the text format of Prometheus, for a node exporter's textfile collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest

if TYPE_CHECKING:
    from ..testbed.find import Found


def exposition(found: Found, seconds: float) -> bytes:
    """Return the metrics. Those that count are there for every network, so that a 0 is a 0 and no gap."""
    registry = CollectorRegistry()

    def gauge(name: str, help: str, *labels: str) -> Gauge:
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
    return generate_latest(registry)
