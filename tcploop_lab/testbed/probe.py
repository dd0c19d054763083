"""The allocator probe: which rule does this kernel use? Found from refused tries, without privileges."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ..ports.identify import ProbeResult, classify
from ..ports.ranges import PortRange
from .check import sample_source_ports
from .loop import LoopSpec


def probe_source_ports(submit: Callable[..., Future[Any]], spec: LoopSpec, port_range: PortRange) -> ProbeResult:
    """Dial a dead port `spec.max_tries` times inside the testbed and classify the source ports that were used."""
    ports = submit(sample_source_ports, spec, spec.max_tries).result()
    return classify(ports, port_range)
