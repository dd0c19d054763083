"""A real Chromium that can reach this machine only."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120_000  # milliseconds for whatever a page is to show: the machine may be busy
FLAGS = [
    "--headless",
    "--no-sandbox",  # Chromium refuses its sandbox to root; the page is our own
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def program() -> str | None:
    """The path of the installed browser, or None."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, without a page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page(browser: Browser, width: int = 1400, height: int = 1000, sharp: float = 1) -> Iterator[Page]:
    """An empty page, wide enough for a notebook and its figures, that shares nothing with others.

    `sharp` is how many pixels a picture of it has for each of its own.
    """
    context = browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=sharp)
    try:
        context.set_default_timeout(PATIENCE)
        yield context.new_page()
    finally:
        context.close()


def violations(page: Page, context: str | None = None, **options: Any) -> list[tuple[str, str, list[str]]]:
    """What axe finds wrong on the page, or in what `context` selects of it: the rule, its help, the first places."""
    found = Axe().run(page, context, {"resultTypes": ["violations"], **options}).response["violations"]
    return [(v["id"], v["help"], [node["html"][:200] for node in v["nodes"]][:3]) for v in found]
