"""How fast is the lab? Every figure is a ratio of two things measured in turn in one run.

    python benchmarks/compare.py [--rounds 7] [--tries 200000] [--json FILE] [--figure FILE.png]

The loop is measured against `connect_loop.c`, compiled here, in the same private namespace, on a port that can never
loop (odd, in an even range), so that every try is refused. Machines are noisy: what counts is the median of the ratios.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tcploop_lab as lab
from tcploop_lab.stacks.executor import NamespaceExecutor
from tcploop_lab.stacks.simulated import SimulatedStack
from tcploop_lab.testbed.loop import LoopSpec, run_loop
from tcploop_lab.testbed.testbed import Testbed

PORT = 33333
RANGE = lab.PortRange(32768, 60999)
SOURCE = Path(__file__).with_name("connect_loop.c")
RANGE_SIZES = (10, 100, 1000, 10_000, 28_232)

Measure = Callable[[], float]  # returns tries per second


def compile_c(folder: str) -> str:
    """Compile the C loop and return the program's path. Ends with a message where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("compare: no C compiler here; on Debian and Ubuntu: sudo apt install gcc")
    program = str(Path(folder) / "connect_loop")
    subprocess.run([compiler, "-O2", "-o", program, str(SOURCE)], check=True)
    return program


def in_turn(one: Measure, other: Measure, rounds: int) -> dict[str, float]:
    """Measure both in turn and return the median ratio one/other, its extremes, and both median rates."""
    one(), other()  # warm-up
    pairs = [(one(), other()) for _ in range(rounds)]
    ratios = sorted(a / b for a, b in pairs)
    return {
        "ratio": statistics.median(ratios),
        "lowest": ratios[0],
        "highest": ratios[-1],
        "rate": statistics.median(a for a, _ in pairs),
        "other_rate": statistics.median(b for _, b in pairs),
    }


def python_rate(testbed: Testbed, tries: int, client: str) -> Measure:
    """The lab's own loop."""
    return lambda: testbed.connect_loop(PORT, client=client, max_tries=tries, timeout=600, progress=False).rate


def c_rate(testbed: Testbed, program: str, tries: int, kind: str) -> Measure:
    """The C loop, run inside the same testbed."""
    command = [program, str(PORT), str(tries), kind]
    return lambda: tries / float(testbed.executor.submit(subprocess.check_output, command, timeout=300).result())


def captured_rate(testbed: Testbed, tries: int) -> Measure:
    """The lab's loop beside a filtered capture."""

    def measure() -> float:
        with testbed.capture(PORT) as exchange:
            rate = python_rate(testbed, tries, "same-socket")()
            if exchange.dropped:
                raise RuntimeError(f"the capture dropped {exchange.dropped} frames")
        return rate

    return measure


def workers_rate(executor: NamespaceExecutor, workers: int, tries: int) -> Measure:
    """Some workers at once, a namespace each: all tries by wall-clock time."""
    spec = LoopSpec("127.0.0.1", PORT, lab.ClientKind.SAME_SOCKET, tries, 600.0)

    def measure() -> float:
        began = time.perf_counter()
        futures = [executor.on_stack(run_loop, spec) for _ in range(workers)]
        done = sum(future.result()[0].tries for future in futures)
        return done / (time.perf_counter() - began)

    return measure


def c_workers_rate(executor: NamespaceExecutor, program: str, workers: int, tries: int) -> Measure:
    """Some C loops at once, a namespace each: the sum of their rates is what the machine's cores have to give."""
    command = [program, str(PORT), str(tries), "same"]

    def measure() -> float:
        futures = [executor.submit(subprocess.check_output, command, timeout=300) for _ in range(workers)]
        return sum(tries / float(future.result()) for future in futures)

    return measure


def simulated_rate(tries: int) -> Measure:
    """The lab's loop on the simulated kernel of today, by the time that it takes here: its own clock does not count."""
    spec = LoopSpec("127.0.0.1", PORT, lab.ClientKind.SAME_SOCKET, tries, 600.0)

    def measure() -> float:
        began = time.perf_counter()
        return run_loop(SimulatedStack("6.18", seed=1), spec)[0].tries / (time.perf_counter() - began)

    return measure


