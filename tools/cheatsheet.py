"""Print the cheat sheet, docs/cheatsheet.md, as one page: docs/cheatsheet.pdf. Needs Chromium: make cheatsheet

The web version shows the same file as a page. The title of the PDF ends with a mark of the text that it was made from.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
SOURCE, PDF = ROOT / "docs" / "cheatsheet.md", ROOT / "docs" / "cheatsheet.pdf"
STYLE = """
body { font: 8.6pt/1.32 "DejaVu Sans", Arial, sans-serif; margin: 0; color: #111 }
h1 { font-size: 14pt; margin: 0 0 4pt } h2 { font-size: 10pt; margin: 7pt 0 2pt; border-bottom: 0.6pt solid #999 }
p { margin: 2pt 0 } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: 1pt 5pt 1pt 0; border-bottom: 0.3pt solid #ccc }
th:empty { padding: 0 } pre { background: #f3f3f3; padding: 3pt 5pt; margin: 3pt 0 } code, pre { font-size: 7.9pt }
code { font-family: "DejaVu Sans Mono", monospace }
"""


def mark(text: str) -> str:
    """Eight letters by which a text is known again."""
    return sha256(text.encode()).hexdigest()[:8]


def page(text: str) -> str:
    """The sheet as HTML that stands alone."""
    head = f"<title>TCP self-connection: cheat sheet {mark(text)}</title><style>{STYLE}</style>"
    body = MarkdownIt().enable("table").render(text)
    return f'<!doctype html><html lang="en"><meta charset="utf-8">{head}{body}</html>'


def main() -> None:
    """Print it with the browser of the tests."""
    sys.path.insert(0, str(ROOT))
    from tests.e2e import browser

    with browser.chromium() as chromium, browser.page(chromium) as sheet:
        sheet.set_content(page(SOURCE.read_text(encoding="utf-8")))
        margin = dict.fromkeys(("top", "bottom", "left", "right"), "12mm")
        sheet.pdf(path=PDF, format="A4", margin=margin)
    print(PDF.relative_to(ROOT))


if __name__ == "__main__":
    main()
