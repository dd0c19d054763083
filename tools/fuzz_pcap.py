"""Fuzz the pcap reader with atheris, which follows the coverage:  make fuzz  (FUZZ_ARGS="-max_total_time=600")

Not part of the environment: pip install atheris. Anything but a value or a ValueError of one line ends the run, and
the input that caused it is kept in build/fuzz.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    raise SystemExit("atheris is not installed: .venv/bin/python -m pip install atheris") from None

with atheris.instrument_imports(include=["tcploop_lab"]):
    import tcploop_lab as lab
    from tcploop_lab.testbed import recorded

ROOT = Path(__file__).parents[1]
SEEDS = ROOT / "tcploop_lab" / "recorded"
_file = Path(tempfile.mkdtemp()) / "fuzzed.pcap"


def one_input(data: bytes) -> None:
    """Read one input as a capture and replay it."""
    _file.write_bytes(data)
    with contextlib.suppress(BrokenPipeError):
        try:
            assert recorded.read_pcap(_file).replayed is not None
        except ValueError as error:
            assert str(error) and "\n" not in str(error)


def main() -> None:
    """Begin with the recorded captures, and go on until the time is up."""
    corpus = ROOT / "build" / "fuzz"
    corpus.mkdir(parents=True, exist_ok=True)
    for path in SEEDS.glob("*.pcap"):
        (corpus / path.name).write_bytes(path.read_bytes())
    options = sys.argv[1:] or ["-max_total_time=120"]
    atheris.Setup([sys.argv[0], str(corpus), f"-artifact_prefix={corpus}/", *options], one_input)
    print(f"tcploop_lab {lab.__version__}, {len(list(corpus.iterdir()))} inputs to begin with", flush=True)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
