"""The exercises of lesson 05, probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..ports.eras import parse_era
from ..ports.ranges import PortRange
from ..study.study import StudyResult
from ..tries.theory import TriesDistribution, distribution
from .answers import for_each, order_of, percent, whole_number, word_of
from .engine import Exercise, Mistake, one_letter

if TYPE_CHECKING:
    import pandas as pd

KERNELS = {"P": "random-walk", "Q": "hashed-sequence", "R": "geometric", "S": "even-sequence"}
_RANGE = PortRange(32768, 60999)
_PORT = 40000
_SEED = 4
_SURE = 0.99
_ENOUGH = 100  # hits, for an average that means something
_ERRORS = 5  # standard errors: further away by chance in less than one of a million studies


def mystery() -> pd.DataFrame:
    """Return ten source ports in a row from each of four kernels, for exercise 05.3. They are simulated."""
    ports = PortRange(40000, 40999)
    kernels = {name: parse_era(era)(seed=_SEED) for name, era in KERNELS.items()}
    return walk_table({name: [kernel.connect_port(ports) for _ in range(10)] for name, kernel in kernels.items()})


def walk_table(walks: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """Return source ports, a column for each walk and a row for each try from 1 on."""
    import pandas as pd

    table = pd.DataFrame({name: list(walk) for name, walk in walks.items()})
    table.index += 1
    return table.rename_axis(columns="try")  # in the corner: pandas gives a name of the index a row of empty headers


# The tables of the lesson call the last one "lottery".
four_eras = for_each(
    "PQRS",
    word_of(KERNELS.values(), {"lottery": "geometric"}),
    'an era for each of P, Q, R and S, as in {"P": "random-walk", ...}',
)


def a_prediction(answer: Any) -> tuple[float, StudyResult]:
    """Read (a number of tries, the result of a study of one cell)."""
    try:
        predicted, result = answer
        predicted = float(predicted.replace(",", "") if isinstance(predicted, str) else predicted)
    except (TypeError, ValueError):
        raise ValueError("this asks for two things: answer = (predicted_mean, result)") from None
    if not isinstance(result, StudyResult) or len(result.cells) != 1:
        raise ValueError("the second thing is the result of a study of one port in one range")
    return predicted, result


def _tries_to_be_sure(era: str) -> int:
    return distribution(era, _RANGE, _PORT).tries_needed(_SURE)


def _percent_by_the_mean(era: str) -> int:
    """The share of loops that have hit by the mean of the random walk, if the kernel is of this era."""
    mean = round(distribution("random-walk", _RANGE, _PORT).mean)
    return round(100 * distribution(era, _RANGE, _PORT).chance(mean))


def _law(result: StudyResult) -> TriesDistribution:
    return result.cells[0].law


def _predicts(predicted: float, result: StudyResult) -> bool:
    return abs(predicted / _law(result).mean - 1) < 0.02


def _agrees(result: StudyResult) -> bool:
    """True if the measured mean is as near to theory as chance allows."""
    cell = result.cells[0]
    return cell.mean is not None and abs(cell.mean - cell.law.mean) < _ERRORS * (cell.standard_error or 0.0)


def _is_enough(result: StudyResult) -> bool:
    return result.cells[0].hits >= _ENOUGH and result.study.start == "random"


def _comparison(answer: tuple[float, StudyResult]) -> str:
    cell = answer[1].cells[0]
    assert cell.mean is not None and cell.standard_error is not None, "a cell that was measured has a mean"
    distance = abs(cell.mean - cell.law.mean) / cell.standard_error
    return (
        f"Predicted {answer[0]:,.0f} tries, measured {cell.mean:,.0f} ± {cell.standard_error:,.0f}: "
        f"{distance:.1f} standard errors from theory."
    )


EXERCISES = (
    Exercise(
        number="05.1",
        asks="a whole number of percent",
        reads=percent,
        right=lambda percent: percent == _percent_by_the_mean("random-walk"),
        because="The mean is four sweeps, and each misses with chance 7/9: 1 - (7/9)**4 is 0.63. A few very long waits "
        "pull the mean up; half of the loops are through after 8,723 tries already.",
        hint="A law says which share of all loops has hit by a try: `.chance(tries)`.",
        stronger="`distribution('random-walk', (32768, 60999), 40000).chance(12_548)`, in percent.",
        mistakes=(
            Mistake(
                lambda percent: percent == 50,
                "It would be half if the mean were the median. Section 7 has a table with both: are they equal?",
            ),
            Mistake(
                lambda percent: percent == 100 - _percent_by_the_mean("random-walk"),
                "That is the share of those who still dial. The question is who has hit.",
            ),
            Mistake(
                lambda percent: percent == _percent_by_the_mean("geometric"),
                "That is the lottery's share by this try. Today's kernel is a random walk.",
            ),
            Mistake(
                lambda percent: percent == _percent_by_the_mean("even-sequence"),
                "That is the even sequence's share by this try. Today's kernel is a random walk.",
            ),
            Mistake(lambda percent: not 0 <= percent <= 100, "A share is 0 to 100 percent."),
        ),
    ),
    Exercise(
        number="05.2",
        asks="a whole number of tries",
        reads=whole_number,
        right=lambda number: number == _tries_to_be_sure("random-walk"),
        because="With the random walk, a port that can loop fails so long only once in a hundred times. "
        "From there on silence says something.",
        hint="Ask the law of the random walk how many tries it needs for a chance of 0.99.",
        stronger="`distribution('random-walk', (32768, 60999), 40000).tries_needed(...)`: put in the chance.",
        mistakes=(
            Mistake(
                lambda number: number == _tries_to_be_sure("geometric"),
                "That is the lottery. Which era does the exercise ask for?",
            ),
            Mistake(
                lambda number: number == _tries_to_be_sure("even-sequence"),
                "That is the sequence of Linux 4.2. Which era does the exercise ask for?",
            ),
            Mistake(
                lambda number: number < 5000,
                "So few tries fail more often than not. Did you ask for the chance 0.99 or for 0.01?",
            ),
        ),
    ),
    Exercise(
        number="05.3",
        asks="an era for each of the four kernels",
        reads=four_eras,
        right=lambda eras: eras == KERNELS,
        because="The steps tell them apart: 2 to 16, always 1, anything even, always 2.",
        hint="Take the differences from one try to the next, column by column.",
        stronger="`mystery().diff()` shows all the differences. Which column has only one value?",
        mistakes=(
            Mistake(
                lambda eras: len(set(eras.values())) < len(eras),
                "You named one era twice. Each of the four kernels is of another era.",
            ),
            Mistake(
                lambda eras: eras["Q"] != "hashed-sequence",
                "Look at Q again: which of the eras gives odd ports too, one after another?",
            ),
            Mistake(
                lambda eras: eras["S"] != "even-sequence",
                "Look at S again: its step never changes, and it is 2.",
            ),
            Mistake(
                lambda eras: eras["P"] != "random-walk",
                "Compare P and R: one of them only goes forward, by 16 at most. Which one jumps?",
            ),
        ),
    ),
    one_letter(
        number="05.4",
        among="abc",
        right="a",
        because="The long waits are exactly those that were cut off. Leave them out, and only the short ones are left.",
        hint="Which samples are censored: the short ones, the long ones, or any?",
        stronger="In the lesson a study was stopped early. Compare its mean with the mean of theory.",
        wrong={
            "b": "A mean of hits can never be above the limit. Can it be too large, then?",
            "c": "It would be right if chance decided which samples are cut off. But the limit decides.",
        },
    ),
    Exercise(
        number="05.5",
        asks='the letters in order, such as `"abc"`',
        reads=order_of("abc"),
        right=lambda order: order == "bac",
        because="The chance is the share of different ports among all M that were tried. Within M tries the "
        "sequence tries none twice. The walk comes round and tries some again, the lottery even more.",
        hint="Ask each law for its chance at M/2 = 7,058 tries, from a random start.",
        stronger="`distribution(era, (32768, 60999), 40000).chance(7058)` for each of the three.",
        mistakes=(
            Mistake(
                lambda order: order == "cab",
                "That is the right order, but the smallest chance comes first. Turn it round.",
            ),
            Mistake(
                lambda order: order[0] != "b",
                "The sequence never passes over a port and never tries one twice. Can another do better?",
            ),
        ),
    ),
    Exercise(
        number="05.6",
        asks="your prediction and the result of your study",
        reads=a_prediction,
        right=lambda answer: _is_enough(answer[1]) and _predicts(*answer) and _agrees(answer[1]),
        because=_comparison,
        hint="The prediction comes first. For the random walk it is 8/9 of M, the candidates of your range.",
        stronger="For example: `ranges=[(50000, 50599)]`, so M = 300, and `ports=[50300]`, an even one.",
        mistakes=(
            Mistake(
                lambda answer: answer[1].hits == 0,
                "No sample hit. Is your port in the range, and has it the parity of its lower end?",
            ),
            Mistake(
                lambda answer: answer[1].cells[0].hits < _ENOUGH,
                f"Fewer than {_ENOUGH} hits: take more samples.",
            ),
            Mistake(
                lambda answer: answer[1].study.start != "random",
                "That is a study of returns. From random starts means without `start=`.",
            ),
            Mistake(
                lambda answer: abs(answer[0] / _law(answer[1]).candidates - 1) < 0.02,
                "You predicted M itself. That is the mean of returns; your study starts at random places.",
            ),
            Mistake(
                lambda answer: _predicts(*answer),
                "Your prediction is right, but the measured mean is far off. Leave `max_tries` out, so that "
                "no sample is cut off early.",
            ),
        ),
    ),
)
