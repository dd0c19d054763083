"""Record what ships with the package, on this machine's kernel: make record

Each exchange becomes a pcap file, as captured, and a text file with kernel, date and settings beside it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.plist import PacketList

import tcploop_lab as lab
from tcploop_lab.audits.audit import AuditResult, store_recorded
from tcploop_lab.results import stored
from tcploop_lab.stacks.stack import ADDRESSES, PORTS, Frame
from tcploop_lab.testbed.capture import write_pcap
from tcploop_lab.testbed.crossing import Crossing
from tcploop_lab.testbed.exchanges import DELAY, four_exchanges, self_connection, tcp_settings
from tcploop_lab.testbed.recorded import FOLDER, Provenance, recorded
from tcploop_lab.testbed.sockets import LOOKS
from tcploop_lab.testbed.testbed import Testbed

ROOT = Path(__file__).parents[1]
RANGE = (40000, 40999)
ENDS = {f"{ADDRESSES[host]}:{PORTS[host]}": host for host in ADDRESSES}


def settings(testbed: Testbed, exchange: Any) -> dict[str, Any]:
    """What the exchange was made with."""
    common = {"testbed": testbed.kind, "port_range": str(testbed.port_range)}
    delay = {"delay_ms": DELAY * 1000} if isinstance(exchange, Crossing) else {}
    return common | delay | testbed.submit(tcp_settings).result()


def provenance(testbed: Testbed, exchange: Any) -> Provenance:
    """The text beside an exchange."""
    return Provenance(
        kernel=testbed.kernel,
        recorded_on=datetime.now(UTC).date().isoformat(),
        command="make record",
        dropped=exchange.dropped,
        settings=settings(testbed, exchange),
        ends=ENDS if isinstance(exchange, Crossing) else {},
    )


def store(name: str, copies: Sequence[Frame], beside: Provenance) -> None:
    """Write an exchange as it was captured, each segment as sent and as received, and the text beside it.

    The frames of a crossing, whose ends have names, begin with the IP header: they have no link layer.
    """
    layer = IP if beside.ends else Ether
    packets = [layer(frame.data) for frame in copies]
    for packet, frame in zip(packets, copies, strict=True):
        packet.time = frame.time
    path = write_pcap(FOLDER / f"{name}.pcap", PacketList(packets), force=True)
    stored.store(path.with_suffix(".json"), beside)


def record_looks() -> None:
    """Look at a self-connection with each tool, and store what they print."""
    with lab.open_testbed(RANGE, kind="namespace") as testbed:
        run = testbed.connect_loop(40000)
        label = f"recorded on {datetime.now(UTC).date().isoformat()}, {testbed.kernel}"
        looks = {tool: replace(testbed.look(40000, tool), label=label) for tool in ("ss", "lsof")}
        run.close()
    stored.store(LOOKS, looks)


def record_audits() -> None:
    """Run the cells of the lesson that audits, and store what each audit found."""
    found: list[AuditResult] = []
    live = lab.audit

    def audit(*args: Any, **settings: Any) -> AuditResult:
        found.append(live(*args, **settings))
        return found[-1]

    lesson = json.loads((ROOT / "notebooks" / "06_in_the_wild.ipynb").read_text(encoding="utf-8"))
    lab.audit = audit
    names: dict[str, Any] = {"display": print}
    for cell in lesson["cells"]:
        source = "".join(cell["source"]) if cell["cell_type"] == "code" else ""
        if source.startswith(("import", "from")) or "lab.audit(" in source:
            exec(source, names)
    lab.audit = live
    today = datetime.now(UTC).date().isoformat()
    store_recorded([replace(one, label=f"recorded on {today}, {one.kernel}") for one in found])
    print(*found, sep="\n")


def main() -> None:
    """Make every exchange, store it, read it back, and say what it is; then looks and audits."""
    FOLDER.mkdir(exist_ok=True)
    with lab.open_testbed(RANGE, kind="namespace") as testbed:
        made: dict[str, Any] = {**four_exchanges(testbed), "self-connection-ipv6": self_connection(testbed, "::1")}
        for name, exchange in made.items():
            store(name, exchange.copies, provenance(testbed, exchange))
            print(f"{name}: {recorded(name).summary}")
    record_looks()
    record_audits()


if __name__ == "__main__":
    main()
