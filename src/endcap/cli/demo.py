"""`endcap demo`: a small made-up shop from nothing to lists one can judge, and a server to ask for more."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console

from endcap import app
from endcap.cli.terminal import import_summary, print_list, progress, stages
from endcap.errors import GateRefused, InvalidRequest

if TYPE_CHECKING:
    from endcap.simulation import Guest

GUESTS: Final = app.GUESTS
"""Written last, so a demo shop that has it is finished."""
PAGES: Final = {"ENDCAP_SERVING__STOREFRONT": "true"}
"""A demo shop has pages, unless the environment says otherwise."""
SEED: Final = 1
SPLIT_DAYS: Final = 3
K: Final = 8


def show(folder: Path, serve_after: bool) -> None:
    """Make the demo shop in `folder` unless it stands there finished, print its lists, serve it."""
    from endcap.serving.web import listening

    finished = _finished(folder)
    if serve_after:
        serving = app.settings_of(folder if finished else None, PAGES | os.environ).serving
        listening(serving.host, serving.port, keyed=serving.keys == "required", pages=serving.storefront).close()
    if finished:
        typer.echo(f"{folder} holds a finished demo shop, shown again; remove the folder to make a new one.")
    else:
        _make(folder)
    shop, guests = app.open_shop(folder, PAGES | os.environ), _guests(folder)
    typer.echo("Three people:\n")
    for guest in guests:
        wanted = {"placement": "home", "visitor_id": guest.visitor_id, "user_id": guest.user_id, "k": K}
        print_list(app.recommend(shop, wanted), guest.label)
    if serve_after:
        token = app.relabelled(shop, "publishable", "demo").token
        admin = app.relabelled(shop, "admin", "demo operator").token
        app.serve(shop, typer.echo, lambda address: typer.echo(_ready(address, token, admin, guests[0].visitor_id)))
    else:
        typer.echo(f"The shop is in {folder}; serve it with: endcap serve --shop {folder}")


def _finished(folder: Path) -> bool:
    """Whether a finished demo shop stands in `folder`. Raises: InvalidRequest where another or half a shop does."""
    if not (folder / app.SETTINGS).exists():
        return False
    if not (folder / GUESTS).exists():
        raise InvalidRequest(
            f"{folder} holds a shop that is no finished demo shop: if an earlier `endcap demo` was broken off, remove "
            "the folder and start again; if it is a shop of yours, choose another --shop"
        )
    return True


def _guests(folder: Path) -> "list[Guest]":
    from endcap.simulation import Guest

    return [Guest(*guest) for guest in json.loads((folder / GUESTS).read_text(encoding="utf-8"))]


def _make(folder: Path) -> None:
    """From nothing to a published snapshot, with the ladder printed on the way."""
    from endcap.simulation import showcase, write_shop

    end = datetime.now(UTC).date()
    app.initialise(folder, "EUR", "UTC")
    shop = app.open_shop(folder, os.environ)
    typer.echo("A shop that does not exist, the same on every run of a day:")
    with progress("acts") as report:
        written = write_shop(folder / "files", SEED, end, report=report)
    for feed in written.feeds:
        with progress("items") as report:
            items = app.import_catalog(shop, feed, written.catalog_mapping, report)
        typer.echo(import_summary("changes", items))
    with progress("events") as report:
        events = app.import_events(shop, written.events, written.events_mapping, report)
    typer.echo(import_summary("events", events))
    split = (end - timedelta(days=SPLIT_DAYS)).isoformat()
    with stages() as report, _training(folder) as trained:
        summary = app.evaluate(shop, ("time-split", split), app.Outputs(), report, None, written.world)
        report("training, which goes on beside since then")
        version = trained()
    Console(width=max(Console().width, 100)).print(summary)
    (folder / GUESTS).write_text(json.dumps(showcase(folder / "files")), encoding="utf-8")
    typer.echo(version)


@contextmanager
def _training(folder: Path) -> Iterator[Callable[[], str]]:
    """`endcap train` in a process beside this one; the function given waits for its last line.

    Raises: GateRefused where it fails.
    """
    command = [sys.executable, "-m", "endcap", "train", "--shop", str(folder)]
    with subprocess.Popen(  # noqa: S603 - this very program
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:

        def done() -> str:
            said, wrong = child.communicate()
            if child.returncode:
                raise GateRefused(f"training beside the evaluation ended with {child.returncode}: {wrong.strip()}")
            return said.strip().splitlines()[-1]

        try:
            yield done
        finally:
            child.terminate()


def _ready(address: str, token: str, admin: str, visitor_id: str) -> str:
    body = f'{{"placement": "home", "visitor_id": "{visitor_id}", "k": 5}}'
    headers = f"-H 'Authorization: Bearer {token}' -H 'Content-Type: application/json'"
    call = f"curl -s {address}/v1/recommendations {headers} -d '{body}'"
    explore = f"See what lists are made of at {address}/explore, with the key\n\n  {admin}"
    return f"Ready. Look around:\n\n  {address}/\n\n{explore}\n\nOr ask it:\n\n  {call}\n\nCtrl-C ends."
