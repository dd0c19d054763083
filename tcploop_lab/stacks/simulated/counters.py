"""The TCP counters of /proc/net/snmp (RFC 4022), and what moves the one of connections."""

from __future__ import annotations

from ...tcp.states import State

NAMES = (
    *("RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn", "ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets"),
    *("CurrEstab", "InSegs", "OutSegs", "RetransSegs", "InErrs", "OutRsts", "InCsumErrors"),
)
_FIXED = {"RtoAlgorithm": 1, "RtoMin": 200, "RtoMax": 120000, "MaxConn": -1}
_REFUSED = {"ActiveOpens": 1, "AttemptFails": 1, "InSegs": 2, "OutSegs": 2, "OutRsts": 1}  # what one refused try adds
_CURRENT = (State.ESTABLISHED, State.CLOSE_WAIT)  # as RFC 4022 counts them in tcpCurrEstab and tcpEstabResets


class Counters(dict[str, int]):
    """Counts by name. Refused tries are counted apart, since there are many: `refused`.

    `waiting` is whether CurrEstab counts CLOSE-WAIT too, as in Linux since a46d0ea5c942.
    """

    def __init__(self, waiting: bool) -> None:
        super().__init__(dict.fromkeys(NAMES, 0) | _FIXED)
        self.refused = 0
        self._counted = _CURRENT if waiting else (State.ESTABLISHED,)

    def totals(self) -> dict[str, int]:
        """Return all counts."""
        return {name: count + self.refused * _REFUSED.get(name, 0) for name, count in self.items()}

    def moved(self, before: State, after: State) -> None:
        """A connection went from one state to another (tcp_set_state)."""
        self["CurrEstab"] += (after in self._counted) - (before in self._counted)
        if after is State.CLOSED and before in _CURRENT:
            self["EstabResets"] += 1
