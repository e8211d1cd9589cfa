"""`endcap health` and `endcap audit`: what a shop's data is like, what its gaps cost, what better lists could do."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from endcap.cli.options import SHOP, ShopOption

if TYPE_CHECKING:
    from endcap import ingest

reports = typer.Typer(rich_markup_mode=None)


@reports.command()
def health(
    json: Annotated[Path | None, typer.Option("--json", help="Write the findings as JSON.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML page.")] = None,
    shop: ShopOption = SHOP,
) -> None:
    """Say how complete and plausible the shop's data is, and what each gap costs."""
    from rich.console import Console

    from endcap import app as root
    from endcap.cli.terminal import stages

    with stages() as report:
        found = root.health(root.open_shop(shop, os.environ), root.Pages(json, html), report)
    Console(width=max(Console().width, 100)).print(found)
    for written in filter(None, (json, html)):
        typer.echo(f"written: {written}")


@reports.command()
def audit(
    feed: Annotated[Path, typer.Argument(help="The product feed.")],
    events: Annotated[Path, typer.Argument(help="What shoppers did: events or orders.")],
    catalog_map: Annotated[Path | None, typer.Option(help="Mapping file of the feed, if it is not recognised.")] = None,
    events_map: Annotated[Path | None, typer.Option(help="Mapping file of the events, if not recognised.")] = None,
    out: Annotated[Path, typer.Option(help="The HTML page to write.")] = Path("audit.html"),
    currency: Annotated[str, typer.Option(help="ISO 4217 code; the feed's unless given.")] = "",
    timezone: Annotated[str, typer.Option(help="IANA zone of times that have no offset.")] = "UTC",
    shop: Annotated[Path | None, typer.Option("--shop", help="Keep the shop in this new folder.")] = None,
) -> None:
    """Say on one page what better lists could do for a shop, measured on its own feed and events."""
    from rich.console import Console

    from endcap import app as root
    from endcap.cli.terminal import stages

    files, terms = root.Files(feed, events, catalog_map, events_map), root.Terms(currency, timezone, shop)
    with stages() as stage:
        summary = root.audit(files, terms, out, root.Told(stage, _imported))
    Console(width=max(Console().width, 100)).print(summary)
    typer.echo(f"written: {out}")


def _imported(file: Path, import_: "Callable[[ingest.Report], ingest.Summary]") -> "ingest.Summary":
    from endcap.cli.terminal import import_summary, progress

    with progress(f"importing {file.name}") as report:
        summary = import_(report)
    typer.echo(f"{file.name}: {import_summary('records', summary)}")
    return summary
