"""A real browser, the system's Chromium, and a website of plain pages; what goes wrong in a page fails the test."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
"""A person's: headless Chromium names itself, and its events would be a robot's."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium; skips the test where there is none, and fails it under `CI=true`."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        reason = f"no browser: none of {', '.join(CHROMIUM)} is installed (Debian's package is chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Website:
    """A shop's own pages, by path, on an origin of their own."""

    origin: str
    pages: dict[str, str] = field(default_factory=dict)

    def put(self, path: str, head: str, body: str) -> str:
        """The address of a page with this head and body."""
        start = "<!doctype html><html lang=en><meta charset=utf-8><title>A shop</title><link rel=icon href=data:,>"
        self.pages[path] = f"{start}{head}<body>{body}</body></html>"
        return self.origin + path


@contextmanager
def website() -> Iterator[Website]:
    """A website that serves what is put into it."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = site.pages.get(urlsplit(self.path).path, "")
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        site = Website(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Visit:
    """One shopper's browser: a context with its own storage. `wrong` is what a page should not have said or asked."""

    context: BrowserContext
    origins: tuple[str, ...]
    expected: str = "\0"
    wrong: list[str] = field(default_factory=list)

    def page(self, address: str) -> Page:
        """A tab that has loaded `address`."""
        tab = self.context.new_page()
        tab.goto(address)
        return tab

    def watch(self, tab: Page) -> None:
        """Hear what `tab` says and asks from now on."""
        tab.on("console", lambda said: self._note(said.text) if said.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: self._note(str(error)))
        tab.on("dialog", lambda dialog: self._note(f"dialog: {dialog.message}"))
        tab.on("request", self._asked)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((*self.origins, "data:", "blob:", "about:")):
            self._note(f"asked {request.url}")

    def _note(self, text: str) -> None:
        if self.expected not in text:
            self.wrong.append(text)


@contextmanager
def visiting(browser: Browser, *origins: str, width: int = 1280, scripts: bool = True) -> Iterator[Visit]:
    """A new shopper's browser, which may ask `origins` alone; its pages must say and ask nothing wrong."""
    context = browser.new_context(
        user_agent=AGENT, viewport={"width": width, "height": 800}, java_script_enabled=scripts, reduced_motion="reduce"
    )
    context.set_default_timeout(15_000)
    visit = Visit(context, origins)
    context.on("page", visit.watch)
    try:
        yield visit
    finally:
        context.close()
    assert visit.wrong == []
