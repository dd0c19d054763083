"""What a lesson needs decides at its beginning which testbed it gets; nothing changes in the middle."""

from __future__ import annotations

import pytest

import tcploop_lab as lab
from tcploop_lab.testbed import opening

NEEDS = ("capture", "any-range", "port-range", "reserve", "counters", "two-hosts")


def _none(stack, port_range):
    """What a kernel before Linux 6.3 says."""
    return "no range for a socket (Protocol not available)"


@pytest.mark.parametrize("kind", ["namespace", "simulated"])
def test_these_testbeds_meet_every_need(kind):
    """A private network and a simulated kernel can do all that a lesson may ask for, and are left as they were."""
    with lab.open_testbed(kind=kind, needs=NEEDS) as testbed, lab.open_testbed(kind=kind) as plain:
        assert (testbed.kind, testbed.port_range) == (kind, plain.port_range)


@pytest.mark.parametrize("need", ["port-range", "reserve", "counters"])
def test_the_host_is_left_out_where_it_cannot(need):
    """What the host lacks is told by name, and the settings of the host are not tried."""
    with pytest.raises(lab.NotOnThisTestbed, match=f"the host testbed cannot do {need}"):
        lab.open_testbed(kind="host", needs=need)


def test_the_host_gives_each_socket_a_range_or_is_left_out(monkeypatch):
    """Any range is met by that of a socket; a kernel before 6.3, which has none, does not do."""
    lab.open_testbed(kind="host", needs="any-range").close()
    monkeypatch.setattr(opening, "why_unsuitable", _none)
    with pytest.raises(lab.NotOnThisTestbed, match="the host testbed cannot do any-range"):
        lab.open_testbed(kind="host", needs="any-range")


def test_an_unknown_need_is_one_clear_line():
    """The needs there are stand in the message."""
    with pytest.raises(ValueError, match=r"need 'speed': .*port-range"):
        lab.open_testbed(needs="speed")
