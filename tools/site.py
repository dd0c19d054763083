"""Build the static web version of the course in build/site/html, and check every link inside it: make site

Warnings are errors. Addresses outside are not asked; what would be loaded from elsewhere is an error. The kernel in the
first page is made of packages that are fetched once (page_kernel.py); --no-kernel leaves it out, and builds offline.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

ROOT = Path(__file__).parents[1]
SOURCE, PAGES = ROOT / "build" / "site" / "source", ROOT / "build" / "site" / "html"
BESIDE = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name != "teaching.md")
MOVED = {"04_probability": "05_probability", "05_in_the_wild": "06_in_the_wild", "06_defences": "07_defences"}
PARTED = {
    "03_on_the_wire": (
        "04_two_hosts",
        ["three-fates-of-a-syn", "two-hosts-call-each-other-at-once", "four-exchanges-side-by-side",
         "the-rfc-s-own-figures", "ipv6-beside-ipv4"],
    )
}  # fmt: skip
ABOUT = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "LICENSE-TEXTS")


def gather(kernel: bool) -> None:
    """Put the notebooks and the pages of the lab beside the configuration; in the first page the box of the kernel."""
    shutil.rmtree(SOURCE.parent, ignore_errors=True)
    shutil.copytree(ROOT / "docs" / "site", SOURCE, ignore=shutil.ignore_patterns("kernel"))
    box = (ROOT / "docs" / "site" / "kernel" / "box.html").read_text(encoding="utf-8") if kernel else ""
    first = (SOURCE / "index.md").read_text(encoding="utf-8").replace("<!-- the kernel in the page -->\n", box)
    (SOURCE / "index.md").write_text(first.replace("<!-- the lessons -->\n", lessons_listed()), encoding="utf-8")
    lessons = SOURCE / "lessons"
    lessons.mkdir()
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        text = path.read_text(encoding="utf-8").replace("](../docs/", "](../")
        (lessons / path.name).write_text(text, encoding="utf-8")
    for name in BESIDE:
        text = (ROOT / "docs" / name).read_text(encoding="utf-8").replace("(../notebooks/", "(lessons/")
        (SOURCE / name).write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "docs" / "cheatsheet.pdf", SOURCE)
    shutil.copytree(ROOT / "docs" / "figures", SOURCE / "figures")
    for name in ABOUT:
        text = (ROOT / name).read_text(encoding="utf-8")
        text = text.replace("(notebooks/assignments/README.md)", "(assignments.md)")
        (SOURCE / name).write_text(text.replace("(notebooks/", "(lessons/").replace("(docs/", "("), encoding="utf-8")
    text = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    text = text.replace("(../notebooks/assignments/README.md)", "(assignments.md)")
    (SOURCE / "teaching.md").write_text(text.replace("(../notebooks/", "(lessons/"), encoding="utf-8")
    text = (ROOT / "notebooks" / "assignments" / "README.md").read_text(encoding="utf-8")
    (SOURCE / "assignments.md").write_text(f"---\norphan: true\n---\n{text}", encoding="utf-8")


def lessons_listed() -> str:
    """Return the lessons for a toctree, each with its number, which the headings of the lessons lack."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        heading = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]).splitlines()[0]
        found.append(f"{path.name[:2]} {heading.lstrip('# ')} <lessons/{path.stem}>\n")
    return "".join(found)


def build() -> int:
    """Run Sphinx; 0 if there was no warning."""
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", str(SOURCE), str(PAGES)]
    return subprocess.run(command, check=False).returncode


def forward() -> None:
    """At the address that a lesson once had, a page that leads to where it is now, and a section to where that is."""
    lessons = PAGES / "lessons"
    for old, new in MOVED.items():
        text = f'<!doctype html><meta charset="utf-8"><script>location.replace("{new}.html" + location.hash)</script>'
        text += f'<noscript><meta http-equiv="refresh" content="0; url={new}.html"></noscript>'
        link = f'<title>Moved</title><p>This lesson is now <a href="{new}.html">{new}</a>.'
        (lessons / f"{old}.html").write_text(f"{text}{link}\n", encoding="utf-8")
    for old, (new, sections) in PARTED.items():
        moved = f"if ({json.dumps(sections)}.includes(location.hash.slice(1)))"
        script = f'<script>{moved} location.replace("{new}.html" + location.hash)</script></head>'
        page = lessons / f"{old}.html"
        page.write_text(page.read_text(encoding="utf-8").replace("</head>", script, 1), encoding="utf-8")


class Page(HTMLParser):
    """What a page links to, what can be linked to in it, what it loads, and its pictures without words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.loads: list[str] = []
        self.mute: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, pairs: list[tuple[str, str | None]]) -> None:
        """Note what one tag has."""
        found = {key: value or "" for key, value in pairs}
        self.names.update(filter(None, [found.get("id"), found.get("name")]))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in ("script", "img", "link", "iframe"):
            self.loads.append(found.get("src") or found.get("href", ""))
        if tag == "img" and not found.get("alt"):
            self.mute.append(found.get("src", "")[:60])


def complaints(pages: Path = PAGES) -> Iterator[str]:
    """Every link that leads nowhere, everything that is loaded from elsewhere, every picture without words."""
    read = {path.resolve(): Page(path) for path in sorted(pages.rglob("*.html"))}
    if len(read) < 3:
        yield f"{pages}: there are no pages"
    for path, page in read.items():
        where = path.relative_to(pages.resolve())
        yield from (f"{where}: the picture {name} has no alternative text" for name in page.mute)
        yield from (f"{where}: {what} is loaded from elsewhere" for what in page.loads if "//" in what[:8])
        for link in page.links:
            if not leads_somewhere(link, path, read):
                yield f"{where}: the link {link} leads nowhere"


def leads_somewhere(link: str, page: Path, read: dict[Path, Page]) -> bool:
    """Whether a link is to the outside, or to a page and a place that are there."""
    address, name = urldefrag(link)
    if ":" in address.split("/")[0]:
        return True
    target = (page.parent / unquote(address)).resolve() if address else page
    if target not in read:
        return target.is_file()
    return not name or unquote(name) in read[target].names


def main() -> int:
    """Build and check; 1 with one line for each thing that is wrong."""
    kernel = "--no-kernel" not in sys.argv[1:]
    gather(kernel)
    if build():
        return 1
    forward()
    from page_kernel import assemble  # beside this file, as pinned is
    from pinned import Unavailable

    try:
        if kernel:
            assemble(PAGES / "_static" / "kernel")
    except Unavailable as reason:
        shutil.rmtree(PAGES)
        print(f"no kernel for the first page: {reason}; without it: make site SITE_ARGS=--no-kernel", file=sys.stderr)
        return 1
    wrong = list(complaints())
    print(*wrong, sep="\n")
    if not wrong:
        print(f"{PAGES.relative_to(ROOT)}/index.html")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
