"""Writes a picture of a page for the documentation: python tests/page_picture.py PAGE.html PICTURE.png"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def take(page: Page, layer: int, path: Path) -> None:
    """The top of an open page, with a layer that is chosen."""
    page.locator(f'.node[data-layer="{layer}"]').dispatch_event("click")
    page.locator(".layer pre").first.wait_for()
    # The page moves to the network, smoothly.
    page.wait_for_timeout(600)
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    page.screenshot(path=path)


def main() -> None:
    from playwright.sync_api import sync_playwright

    source, path = map(Path, sys.argv[1:])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1180}, color_scheme="light")
        page.goto(source.resolve().as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        take(page, 5, path)
        browser.close()


if __name__ == "__main__":
    main()
