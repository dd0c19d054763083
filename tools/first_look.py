"""Make the README's figures from a real run on this machine: python tools/first_look.py

One shows the walk of the source port until it meets the port that is dialled, the other the three segments of
that self-connection as the kernel sent them.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes

import tcploop_lab as lab

PORT = 33334  # the article's 33333 cannot loop on a Linux since 4.2: it is odd
FOLDER = Path(__file__).parents[1] / "docs" / "figures"


def save(axes: Axes, name: str) -> None:
    """Store the figure of these axes, without the name of the program that drew it."""
    path = FOLDER / name
    axes.figure.savefig(path, dpi=110, facecolor="white", bbox_inches="tight", metadata={"Software": None})
    print(path.relative_to(FOLDER.parents[1]))


def main() -> None:
    """Run the loop once under capture, draw both figures, and say what was measured."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with lab.open_testbed(port_range=(32768, 60999)) as testbed:
        with testbed.capture(PORT) as exchange:
            run = testbed.connect_loop(PORT, trace=True)
        print(run)
        save(run.plot(), "first-look.png")
        save(exchange.ladder(), "first-exchange.png")
        run.close()


if __name__ == "__main__":
    main()
