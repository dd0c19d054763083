"""What was measured of a defence: in which situations, how often it failed, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..results.description import Description, Item, Table
from ..results.run import label_of, labelled
from ..results.shown import Shown, ShownWhole

UNDEFENDED = "nothing"  # the name of the client without a defence
CERTAIN = 1e-6  # a failure of this chance or less counts as none


class Standing(StrEnum):
    """What a defence is worth."""

    HOLDS = "holds"
    WEAK = "weak"
    NONE = "none"
    UNPROVEN = "unproven"


_MANY = {
    Standing.HOLDS: "hold",
    Standing.WEAK: "are weak",
    Standing.NONE: "are none",
    Standing.UNPROVEN: "are unproven",
}


@dataclass(frozen=True)
class Situation:
    """One situation: what was counted, how often it was tried, how often the defence failed in it.

    `undefended` is the chance of a failure per trial without the defence; 1 also for harm that only a defence can do.
    """

    what: str
    trials: int
    failures: int
    undefended: float = 1.0

    @property
    def missed(self) -> float:
        """The chance to see no failure in so many trials if the defence did nothing at all."""
        return float((1.0 - self.undefended) ** self.trials)

    @property
    def rarer_than(self) -> float:
        """The failures per trial that this excludes: if there were so many, none would be seen once in a million."""
        return float(1.0 - CERTAIN ** (1.0 / self.trials))

    @property
    def proves(self) -> bool:
        """True if so many trials without a failure are no luck."""
        return self.missed <= CERTAIN

    @property
    def worth(self) -> str:
        """What no failure in so many trials is worth, in words."""
        if self.undefended == 1.0:
            return f"one failure in {1 / self.rarer_than:,.0f} would be missed once in a million"
        return f"without it about {self.trials * self.undefended:,.0f} would; none by luck: {luck(self.missed)}"

    def __str__(self) -> str:
        if self.undefended == 1.0:
            return f"{self.what}: {self.failures:,} of {self.trials:,}"
        return f"{self.what}: " + (
            f"try {self.trials:,} connects" if self.failures else f"0 of {self.trials:,} tries connect"
        )


@dataclass(frozen=True, repr=False)
class DefenceResult(Shown):
    """One defence, as measured. The first situation is its own, the others are those in which it may fail.

    `notes` are further numbers that are no verdict. `seconds` is how long the measurement took, `stack` whether the
    kernel is live or simulated.
    """

    name: str
    title: str
    situations: tuple[Situation, ...]
    notes: tuple[str, ...]
    seconds: float
    kernel: str
    stack: str = "live"

    @property
    def label(self) -> str:
        """What it must be shown with; "" if it is live."""
        return label_of(self.stack, self.kernel)

    @property
    def main(self) -> Situation:
        """The situation that the defence is made for."""
        return self.situations[0]

    @property
    def failing(self) -> tuple[Situation, ...]:
        """The situations in which it failed."""
        return tuple(situation for situation in self.situations if situation.failures)

    @property
    def verdict(self) -> Standing:
        """None if it fails where it should help, weak if it fails elsewhere, unproven if the trials are too few."""
        if self.main.failures:
            return Standing.NONE
        if self.failing:
            return Standing.WEAK
        return Standing.HOLDS if all(situation.proves for situation in self.situations) else Standing.UNPROVEN

    @property
    def number(self) -> str:
        """The number behind the verdict, in words."""
        failing = "; ".join(map(str, self.failing))
        if self.main.failures:
            return failing
        return f"{self.main}, but {failing}" if failing else f"{self.main}; {self.main.worth}"

    @property
    def summary(self) -> str:
        """One sentence: the verdict and the number behind it."""
        return labelled(f"{self.name}: {self.verdict}. {self.number}", self.label)

    def describe(self) -> Description:
        """Return each situation, and what no failure in it is worth."""
        columns = (
            ("what", "situation"), ("trials", "trials"), ("failures", "failures"), ("holds", "holds there"),
            ("", "what that is worth"),
        )  # fmt: skip
        rows = [(s.what, s.trials, s.failures, not s.failures, "" if s.failures else s.worth) for s in self.situations]
        items = (Item("name", self.name), Item("verdict", self.verdict), Item("kernel", self.kernel))
        title = f"{self.name} ({self.title}): {self.verdict}; {self.seconds:.1f} s, {self.kernel}"
        return Description(title, None, self.label, items, (Table("situations", columns, rows),), self.notes)


@dataclass(frozen=True, repr=False)
class DefenceTable(ShownWhole):
    """All the defences, one line each."""

    results: tuple[DefenceResult, ...]

    def __getitem__(self, name: str) -> DefenceResult:
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(name)

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each defence by its name."""
        return {result.name: str(result.verdict) for result in self.results}

    @property
    def summary(self) -> str:
        """One sentence: how many hold, are weak, are none; a client without any is not counted."""
        found = [verdict for name, verdict in self.verdicts.items() if name != UNDEFENDED]
        told = [f"{found.count(kind)} {_MANY[kind]}" for kind in Standing if kind in found]
        seconds = sum(result.seconds for result in self.results)
        measured = f"{len(found)} defences: {', '.join(told)}; measured in {seconds:.1f} s"
        return labelled(measured, self.results[0].label)

    def describe(self) -> Description:
        """Return the verdict on each defence, and the number behind it."""
        columns = (
            ("name", "defence"), ("title", "what it does"), ("verdict", "verdict"), ("number", "the number behind it"),
        )  # fmt: skip
        rows = [(each.name, each.title, each.verdict, each.number) for each in self.results]
        return Description(self.summary, tables=(Table("defences", columns, rows),))


def luck(chance: float) -> str:
    """Return a chance in words, such as "1 in 7e+43"."""
    return f"{chance:.0%}" if chance > 1e-3 else f"1 in {1 / chance:.0e}" if chance else "never"
