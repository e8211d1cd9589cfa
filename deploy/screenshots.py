"""Screenshots of the storefront: every page at the width of a desk and of a phone, as PNG files in a folder.

Makes a demo shop in the folder, unless one stands there or the address of a server is given. Needs Chromium and
Playwright, which the extra `dev` has; `make screenshots` runs it.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS: Final = (1280, 390)
CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--address", help="of a storefront that runs, such as http://127.0.0.1:8765")
    asked = parser.parse_args()
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        parser.error(f"none of {', '.join(CHROMIUM)} is installed")
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.address:
        take_all(found, asked.address.rstrip("/"), asked.folder)
    else:
        with demo(asked.folder / "shop") as address:
            take_all(found, address, asked.folder)


@contextmanager
def demo(shop: Path) -> Iterator[str]:
    """The address of a demo shop in `shop`, which is made if it does not stand there."""
    command = [sys.executable, "-m", "endcap", "demo", "--shop", str(shop)]
    environ = {**os.environ, "ENDCAP_SERVING__PORT": "0", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environ, text=True, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own
        lines = process.stdout or ()
        address = next((found[1] for line in lines if (found := re.fullmatch(r" *(http://\S+)/\n", line))), None)
        if address is None:
            sys.exit("the demo shop did not come up; see above")
        try:
            yield address
        finally:
            process.send_signal(signal.SIGINT)


def take_all(chromium: str, address: str, folder: Path) -> None:
    """Every page at every width."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        for width in WIDTHS:
            take(browser, address, folder, width)
        browser.close()


def take(browser: Browser, address: str, folder: Path, width: int) -> None:
    """Walk through the shop as the first profile, and keep each page whole."""
    context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    page = context.new_page()

    def keep(name: str) -> None:
        settle(page)
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)

    page.goto(f"{address}/as/new")
    keep("home-new-visitor")
    page.goto(f"{address}/as/guest-0")
    keep("home")
    page.locator("details.switch summary").click()
    keep("switch")
    page.goto(page.locator(".rail .why").first.evaluate("link => link.href"))
    keep("why")
    page.goto(f"{address}/")
    page.goto(page.locator("header nav a").first.evaluate("link => link.href"))
    keep("category")
    page.locator(".grid .ware").first.click()
    keep("product")
    page.locator("button.buy").click()
    keep("cart")
    page.goto(f"{address}/search?q=trekking+tnet")
    page.locator(".narrow summary").click()
    keep("search")
    for name in ("recent", "compare", "p/nothing"):
        page.goto(f"{address}/{name}")
        keep(name.replace("/", "-"))
    context.close()


def settle(page: Page) -> None:
    """Let every picture come, also those far down."""
    page.evaluate("document.querySelectorAll('img').forEach(each => { each.loading = 'eager' })")
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main()
