"""`endcap demo`: a small made-up shop from nothing to lists one can judge, and a server to ask for more."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import typer
from rich.console import Console

from endcap import app
from endcap.cli.terminal import import_summary, print_list, progress, stages
from endcap.errors import InvalidRequest

SEED: Final = 1
SPLIT_DAYS: Final = 3
K: Final = 8


def show(folder: Path, serve_after: bool) -> None:
    """Make the shop in `folder` unless it stands there, print ladder and lists, serve."""
    from endcap.simulation import write_shop

    if (folder / app.SETTINGS).exists():
        raise InvalidRequest(
            f"{folder} holds a shop already; remove it, or serve it with `endcap serve --shop {folder}`"
        )
    end = datetime.now(UTC).date()
    app.initialise(folder, "EUR", "UTC")
    shop = app.open_shop(folder, {})
    typer.echo("A shop that does not exist, the same on every run of a day:")
    written = write_shop(folder / "files", SEED, end)
    with progress("items") as report:
        items = app.import_catalog(shop, written.catalog, written.catalog_mapping, report)
    typer.echo(import_summary("changes", items))
    with progress("events") as report:
        events = app.import_events(shop, written.events, written.events_mapping, report)
    typer.echo(import_summary("events", events))
    split = (end - timedelta(days=SPLIT_DAYS)).isoformat()
    with stages() as report:
        summary = app.evaluate(shop, ("time-split", split), app.Outputs(), report)
        version = app.train(shop, report)
    Console(width=max(Console().width, 100)).print(summary)
    typer.echo(f"Snapshot {version} is published. Three people:\n")
    for guest in written.guests:
        wanted = {"placement": "home", "visitor_id": guest.visitor_id, "user_id": guest.user_id, "k": K}
        print_list(app.recommend(shop, wanted), guest.label)
    if serve_after:
        app.serve(shop, typer.echo, lambda address: typer.echo(_curl(address, written.guests[0].visitor_id)))
    else:
        typer.echo(f"The shop is in {folder}; serve it with: endcap serve --shop {folder}")


def _curl(address: str, visitor_id: str) -> str:
    body = f'{{"placement": "home", "visitor_id": "{visitor_id}", "k": 5}}'
    call = f"curl -s {address}/v1/recommendations -H 'Content-Type: application/json' -d '{body}'"
    return f"Ready. Ask it:\n\n  {call}\n\nCtrl-C ends."
