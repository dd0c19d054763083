"""Draw the README's figure of the port thief from the recorded one: python tools/port_thief.py"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

import tcploop_lab as lab

TARGET = Path(__file__).parents[1] / "docs" / "figures" / "port-thief.png"


def main() -> None:
    """Draw it, store it, and say what its alternative text is."""
    mpl.use("Agg")
    figure = lab.recorded_thief().plot().figure
    TARGET.write_bytes(figure.png())
    print(figure.alt)


if __name__ == "__main__":
    main()
