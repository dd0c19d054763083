"""The port thief on a simulated kernel, waited for to the end: a minute of TIME-WAIT passes at once there."""

from __future__ import annotations

import tcploop_lab as lab

with lab.open_testbed((40000, 40999), kind="simulated", seed=1) as _place:
    STORY = lab.port_thief(testbed=_place, hold=3.0, patience=70.0)
    CASES = lab.port_thief_table(_place, patience=70.0)
