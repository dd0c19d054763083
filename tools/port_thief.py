"""Play the port thief to the end on this kernel, and draw the README's figure of it: python tools/port_thief.py"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

import tcploop_lab as lab

TARGET = Path(__file__).parents[1] / "docs" / "figures" / "port-thief.png"
HOLD = 3.0  # seconds that the client keeps its connection
PATIENCE = 70.0  # seconds: longer than TIME-WAIT


def main() -> None:
    """Play it, which takes a minute, draw it, store it, and say what its alternative text is."""
    mpl.use("Agg")
    figure = lab.port_thief(hold=HOLD, patience=PATIENCE).plot().figure
    TARGET.write_bytes(figure.png())
    print(figure.alt)


if __name__ == "__main__":
    main()
