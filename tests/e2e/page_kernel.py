"""The kernel in the first page, in a real browser: make site-test, which builds the pages first.

It is no part of make test: a processor is imitated, which takes a busy machine minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Page, Request

from . import browser
from .lab import ROOT

PAGES = ROOT / "build" / "site" / "html"
STATUS = "document.querySelector('[data-status]').textContent"
WIDTHS = (390, 768, 1280)


class Quiet(SimpleHTTPRequestHandler):
    """Serves the pages without a word."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the built pages are served."""
    assert (PAGES / "_static" / "kernel" / "kernel.json").is_file(), "build the pages first: make site"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(PAGES))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


@pytest.fixture
def page(address: str, chromium: browser.Browser) -> Iterator[Page]:
    """The first page, as it is before anything is pressed."""
    with browser.page(chromium, 1280, 1000) as opened:
        opened.goto(address)
        yield opened


def until(page: Page, start: str) -> str:
    """Wait until the box says something that begins so, and return it."""
    page.wait_for_function(f"{STATUS}.startsWith({start!r})")
    return str(page.inner_text("[data-status]"))


def test_press_and_it_meets_itself(page: Page) -> None:
    """It loads nothing before; then it meets itself in 40000-40099 and in the default range, and hears what it says."""
    loads: list[Request] = []
    page.on("requestfinished", lambda one: loads.append(one))
    page.wait_for_selector("[data-weight]:not(:empty)")
    assert [one.url for one in loads if "/kernel/" in one.url and not one.url.endswith("kernel.json")] == []
    began = time.monotonic()
    page.click("[data-start]")
    said = until(page, "Connected")
    seconds, loaded = time.monotonic() - began, sum(one.sizes()["responseBodySize"] for one in loads)
    print(f"\n{said} {seconds:.1f} s after the press, {loaded:,} bytes")
    assert 0 < loaded <= 12_000_000
    own = ("blob:", "data:", page.url.removesuffix("index.html"))
    assert [one.url for one in loads if not one.url.startswith(own)] == []
    assert page.inner_text("[data-names]").count("127.0.0.1:40000") == 2
    page.fill("[name=text]", "who is there?")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-heard]:not(:empty)")
    assert page.inner_text("[data-heard]") == "read back: who is there?"
    while True:  # 100,000 tries miss with chance 3 in 10,000: then it says so, and one dials again
        page.click("[data-try='40000 32768-60999']")
        page.wait_for_function(f"/^(Connected|No )/.test({STATUS})")
        if page.inner_text("[data-status]").startswith("Connected"):
            break
        assert "By chance: dial again." in page.inner_text("[data-status]")
    print(page.inner_text("[data-status]"))
    assert "the last one meets 40000" in str(page.get_attribute("canvas", "aria-label"))


def test_by_keyboard_alone_an_odd_port_is_stopped_and_explained(page: Page) -> None:
    """Enter on the button starts it; 33333 is dialled and stopped by keys; the reason is the parity."""
    page.focus("[data-start]")
    page.keyboard.press("Enter")
    until(page, "Connected")
    page.focus("[data-try='33333 32768-60999']")
    page.keyboard.press("Enter")
    page.wait_for_function(f"/tries, all refused/.test({STATUS})")
    page.focus("[data-stop]")
    page.keyboard.press("Enter")
    assert "33333 is none of them" in until(page, "No self-connection")
    for typed, complaint in {"0": "port '0': give", "7e4": "port '7e4': give", "": "port '': give"}.items():
        page.fill("[name=port]", typed)
        page.keyboard.press("Enter")
        assert until(page, complaint).endswith("a number from 1 to 65535")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_every_width_and_axe_is_content(page: Page, theme: str) -> None:
    """No sideways scrolling at a phone's width, and no violation in the box, in both themes, after a dial."""
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.click("[data-start]")
    until(page, "Connected")
    page.evaluate("for (const one of document.querySelectorAll('#page-kernel details')) one.open = true")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 1000})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert browser.violations(page, "#page-kernel") == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_is_content_with_every_page(chromium: browser.Browser, theme: str) -> None:
    """At a phone's width, in both themes; make test looks at the lessons in the dark one alone, since it takes long."""
    files = [path for path in PAGES.rglob("*.html") if "_static" not in path.parts]
    pages = [path for path in files if 'http-equiv="refresh"' not in path.read_text()]
    assert len(pages) > 25
    with browser.page(chromium, width=390) as page:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        for path in pages:
            page.goto(path.as_uri())
            assert browser.violations(page, preload=False) == [], path.name


def test_without_webassembly_it_says_so(address: str, chromium: browser.Browser) -> None:
    """One sentence, and a button that cannot be pressed."""
    with browser.page(chromium) as page:
        page.add_init_script("delete globalThis.WebAssembly")
        page.goto(address)
        assert "no kernel can run" in until(page, "This browser has no WebAssembly")
        assert page.is_disabled("[data-start]")


@pytest.mark.parametrize(
    ("file", "body", "complaint"),
    [("v86.wasm", None, "The kernel cannot be had: v86.wasm"), ("initrd.bin", "x" * 30, "The kernel")],
)
def test_what_cannot_be_had_is_told(page: Page, file: str, body: str | None, complaint: str) -> None:
    """A file that is gone, or is another one, ends it with the reason, and the button is there again."""
    page.route(f"**/{file}", lambda route: route.fulfill(status=200, body=body) if body else route.abort())
    page.click("[data-start]")
    assert until(page, complaint).endswith("Press Start to begin again.")
    assert page.is_enabled("[data-start]")


def test_a_kernel_that_panics_says_its_last_lines(page: Page) -> None:
    """Without its program the kernel stops; what it printed last is shown."""
    size = (PAGES / "_static" / "kernel" / "initrd.bin").stat().st_size
    page.route("**/initrd.bin", lambda route: route.fulfill(status=200, body=b"\0" * size))
    page.click("[data-start]")
    assert "Kernel panic" in until(page, "The kernel stopped.")
