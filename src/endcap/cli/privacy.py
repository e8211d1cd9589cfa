"""`endcap erase` and `endcap export`: one person's data."""

import os
from pathlib import Path
from typing import Annotated

import typer

from endcap.cli.options import SHOP, ShopOption

UserOption = Annotated[str, typer.Option("--user", metavar="ID", help="The shop's own id of a logged-in person.")]
VisitorOption = Annotated[str, typer.Option("--visitor", metavar="ID", help="The shop's own id of a visitor.")]


def erase(user: UserOption = "", visitor: VisitorOption = "", shop: ShopOption = SHOP) -> None:
    """Forget one person for good: events, decisions, state, in every file; older rows are refused from now on."""
    from endcap import app as root

    erased = root.erase(root.open_shop(shop, os.environ), root.Named(user, visitor))
    typer.echo(
        f"erased up to {erased.at}: {erased.records:,} records of events and decisions, {erased.lines:,} lines of the "
        f"lake; {erased.visitors:,} visitors were this person."
    )


def export(
    user: UserOption = "",
    visitor: VisitorOption = "",
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; standard output if not given.")] = None,
    shop: ShopOption = SHOP,
) -> None:
    """Write everything that is held about one person as JSON, and nothing about anybody else."""
    import json

    from endcap import app as root

    told = root.export(root.open_shop(shop, os.environ), root.Named(user, visitor))
    text = json.dumps(told, indent=2, ensure_ascii=False)
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
        typer.echo(f"written: {out} ({len(told['events']):,} events, {len(told['lists_shown']):,} lists)")
