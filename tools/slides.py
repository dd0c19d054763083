"""Make slides of the lessons, for the projector: make slides, then open build/slides/01_preconditions.html

Each slide asks; the answer, the stored output of the cell, comes with the next key. Exercises and their solutions are
left out. Everything that a page loads lies beside it: reveal.js is fetched once (pinned.py).

python tools/slides.py [NOTEBOOK...]      these lessons; none: all
"""

from __future__ import annotations

import re
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from nbconvert import SlidesExporter
from pinned import Pin, Unavailable

ROOT = Path(__file__).parents[1]
SLIDES = ROOT / "build" / "slides"
REVEAL = Pin("reveal.js", "5.2.1", "https://registry.npmjs.org/reveal.js/-/reveal.js-5.2.1.tgz",
             "359b575dd51bbda32f89b2fd4c7dc46ad7389a805572158916c29252f7a27333")  # fmt: skip
LEFT_OUT = ("## What you need", "## Exercises", "### Exercise", "## Next")  # sections, to the next heading
WIDGETS = "application/vnd.jupyter.widget-view+json"
TALL = {"text/html", "image/svg+xml", "image/png"}
# nbconvert's own template loads scripts from elsewhere. No lesson has formulas; of a widget its picture is shown.
TEMPLATE = """{%- extends 'reveal/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_css -%}<style>
:root { --jp-code-font-size: 21px; --jp-content-font-size1: 24px; --jp-cell-prompt-width: 0px }
.reveal .slides section { text-align: left; max-height: 100%; overflow-y: auto }
.reveal h1, .reveal h2 { text-transform: none !important; font-size: 1.4em !important }
.reveal p, .reveal li, .reveal table { font-size: 26px; line-height: 1.4 }
.reveal pre { width: 100%; box-shadow: none; white-space: pre-wrap }
.reveal img, .reveal svg { max-height: 500px }
.reveal .jp-OutputArea .jp-RenderedHTMLCommon { zoom: 1.4 }
.jp-InputPrompt, .jp-OutputPrompt, details { display: none }
</style>{%- endblock -%}
{%- block output_group -%}
<div{% if not cell.metadata.answer %} class="fragment"{% endif %}>{{ super() }}</div>
{%- endblock -%}
{%- block footer_js -%}
<script src="reveal.js/dist/reveal.js"></script>
<script>
  Reveal.initialize({ hash: true, slideNumber: true, width: 1280, height: 800, margin: 0.03, center: false })
</script>
{%- endblock -%}"""


def parts(cells: list[nbformat.NotebookNode]) -> Iterator[nbformat.NotebookNode]:
    """Yield the cells that a class needs, those of text parted where a section begins or a question is asked."""
    left_out = False
    for cell in cells:
        if cell.cell_type != "markdown":
            if not left_out:
                yield from shown(cell)
            continue
        for text in re.split(r"\n(?=## |### |\*\*Predict)", cell.source):
            if text.startswith("#"):
                left_out = text.startswith(LEFT_OUT)
            if text.strip() and not left_out:
                yield nbformat.v4.new_markdown_cell(text)


def shown(cell: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    """Yield a cell of code; where its outputs need room, once more with them."""
    for output in cell.outputs:
        output.get("data", {}).pop(WIDGETS, None)
    if not any(TALL & one.get("data", {}).keys() for one in cell.outputs):
        yield cell
        return
    yield nbformat.v4.new_code_cell(cell.source)
    cell.metadata["answer"] = True
    yield cell


def slides(path: Path) -> nbformat.NotebookNode:
    """Return a lesson whose cells say what begins a slide: each section, each question, each text after an answer."""
    book = nbformat.read(path, 4)
    book.cells, before = list(parts(book.cells)), ""
    for cell in book.cells:
        if cell.cell_type == "markdown":
            follows = before == "markdown" and cell.source.startswith("**Predict")
            kind = "slide" if cell.source.startswith("#") else "-" if follows else "subslide"
        else:
            kind = "subslide" if cell.metadata.get("answer") or before == "answer" else "-"
        cell.metadata["slideshow"] = {"slide_type": kind}
        before = "answer" if cell.metadata.get("answer") else cell.cell_type
    book.metadata.pop("widgets", None)
    return book


def page(path: Path) -> str:
    """Return the page of a lesson's slides."""
    loader = DictLoader({"slides.html.j2": TEMPLATE})
    exporter = SlidesExporter(extra_loaders=[loader], template_file="slides.html.j2", reveal_theme="white")
    exporter.reveal_url_prefix = "reveal.js"
    return str(exporter.from_notebook_node(slides(path), {"metadata": {"name": path.stem}})[0])


def main(names: list[str]) -> None:
    """Write the slides of these lessons."""
    shutil.rmtree(SLIDES, ignore_errors=True)
    with tarfile.open(REVEAL.fetch()) as archive:
        wanted = [one for one in archive if one.name.startswith(("package/dist/", "package/LICENSE"))]
        archive.extractall(SLIDES, wanted)  # checksummed
    (SLIDES / "package").rename(SLIDES / "reveal.js")
    for path in map(Path, names) if names else sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        (SLIDES / f"{path.stem}.html").write_text(page(path), encoding="utf-8")
        print(SLIDES / f"{path.stem}.html")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Unavailable as reason:
        sys.exit(f"no slides: {reason}")
