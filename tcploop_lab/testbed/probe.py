"""The allocator probe: which rule does this kernel use? Found from refused tries, without privileges."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ..ports.identify import ProbeResult, classify
from ..ports.ranges import PortRange
from .loop import LoopSpec
from .sampling import sample_alone


def probe_source_ports(submit: Callable[..., Future[Any]], spec: LoopSpec, port_range: PortRange) -> ProbeResult:
    """Dial a dead port `spec.max_tries` times inside the testbed and classify the source ports that were used."""
    ports = submit(sample_alone, spec, spec.max_tries).result()
    return classify(ports, port_range)
