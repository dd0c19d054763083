"""What leaves the checkout: the web pages, the wheel, the Binder, the citation, the checks before a commit."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

import tcploop_lab as lab
from tcploop_lab.cli import main

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def load(name: str) -> Any:
    """A module of tools/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_web_pages_are_built_without_a_warning() -> None:
    """make site builds every lesson offline; no link inside leads nowhere, every picture has words."""
    command = [sys.executable, "tools/site.py", "--no-kernel"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert (done.returncode, done.stdout.strip()) == (0, "build/site/html/index.html"), done.stderr + done.stdout
    pages = ROOT / "build" / "site" / "html"
    lessons = {path.stem for path in LESSONS}
    moved = {"04_probability", "05_in_the_wild", "06_defences"}  # their addresses of November 2026 lead on
    assert {path.stem for path in (pages / "lessons").glob("*.html")} == lessons | moved
    assert 'url=05_probability.html"' in (pages / "lessons" / "04_probability.html").read_text()
    for new, sections in load("site").PARTED.values():
        text = (pages / "lessons" / f"{new}.html").read_text()
        assert [name for name in sections if f'id="{name}"' not in text] == []
    head = (pages / "lessons" / "00_start_here.html").read_text()
    assert 'name="viewport"' in head and "theme-switch" in head  # for a phone; light and dark
    assert ">07 Defences" in head  # a lesson has its number in the sidebar


OLD = {  # addresses of November 2026, and where they lead
    "04_probability.html": "05_probability.html",
    "05_in_the_wild.html#the-port-thief": "06_in_the_wild.html#the-port-thief",
    "03_on_the_wire.html#read-the-ladder": "03_on_the_wire.html#read-the-ladder",
    "03_on_the_wire.html#three-fates-of-a-syn": "04_two_hosts.html#three-fates-of-a-syn",
}


@pytest.mark.slow
@pytest.mark.e2e
def test_an_old_address_leads_to_where_the_lesson_is_now() -> None:
    """To the section, too, where the address names one; a section that went to another lesson is found there."""
    from .e2e import browser

    lessons = ROOT / "build" / "site" / "html" / "lessons"
    with browser.chromium() as chromium, browser.page(chromium) as page:
        for old, now in OLD.items():
            page.goto("about:blank")  # another place of the same page is not loaded anew
            page.goto(f"{lessons.as_uri()}/{old}", wait_until="commit")
            page.wait_for_url(f"{lessons.as_uri()}/{now}", wait_until="commit")
            page.locator(f"[id='{now.partition('#')[2] or 'exercises'}']").wait_for(state="attached")


# How far a page reaches beyond the window, how many figures are shrunk, how many are not in its theme's colours, and
# how much code scrolls.
WIDE = """() => [document.documentElement.scrollWidth - document.documentElement.clientWidth,
    [...document.querySelectorAll(".cell_output img")].filter(one => one.width < one.naturalWidth / 1.5 - 1).length,
    [...document.querySelectorAll(".tcploop-figure")].filter(one => getComputedStyle(one).filter.includes("invert") !=
        (document.documentElement.dataset.theme == "dark")).length]"""
# The theme lets the keyboard reach what scrolls, a while after the window has another width.
REACHED = """() => [...document.querySelectorAll("pre")].every(one => one.scrollWidth <= one.clientWidth ||
    one.tabIndex == 0)"""
SCROLLS = """() => [...document.querySelectorAll(".cell_input pre")].filter(one => one.scrollWidth > one.clientWidth)
    .map(one => one.textContent)"""
# Words and numbers of tables that stand in two lines.
BROKEN = """() => { const range = document.createRange(), found = [];
    for (const cell of document.querySelectorAll("article td, article th")) {
        const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
        for (let text; (text = texts.nextNode());) for (const word of text.data.matchAll(/[\\w,.]{2,}/g)) {
            range.setStart(text, word.index), range.setEnd(text, word.index + word[0].length);
            if (range.getClientRects().length > 1) found.push(word[0]); } }
    return found; }"""
# The words of code, but for the first visible one of each kind on each ground: the others have its colours, and axe
# looks long at each.
ONE_OF_EACH = """() => { const seen = new Set();
    for (const word of document.querySelectorAll(".highlight pre span")) {
        const kind = word.className + getComputedStyle(word.closest("pre")).backgroundColor;
        if (seen.has(kind) || !word.checkVisibility()) word.replaceWith(...word.childNodes); else seen.add(kind); } }"""


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_the_web_pages_fit_every_window() -> None:
    """At 390, 768 and 1280 pixels, light and dark, no page scrolls sideways, each figure has its size and the theme's
    colours; axe finds nothing."""
    from .e2e import browser

    root = ROOT / "build" / "site" / "html"
    pages = [root / "index.html", *(root / "lessons" / f"{path.stem}.html" for path in LESSONS)]
    assert len(pages) > 7 and all(page.is_file() for page in pages), "the test above builds them"
    complaints: list[str] = []
    with browser.chromium() as chromium, browser.page(chromium) as page:
        page.on("console", lambda message: complaints.append(message.text))
        for path in pages:
            page.goto(path.as_uri())
            for width, scheme in product((390, 768, 1280), ("light", "dark")):
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                assert page.evaluate(WIDE) == [0, 0, 0], (width, scheme, path.name)
                assert (width, scheme) != (390, "light") or page.evaluate(BROKEN) == [], path.name
            assert page.evaluate(SCROLLS) == [], path.name
            page.wait_for_function(REACHED)
            page.evaluate(ONE_OF_EACH)
            # What a lesson shows is looked at in a light page, too, in JupyterLab (test_every_notebook.py).
            assert browser.violations(page, preload=False) == [], path.name
    assert [text for text in complaints if not text.startswith("[PST]")] == []


WRONG = {
    '<a href="gone.html">': "the link gone.html leads nowhere",
    '<a href="#gone">': "the link #gone leads nowhere",
    '<a href="other.html#gone">': "the link other.html#gone leads nowhere",
    '<img src="p.png">': "the picture p.png has no alternative text",
    '<script src="https://cdn.example/x.js">': "https://cdn.example/x.js is loaded from elsewhere",
    '<a href="https://example.org"><a href="other.html#here"><a href="#self" id="self">': "",
}


@pytest.mark.parametrize("tag", WRONG)
def test_the_check_of_the_pages_finds_what_is_wrong(tmp_path: Path, tag: str) -> None:
    """A dead link, a dead place in a page, a mute picture and a foreign script are found; good links are not."""
    (tmp_path / "page.html").write_text(f"<html>{tag}</html>")
    for name in ("other", "third"):
        (tmp_path / f"{name}.html").write_text('<p id="here">')
    assert list(load("site").complaints(tmp_path)) == ([f"page.html: {WRONG[tag]}"] if WRONG[tag] else [])


def test_a_package_that_is_another_one_or_gone_makes_no_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is one line with the way out, and nothing half-fetched stays in the cache."""
    tool = load("pinned")
    monkeypatch.setattr(tool, "CACHE", tmp_path / "cache")
    (tmp_path / "here.deb").write_bytes(b"another one")
    here, gone = (tool.Pin("name", "1.0", (tmp_path / name).as_uri(), "0" * 64) for name in ("here.deb", "gone.deb"))
    with pytest.raises(tool.Unavailable, match=r"here\.deb: its SHA-256 is [0-9a-f]{64}, not 0{64}; remove it"):
        here.fetch()
    with pytest.raises(tool.Unavailable, match=r"^name 1\.0: .*No such file.*; fetch file:.*gone\.deb to "):
        gone.fetch()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["here.deb"]


def test_without_a_compiler_the_page_gets_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named, for its program as for the small kernel."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    tool = load("page_kernel")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(tool.Unavailable, match=r"^a kernel's build needs gcc, make, flex, bison, bc; on Debian: apt"):
        tool.build_small()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment in which the wheel, made from the sdist, is installed."""
    folder = tmp_path_factory.mktemp("clean")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=200)
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    (wheel,) = (folder / "dist").glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True, timeout=100)
    # What the lab needs comes from this environment; a .pth file in a .pth path is not read, so not the checkout.
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    (site / "needs.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def run(installed: Path, folder: Path, *command: str) -> str:
    """Run a program of the clean environment far from the checkout and return what it prints."""
    environment = {"PATH": f"{installed}:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}
    program = [str(installed / command[0]), *command[1:]]
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_no_answers(folder: Path) -> None:
    """The assignments are there in the version for students: without a solution, a judge or the instructor's page."""
    (assignments,) = folder.rglob("assignments")
    names = {path.name for path in assignments.rglob("*") if path.is_file()}
    assert names == {path.name for path in (ROOT / "notebooks/assignments/release").rglob("*.ipynb")} and len(names) > 2
    texts = [path.read_text() for path in assignments.rglob("*.ipynb")]
    assert not [text for text in texts if "BEGIN SOLUTION" in text or "HIDDEN" in text]


@pytest.mark.slow
def test_the_wheel_works_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    """Installed from the wheel, the lab loops, copies the course, and has its recorded data."""
    code = (
        "import tcploop_lab as lab; print(lab.__file__, lab.recorded('self-connection').segments[0].flags,"
        "lab.open_testbed(kind='simulated').connect_loop(40000).self_connected)"
    )
    where, flags, met = run(installed, tmp_path, "python", "-c", code).split()
    assert not Path(where).is_relative_to(ROOT)
    assert (flags, met) == ("S", "True")
    copied = json.loads(run(installed, tmp_path, "tcploop", "notebooks", "course", "--json"))
    assert links_that_lead_nowhere(tmp_path / "course") == []
    assert copied["notebooks"] == sorted(path.name for path in (tmp_path / "course").glob("*.ipynb"))
    assert "00_start_here.ipynb" in copied["notebooks"] and len(copied["notebooks"]) >= 5
    assert_no_answers(tmp_path / "course")
    assert_no_answers(next(installed.parent.glob("lib/python*/site-packages/tcploop_lab")))
    found = json.loads(run(installed, tmp_path, "tcploop", "connect", "40500", "--range", "40500-40500", "--json"))
    assert found["self_connected"]
    for place in ("share/jupyter/lab/settings/overrides.d/tcploop-lab.json", "etc/ipython/ipython_kernel_config.py"):
        assert (installed.parent / place).is_file()


def test_the_cheat_sheet_is_one_page_of_what_is_written() -> None:
    """The PDF has one page, and was made from the text as it is; its numbers are those of the law."""
    tool, printed = load("cheatsheet"), (ROOT / "docs" / "cheatsheet.pdf").read_bytes()
    text = tool.SOURCE.read_text(encoding="utf-8")
    assert re.findall(rb"/Count (\d+)", printed) == [b"1"]
    assert f"cheat sheet {tool.mark(text)})".encode() in printed, "make cheatsheet"
    fast, slow, ten = (
        lab.distribution("random-walk", (32768, 60999), 40000, tries_per_second=pace) for pace in (None, 1, 10)
    )
    tries = (fast.candidates, round(fast.mean), fast.quantile(0.5), fast.quantile(0.99), round(slow.mean))
    minutes = [round(ten.quantile(share) / 600) for share in (0.05, 0.5, 0.95)]
    assert [f"{number:,}" for number in tries if f"{number:,}" not in text] == []
    assert "{}, {} and {} minutes".format(*minutes) in text


def links_that_lead_nowhere(copy: Path) -> list[str]:
    """The links in a copy's lessons, and in the pages beside them, to files that are not there."""
    pages = [*copy.glob("[0-9]*.ipynb"), *(copy / "docs").glob("*.md")]
    links = {(page, link) for page in pages for link in re.findall(r"\]\(([^):#]+)[)#]", page.read_text())}
    assert len(links) > 50
    return [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()]


def test_the_course_can_be_copied_from_the_checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The copy has every lesson and the assignments as students get them, and nothing that a run left behind."""
    assert main(["notebooks", str(tmp_path / "course")]) == 0
    assert "Open the first one:" in capsys.readouterr().out
    names = {path.name for path in (tmp_path / "course").rglob("*") if path.is_file()}
    assert {"00_start_here.ipynb", "05_probability.ipynb"} < names
    assert not [name for name in names if name.endswith((".pcap", "-checkpoint.ipynb"))]
    cells = [cell for path in (tmp_path / "course").glob("*.ipynb") for cell in json.loads(path.read_text())["cells"]]
    assert cells and not any(cell.get("outputs") for cell in cells)
    assert links_that_lead_nowhere(tmp_path / "course") == []
    assert main(["notebooks", str(tmp_path / "course")]) == 0
    assert "Nothing of the course is new." in capsys.readouterr().out
    assert_no_answers(tmp_path / "course")


@pytest.mark.slow
def test_the_instructors_archive_has_what_students_lack(installed: Path, tmp_path: Path) -> None:
    """make instructor packs solutions, judges and settings; neither the wheel nor the sdist has them."""
    subprocess.run(["make", "-s", "instructor"], cwd=ROOT, check=True, capture_output=True, timeout=60)
    with tarfile.open(ROOT / "dist" / "tcploop-lab-instructor.tar.gz") as archive:
        packed = archive.getnames()
    secret = [name for name in packed if re.search(r"(judges|source)/.*\.(py|ipynb)$", name)]
    assert len(secret) >= 6 and "assignments/nbgrader_config.py" in packed
    (sdist,) = (installed.parents[1] / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert not [name for name in archive.getnames() if "assignments/judges" in name or "assignments/source" in name]


@pytest.fixture
def badges(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that writes the README's buttons."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    return load("badges").badges


def test_binder_reads_the_one_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, badges: Any) -> None:
    """repo2docker takes environment.yml with its Python, and nothing else stands in its way."""
    from repo2docker.app import Repo2Docker

    monkeypatch.chdir(ROOT)
    app = Repo2Docker()
    kinds = [kind(app.base_image) for kind in app.buildpacks]
    (pack, *_) = [kind for kind in kinds if kind.detect()]
    wanted = re.search(r"python=(3\.\d+)", (ROOT / "environment.yml").read_text())
    assert type(pack).__name__ == "CondaBuildPack"
    assert wanted is not None and pack.python_version == wanted[1]
    assert pack.environment_yaml["name"] == "tcploop-lab" and not (ROOT / "binder").exists()
    assert pack.get_post_build_scripts() == ["postBuild"]  # which makes the learner's copy, that the button opens
    copy = (ROOT / "postBuild").read_text().split()[-1]
    path = f"{sysconfig.get_path('scripts')}:/usr/bin:/bin"
    subprocess.run([ROOT / "postBuild"], cwd=tmp_path, env={"PATH": path}, check=True)
    assert (tmp_path / copy / "00_start_here.ipynb").exists()
    assert f"lab/tree/{copy}" in badges("ada/course")


def test_the_badges_open_what_is_named(badges: Any) -> None:
    """Without a repository they open the forms that ask for one; with one, it; what is no owner/name gets one line."""
    button = r"/open-in-(\w+).svg\)]\(https://(?:mybinder.org|codespaces.new)"
    assert re.findall(button, (ROOT / "README.md").read_text()) == ["binder", "codespaces"]
    assert re.findall(r"]\((http.*?)\)", badges()) == ["https://mybinder.org", "https://codespaces.new"]
    assert "(https://codespaces.new/ada/course)" in badges("ada/course")
    for wrong in ("course", "ada/course/more", "https://example.org/ada/course", "ada/"):
        with pytest.raises(ValueError, match="owner/name"):
            badges(wrong)


def test_the_image_is_built_from_what_is_here() -> None:
    """What it copies exists, it installs by hash, and an ordinary user starts a command of ours."""
    lines = (ROOT / "Containerfile").read_text().replace("\\\n", "").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    copied = [words.split()[0] for step, words in steps if step == "COPY"]
    assert copied and all((ROOT / name).exists() for name in copied)
    text = " ".join(words for step, words in steps if step == "RUN")
    assert "--require-hashes --requirement /opt/tcploop-lab/lab.txt" in text
    assert "--no-deps /opt/tcploop-lab/source" in text
    (user,), (start,) = ([words for step, words in steps if step == name] for name in ("USER", "CMD"))
    assert f" {user}" in text.partition("useradd")[2]
    program, command, *given = json.loads(start)
    assert program == "tcploop" and main([command, "--help"]) == 0
    assert given == ["course", "--no-browser", "--", "--ServerApp.ip=0.0.0.0"]


def test_the_dev_container_is_that_image_with_the_flags_that_live_needs() -> None:
    """It names files, a user, a program and a Python of the image, and the flags of docs/containers.md."""
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    build = {name: (ROOT / ".devcontainer" / value).resolve() for name, value in container["build"].items()}
    image, page = build["dockerfile"].read_text(), (ROOT / "docs" / "containers.md").read_text()
    assert build == {"dockerfile": ROOT / "Containerfile", "context": ROOT}
    assert f"\nUSER {container['remoteUser']}\n" in image and "python3 -m venv /opt/tcploop-lab/venv" in image
    program, command, folder = container["postCreateCommand"].split()
    assert program == "/opt/tcploop-lab/venv/bin/tcploop" and main([command, "--help"]) == 0
    assert f"/{folder}/" in (ROOT / ".gitignore").read_text().split()
    python = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python == "/opt/tcploop-lab/venv/bin/python"
    flags = " ".join(container["runArgs"])
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{flags}` |")]
    assert row.count("live") == 2 and "self-connected" in row and "a range of its own" in row and "both" in row


def test_the_citation_fits_the_package() -> None:
    """CITATION.cff names the version and the licence of the package."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["version"], cited["cff-version"]) == (lab.__version__, "1.2.0")
    assert cited["license"] == ["MIT", "CC-BY-4.0"]


def test_the_checks_before_a_commit_are_those_of_the_project() -> None:
    """pre-commit accepts its file; ruff, mypy, nbstripout that keeps outputs, and the notebook rules are in it."""
    from pre_commit.clientlib import load_config

    (repository,) = load_config(str(ROOT / ".pre-commit-config.yaml"))["repos"]
    entries = {hook["id"]: hook["entry"] for hook in repository["hooks"]}
    assert set(entries) == {"ruff", "mypy", "nbstripout", "notebook-rules"}
    assert "--keep-output --keep-count" in entries["nbstripout"]
    assert (ROOT / entries["notebook-rules"].split()[-1]).is_file()
    lint = (ROOT / "Makefile").read_text()
    assert "-m ruff check ." in lint and "-m mypy" in lint


def test_slides_ask_before_they_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output comes with a key of its own or on the next slide; exercises are left out; nothing is from elsewhere."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    slides = load("slides")
    text = slides.page(LESSONS[1])
    assert "Exercise 01.1" not in text and "Solution" not in text and "What to remember" in text
    assert not re.search(r'(?:src|<link[^>]*href)="https?:', text)
    for cell in slides.slides(LESSONS[1]).cells:
        kind, data = cell.metadata.slideshow.slide_type, [one.get("data", {}) for one in cell.get("outputs", [])]
        assert cell.metadata.get("answer") or not any("image/svg+xml" in one or "text/html" in one for one in data)
        assert kind == "subslide" if cell.metadata.get("answer") else kind in ("slide", "subslide", "-")
    assert text.count('class="fragment"') > 10
