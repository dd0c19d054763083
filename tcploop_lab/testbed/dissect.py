"""scapy, at one place: what loads it, and what it makes of a frame.

    dissect.scapy().TCP in dissect.frame(data, time)

As it is imported, scapy lists the interfaces and the routes of the system over netlink. The lab needs neither list, so
where netlink is refused (firejail --protocol=unix,inet,inet6, seccomp) it does without.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from ..errors import NotOnThisTestbed
from ..tcp.segments import Segment


@functools.cache
def scapy() -> SimpleNamespace:
    """Return what the lab uses of scapy, by scapy's names. Raises NotOnThisTestbed where it cannot be loaded."""
    with contextlib.suppress(OSError):  # netlink is refused
        return _load()
    try:
        with _without_lists():
            return _load()
    except Exception as error:  # it looks at the system in many ways, and any of them may be refused
        reason = " ".join(str(error).split()) or type(error).__name__
        raise NotOnThisTestbed(
            f"scapy cannot be loaded here ({reason}), and segments are read with it: use the lab outside this sandbox"
        ) from None


def _load() -> SimpleNamespace:
    from scapy import config, packet, plist, utils
    from scapy.layers import inet, inet6, l2

    return SimpleNamespace(
        **{name: getattr(inet, name) for name in ("IP", "TCP", "ICMP")},
        **{name: getattr(utils, name) for name in ("EDecimal", "RawPcapReader", "wrpcap")},
        IPv6=inet6.IPv6,
        Ether=l2.Ether,
        Raw=packet.Raw,
        PacketList=plist.PacketList,
        conf=config.conf,
    )


@contextlib.contextmanager
def _without_lists() -> Iterator[None]:
    from scapy.config import conf
    from scapy.interfaces import NetworkInterfaceDict

    conf.route_autoload = conf.route6_autoload = False
    reload = NetworkInterfaceDict.reload
    NetworkInterfaceDict.reload = lambda _: None
    try:
        yield
    finally:
        NetworkInterfaceDict.reload = reload


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep scapy's warnings about broken files off stderr: what is wrong is said in the lab's words."""
    loggers = [logging.getLogger(name) for name in ("scapy", "scapy.runtime", "scapy.loading")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)


def frame(data: bytes, time: Any) -> Any:
    """Return an Ethernet frame of that time (seconds since the epoch) as a scapy packet."""
    return _at(time, scapy().Ether(data))


def datagram(data: bytes, time: Any) -> Any:
    """Return an IPv4 or IPv6 datagram of that time as a scapy packet."""
    kind = scapy().IPv6 if data[:1] and data[0] >> 4 == 6 else scapy().IP
    return _at(time, kind(data))


def packets(made: Any, name: str) -> Any:
    """Return a scapy PacketList."""
    return scapy().PacketList(list(made), name)


def _at(time: Any, packet: Any) -> Any:
    packet.time = time
    return packet


def network(packet: Any) -> Any:
    """Return the IPv4 or IPv6 header that the TCP segment in a scapy packet belongs to; None if there is none."""
    layer = packet[scapy().TCP].underlayer
    while layer is not None and not isinstance(layer, scapy().IP | scapy().IPv6):  # IPv6 has headers in between
        layer = layer.underlayer
    return layer


def to_segment(packet: Any) -> Segment:
    """Return the TCP segment in a scapy packet (IPv4 or IPv6 below it)."""
    tcp, ends = packet[scapy().TCP], network(packet)
    return Segment(
        time=float(packet.time),
        src=ends.src,
        sport=tcp.sport,
        dst=ends.dst,
        dport=tcp.dport,
        flags=str(tcp.flags),
        seq=tcp.seq,
        ack=tcp.ack,
        window=tcp.window,
        options=tuple((str(option[0]), option[1]) for option in tcp.options),
        payload=tcp.payload.do_build(),  # without what Ethernet pads a short frame with
    )
