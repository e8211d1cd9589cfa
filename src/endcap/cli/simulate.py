"""`endcap simulate`: a made-up shop of any size as files, with the shape of its history beside that of real shops."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from endcap.errors import InvalidRequest


def simulate(
    out: Annotated[Path, typer.Option(help="A folder that is not there yet or empty.")],
    items: Annotated[int, typer.Option(min=100, max=10_000_000, help="How many items the shop sells.")] = 5_000,
    events: Annotated[
        int, typer.Option(min=1_000, max=1_000_000_000, help="How many lines of events, whole people, or a few more.")
    ] = 300_000,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Another seed, another shop.")] = 1,
    end: Annotated[str, typer.Option(help="ISO date as which history ends (UTC); today without.")] = "",
    null: Annotated[
        bool, typer.Option("--null", help="A shop in which all items are alike to everybody: nothing to learn.")
    ] = False,
) -> None:
    """Write the catalog, its changes and the events of a shop that does not exist, with mappings to import them."""
    from endcap.cli.terminal import progress
    from endcap.simulation import EVERY_EFFECT, NO_EFFECT, REAL, Size, figures, write_shop

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidRequest(f"{out} is no empty folder; name one that is not there yet with --out")
    try:
        day = date.fromisoformat(end) if end else datetime.now(UTC).date()
    except ValueError:
        raise InvalidRequest(f"--end {end} is no ISO date; write one such as 2026-11-01") from None
    with progress("acts") as report:
        written = write_shop(out, seed, day, Size(items, events), NO_EFFECT if null else EVERY_EFFECT, report)
    typer.echo(f"{written.items:,} items and {written.lines:,} lines of events are in {out}. Their shape:")
    for name, here, real in zip(REAL._fields, figures(written.events), REAL, strict=True):
        typer.echo(f"  {name.replace('_', ' '):15} {here:5.2f}   real shops {real:5.2f}")
