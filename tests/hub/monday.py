"""The instructor's page on a real JupyterHub, with accounts of this machine and a browser: make hub (as root).

No part of the default suite: it needs JupyterHub, its proxy from npm, root to make accounts, and a minute or two.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from tcploop_lab.exercises import handout, judging
from tests.assignments.answers import right
from tests.assignments.course import ASSIGNMENTS, NAMES, grade_id, notebook
from tests.e2e import browser as chromium

FIRST = NAMES[0]
PASSWORD = "of this test"
TEACHER, ADA, BEA = (f"{name}{os.getpid()}" for name in ("teacher", "ada", "bea"))
POST = """async ([path, data]) => {
    const token = document.cookie.split("; ").filter(c => c.startsWith("_xsrf=")).map(c => c.slice(6)).pop();
    const form = data && new URLSearchParams(data);
    const found = await fetch(path, {method: form === null ? "GET" : "POST", body: form || undefined,
                                     headers: {"X-XSRFToken": token}});
    return [found.status, await found.text()];
}"""


@dataclass(frozen=True)
class Hub:
    """A running hub: its folder and its address."""

    folder: Path
    url: str

    def run(self, user: str, *command: str) -> str:
        """What a command prints that a user runs in a terminal of the hub, in the course's folder for the teacher."""
        home = self.folder / "course" if user == TEACHER else Path(pwd.getpwnam(user).pw_dir)
        path = f"{Path(shutil.which('jupyterhub') or '').parent}:/usr/bin:/bin"
        named = {"PATH": path, "COURSE": str(self.folder / "course"), "EXCHANGE": str(self.folder / "exchange")}
        settings = str(self.folder / "hub" / ("teachers" if user == TEACHER else "students"))
        words = [f"{name}={value}" for name, value in {**named, "JUPYTER_CONFIG_PATH": settings}.items()]
        words += [f"HOME={pwd.getpwnam(user).pw_dir}", f"USER={user}", f"LOGNAME={user}"]
        done = subprocess.run(
            ["runuser", "-u", user, "--", "env", "-i", *words, *command],
            cwd=home, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def users() -> Iterator[None]:
    """Three accounts of this machine, for as long as the tests last."""
    for name in (TEACHER, ADA, BEA):
        subprocess.run(["useradd", "--create-home", name], check=True)
    try:
        yield
    finally:
        for name in (TEACHER, ADA, BEA):
            subprocess.run(["userdel", "--remove", name], check=False, capture_output=True)


@pytest.fixture(scope="module")
def hub(users: None) -> Iterator[Hub]:
    """The three folders as the page says, and a hub that answers."""
    with tempfile.TemporaryDirectory(prefix="tcploop-hub-") as place:  # pytest's own folders are closed to others
        yield from _hub(Path(place))


def _hub(folder: Path) -> Iterator[Hub]:
    folder.chmod(0o755)
    shutil.copytree(ASSIGNMENTS, folder / "course", ignore=shutil.ignore_patterns("hub", "gradebook.db"))
    shutil.copytree(ASSIGNMENTS / "hub", folder / "hub")
    (folder / "exchange").mkdir()
    (folder / "exchange").chmod(0o1777)
    handout.hand_out(folder / "course", [ADA, BEA], lambda judge: judging.load(judge).data)
    subprocess.run(["chown", "-R", f"{TEACHER}:", str(folder / "course")], check=True)
    (folder / "course").chmod(0o700)
    url = f"http://127.0.0.1:{free_port()}"
    options = ["--JupyterHub.authenticator_class=dummy", f"--DummyAuthenticator.password={PASSWORD}",
               f"--JupyterHub.hub_port={free_port()}",
               f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{free_port()}"]  # fmt: skip
    command = ["jupyterhub", "-f", str(folder / "hub" / "jupyterhub_config.py"), f"--JupyterHub.bind_url={url}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *options],
            cwd=folder, stdout=log, stderr=log, env={**os.environ, "TEACHERS": TEACHER},
        )  # fmt: skip
    try:
        _until_it_answers(f"{url}/hub/health", process, folder / "log")
        yield Hub(folder, url)
    finally:
        process.terminate()
        process.wait(60)


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser."""
    with chromium.chromium() as running:
        yield running


@pytest.fixture(scope="module")
def pages(hub: Hub, browser: Browser) -> Iterator[dict[str, Page]]:
    """JupyterLab of the teacher and of a student, who logged in through the hub's form."""
    contexts = {name: browser.new_context(viewport={"width": 1400, "height": 1000}) for name in (TEACHER, ADA)}
    found = {name: context.new_page() for name, context in contexts.items()}
    for name, page in found.items():
        page.set_default_timeout(60_000)
        page.goto(f"{hub.url}/hub/login")
        page.fill("input[name=username]", name)
        page.fill("input[name=password]", PASSWORD)
        page.click("input[type=submit], button[type=submit]")
        page.wait_for_selector(".jp-Launcher, #jp-main-dock-panel")
    yield found
    for context in contexts.values():
        context.close()


def ask(page: Page, user: str, path: str, **data: str) -> str:
    """What the user's server answers to a request of its own page: GET without data."""
    status, text = page.evaluate(POST, [f"/user/{user}/{path}", data or None])
    assert status == 200, (path, status, text)
    assert '"success": false' not in text, text
    return str(text)


def menu(page: Page) -> list[str]:
    """What stands in the menu Nbgrader."""
    page.click("text=Nbgrader")
    page.wait_for_selector(".lm-Menu-content .lm-Menu-itemLabel")
    found = page.locator(".lm-Menu-content .lm-Menu-itemLabel").all_inner_texts()
    page.keyboard.press("Escape")
    return [one for one in found if one]


def test_each_sees_the_menus_they_need(pages: dict[str, Page]) -> None:
    """A student finds the assignment list, and nothing of the teacher's."""
    assert menu(pages[ADA]) == ["Assignment List"]
    assert "Formgrader" in menu(pages[TEACHER])


def test_a_student_reads_nothing_of_the_course(hub: Hub) -> None:
    """The folder with solutions and judges is the teacher's alone, and a student's server has no formgrader."""
    look = subprocess.run(
        ["runuser", "-u", ADA, "--", "ls", str(hub.folder / "course")], check=False, capture_output=True
    )
    assert look.returncode != 0 and b"Permission denied" in look.stderr


def test_the_page_is_followed_to_the_end(hub: Hub, pages: dict[str, Page]) -> None:
    """Released, fetched, submitted twice, collected, graded in the sandbox, and the feedback comes back."""
    teacher, ada = pages[TEACHER], pages[ADA]
    hub.run(TEACHER, "nbgrader", "generate_assignment", "--force", FIRST)
    hub.run(TEACHER, "nbgrader", "release_assignment", FIRST)
    ask(ada, ADA, "assignments/fetch", course_id="tcploop-lab", assignment_id=FIRST)
    place = Path(pwd.getpwnam(ADA).pw_dir) / FIRST / f"{FIRST}.ipynb"
    submit = {"course_id": "tcploop-lab", "assignment_id": FIRST}
    handed_in = ask(ada, ADA, "assignments/submit", **submit)  # untouched
    assert '"status": "submitted"' in handed_in, handed_in
    collected = ask(teacher, TEACHER, f"formgrader/api/assignment/{FIRST}/collect", x="")
    assert "Collecting submission" in collected, collected
    untouched = hub.run(TEACHER, "nbgrader", "autograde", FIRST)
    assert "has changed" not in untouched
    solve(place)
    time.sleep(1.1)  # nbgrader's timestamps have whole seconds in their names
    ask(ada, ADA, "assignments/submit", **submit)
    hub.run(TEACHER, "nbgrader", "collect", "--update", FIRST)
    ask(teacher, TEACHER, f"formgrader/api/submission/{FIRST}/{ADA}/autograde", x="")
    assert '"score": 20' in ask(teacher, TEACHER, f"formgrader/api/submission/{FIRST}/{ADA}")
    ask(teacher, TEACHER, f"formgrader/api/assignment/{FIRST}/generate_feedback", x="")
    ask(teacher, TEACHER, f"formgrader/api/assignment/{FIRST}/release_feedback", x="")
    ask(ada, ADA, "assignments/fetch_feedback", **submit)
    assert list((place.parent / "feedback").rglob("*.html"))


def solve(path: Path) -> None:
    """Write the right answers into a fetched notebook, as its owner would."""
    filled: Any = notebook(path)
    answers = {"name": f"student = {ADA!r}", **right(FIRST)}
    for cell in filled.cells:
        cell.source = answers.get(grade_id(cell), cell.source)
    nbformat.write(filled, path)


def test_formgrader_opens_in_its_frame(pages: dict[str, Page], tmp_path: Path) -> None:
    """The header that JupyterHub sends since 4.1 would leave the frame empty; it shows the assignments."""
    page = pages[TEACHER]
    page.click("text=Nbgrader")
    page.click(".lm-Menu-content >> text=Formgrader")
    page.frame_locator("iframe").get_by_text(FIRST).first.wait_for()
    headers = page.request.get(page.url).headers
    assert headers["content-security-policy"] == "frame-ancestors 'self'"


if shutil.which("jupyterhub") is None or shutil.which("configurable-http-proxy") is None or os.getuid():
    sys.exit("this needs jupyterhub and configurable-http-proxy on the PATH, and root: make hub")