def study_rate(tries: int) -> Measure:
    """A study on all cores: every sample runs into the same bound, as the port cannot loop."""
    plan = lab.Study(ports=[PORT], ranges=[RANGE], samples=max(1, tries // 10_000), max_tries=10_000)

    def measure() -> float:
        began = time.perf_counter()
        result = plan.run(workers=2, progress=False)
        return sum(int(cell.tries.sum()) for cell in result.cells) / (time.perf_counter() - began)

    return measure


def seconds_per_sample(size: int, samples: int = 200) -> float:
    """How long one sample takes in a range of `size` ports, on all cores."""
    ports = lab.PortRange(32768, 32768 + size - 1)
    began = time.perf_counter()
    lab.Study(ports=[32768 + size // 4 * 2], ranges=[ports], samples=samples).run(progress=False)
    return (time.perf_counter() - began) / samples


def seconds_to_open() -> float:
    """How long it takes until a testbed is open."""
    began = time.perf_counter()
    with lab.open_testbed(RANGE):
        return time.perf_counter() - began


def seconds_to_stop() -> float:
    """How long it takes until a loop that is told to stop has returned what it has."""
    with lab.open_testbed(RANGE) as testbed:
        spec = LoopSpec("127.0.0.1", PORT, lab.ClientKind.SAME_SOCKET, 10**9, 600.0)
        future = testbed.submit(run_loop, spec)
        while not future.reports:  # type: ignore[attr-defined]
            time.sleep(0.01)
        began = time.perf_counter()
        testbed.executor.stop(future)
        future.result()
        return time.perf_counter() - began


def seconds_to_cross() -> float:
    """How long two hosts and a crossing without delay take; the first of a process loads scapy, too."""
    with lab.open_testbed(RANGE) as testbed:
        began = time.perf_counter()
        with testbed.cross(0.0):
            return time.perf_counter() - began


def median_milliseconds(rounds: int) -> dict[str, float]:
    """How long one waits for the lab, in each case the median."""
    cases = {"open a testbed": seconds_to_open, "stop a loop": seconds_to_stop, "cross": seconds_to_cross}
    return {name: 1e3 * statistics.median(case() for _ in range(rounds)) for name, case in cases.items()}


def measure_all(rounds: int, tries: int) -> dict[str, object]:
    """Return every comparison of this file, by its sentence."""
    with tempfile.TemporaryDirectory() as folder, lab.open_testbed(RANGE, kind="namespace") as testbed:
        program = compile_c(folder)
        same, new = (python_rate(testbed, tries, client) for client in ("same-socket", "new-socket"))
        c_same, c_new = (c_rate(testbed, program, tries, kind) for kind in ("same", "new"))
        results = {
            "Python loop / C loop, one socket": in_turn(same, c_same, rounds),
            "Python loop / C loop, new socket each try": in_turn(new, c_new, rounds),
            "loop beside a capture / bare loop": in_turn(captured_rate(testbed, tries), same, rounds),
            "simulated kernel / live loop": in_turn(simulated_rate(tries), same, rounds),
            "study on two workers / one C loop": in_turn(study_rate(10 * tries), c_same, rounds),
        }
        with NamespaceExecutor(2, RANGE) as executor:
            two, one = (workers_rate(executor, count, tries) for count in (2, 1))
            results["two workers / one worker"] = in_turn(two, one, rounds)
            two, one = (c_workers_rate(executor, program, count, tries) for count in (2, 1))
            results["two C loops / one C loop"] = in_turn(two, one, rounds)
    return {
        "kernel": testbed.kernel,
        "comparisons": results,
        "milliseconds to": median_milliseconds(rounds),
        "milliseconds per sample": {size: 1e3 * seconds_per_sample(size) for size in RANGE_SIZES},
    }


def show(results: dict[str, object]) -> None:
    """Print the comparisons as a table of text."""
    print(f"kernel: {results['kernel']}")
    for name, row in results["comparisons"].items():  # type: ignore[attr-defined]
        rates = f"{row['rate']:9,.0f} / {row['other_rate']:9,.0f} tries/s"
        print(f"{name:44} {row['ratio']:5.2f}  ({row['lowest']:.2f} to {row['highest']:.2f})  {rates}")
    print("time to:")
    for name, milliseconds in results["milliseconds to"].items():  # type: ignore[attr-defined]
        print(f"  {name:15} {milliseconds:8.2f} ms")
    print("time per sample, by ports in the range:")
    for size, milliseconds in results["milliseconds per sample"].items():  # type: ignore[attr-defined]
        print(f"  {size:6,} ports  {milliseconds:8.2f} ms")


def main() -> None:
    """Measure, print, and keep the figures as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tries", type=int, default=200_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path, help="a PNG of the comparisons")
    arguments = parser.parse_args()
    results = measure_all(arguments.rounds, arguments.tries)
    show(results)
    if arguments.figure:
        from figure import draw

        arguments.figure.write_bytes(draw(results).png())
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
