"""`endcap health`: what a shop's data is like and what its gaps cost."""

import os
from pathlib import Path
from typing import Annotated

import typer

from endcap.cli.options import SHOP, ShopOption


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
