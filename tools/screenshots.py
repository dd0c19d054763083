"""Take the README's screenshots of the real thing: make screenshots

JupyterLab is started as `make lab` does it, two lessons are run in Chromium, and two commands in a terminal.
Takes a minute or two; needs Chromium and a testbed that can loop and capture.
"""

from __future__ import annotations

import io
import os
import pty
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page
from rich.console import Console
from rich.text import Text

from tests.e2e import browser, lab
from tests.e2e.lesson import Lesson
from tests.e2e.widgets import press, sees

FIGURES = lab.ROOT / "docs" / "figures"
SHARP = 1.5  # pixels of the picture for each pixel of the page
COLOURS = 96  # an interface has few; so a picture stays far below 250 kB
COLUMNS = 114
COMMANDS = ("tcploop check 33333", "tcploop audit -- curl --silent http://127.0.0.1:{port}/")
# A network and processes of their own, in which a client dials the port of a server that is down; then the command.
ALONE = ("unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--mount-proc")
SERVER = """
import socket, sys
print("my-server", end="", file=open("/proc/self/comm", "w"))
server = socket.create_server(("127.0.0.1", 50054))
print("it listens", flush=True)
sys.stdin.read()
"""
CLIENT = """
import socket, subprocess, sys, tcploop_lab as lab
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
python, pipes = [sys.executable, "-c"], dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
with subprocess.Popen([*python, sys.argv[1]], **pipes) as server, lab.open_testbed(kind="host") as here:
    print("my-client", end="", file=open("/proc/self/comm", "w"))
    server.stdout.readline()
    other = socket.create_connection(("127.0.0.1", 50054))
    run = here.connect_loop(50052, progress=False)
    subprocess.run([sys.executable, "-m", "tcploop_lab", "find"])
    run.close()
"""
ENOUGH = range(4_000, 60_000)  # tries that make the walk's shape visible: it starts again at the bottom once or more


def store(png: bytes, name: str) -> None:
    """Store a picture with few colours, and say how large it is."""
    path = FIGURES / name
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(lab.ROOT)}: {image.width} x {image.height}, {path.stat().st_size // 1000} kB", flush=True)


def ran(page: Page, server: lab.Server, name: str) -> Lesson:
    """A lesson after Run All; raises if a cell did."""
    lesson = Lesson(page, server.folder, name)
    lesson.open(server.address)
    lesson.run_all()
    if lesson.errors():
        raise RuntimeError(f"{name}: {lesson.errors()[0]}; a picture of that would be no use")
    return lesson


def to_the_top(place: Locator) -> None:
    """Scroll until this is at the top of the notebook."""
    place.evaluate("element => element.scrollIntoView({block: 'start'})")
    place.page.wait_for_timeout(500)  # what JupyterLab draws late


def first_lesson(chromium: Browser, server: lab.Server) -> None:
    """JupyterLab with the list of lessons, and the first self-connection of lesson 00."""
    with browser.page(chromium, 1080, 860, SHARP) as empty:
        lesson = ran(empty, server, "00_start_here.ipynb")
        to_the_top(empty.get_by_role("heading", name="3. The first self-connection"))
        store(empty.screenshot(), "lesson-00.png")
        lesson.shut_down()


def console(chromium: Browser, server: lab.Server) -> None:
    """The loop console of lesson 02 after a self-connection that took some thousand tries, and a text to itself."""
    with browser.page(chromium, 1120, 1250, SHARP) as empty:
        lesson = ran(empty, server, "02_the_loop.ipynb")
        empty.keyboard.press("Control+b")  # without the list of files
        cell = lesson.cell_of("lab.loop_console(")
        assert cell is not None
        while tries_of_a_run(cell) not in ENOUGH:
            press(cell, "Close the connection")
        press(cell, "Send")
        sees(cell, "on the same socket")
        empty.mouse.move(0, 0)
        to_the_top(cell)
        store(cell.locator(".jp-OutputArea-output").first.screenshot(), "loop-console.png")
        lesson.shut_down()


def tries_of_a_run(cell: Locator) -> int:
    """Press Start, wait for the self-connection, and return how many tries it took."""
    ended = cell.get_by_text(re.compile(r"^Connected to itself: .* after [\d,]+ (try|tries) "))
    before = ended.first.inner_text() if ended.count() else ""
    press(cell, "Start")
    while not (ended.count() and ended.first.inner_text() != before):
        cell.page.wait_for_timeout(100)
    return int(ended.first.inner_text().split(" after ")[1].split()[0].replace(",", ""))


def typed(command: str) -> str:
    """What a command of the lab prints in a terminal, colours and all."""
    return shown([sys.executable, "-m", "tcploop_lab", *command.split()[1:]])


def shown(command: list[str]) -> str:
    """What a program prints in a terminal."""
    printed = bytearray()

    def read(terminal: int) -> bytes:
        printed.extend(new := os.read(terminal, 4096))
        return new

    pty.spawn(command, read)
    return printed.decode().replace("\r\n", "\n")


def terminal(chromium: Browser, name: str, printed: dict[str, str]) -> None:
    """Commands and what they printed, as a terminal shows them."""
    paper = Console(record=True, width=COLUMNS, file=io.StringIO())
    for command, text in printed.items():
        paper.print(Text(f"$ {command}", style="bold"), Text.from_ansi(text), sep="\n")
    with browser.page(chromium, 1500, 1200, SHARP) as empty:
        empty.set_content(paper.export_svg(title="tcploop"))
        store(empty.locator("svg").first.screenshot(), name)


def found() -> str:
    """What tcploop find prints on a machine on which a client has connected to itself."""
    return shown([*ALONE, sys.executable, "-c", CLIENT, SERVER])


def main() -> None:
    """Take all of them."""
    os.environ |= {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with browser.chromium() as chromium:
        terminal(chromium, "find.png", {"tcploop find": found()})
        terminal(chromium, "terminal.png", {command: typed(command) for command in COMMANDS})
        with tempfile.TemporaryDirectory() as folder, lab.running_lab(lab.copy_of_the_course(Path(folder))) as server:
            first_lesson(chromium, server)
            console(chromium, server)


if __name__ == "__main__":
    main()
