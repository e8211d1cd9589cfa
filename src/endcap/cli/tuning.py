"""`endcap tune`: a training profile searched for on validation."""

import os
from pathlib import Path
from typing import Annotated

import typer

from endcap.cli.options import SHOP, ShopOption
from endcap.errors import InvalidRequest

INTERRUPTED = 130
tuning = typer.Typer(rich_markup_mode=None)


@tuning.command()
def tune(
    context: typer.Context,
    protocol: Annotated[
        str, typer.Option(help="next-basket or time-split; with --data also next-item, leave-one-out.")
    ],
    split: Annotated[
        str, typer.Option(help="ISO date on which the test begins: nothing from it on is looked at.")
    ] = "",
    data: Annotated[Path | None, typer.Option(help="A folder with events.parquet, instead of a shop.")] = None,
    exclude_current: Annotated[
        bool, typer.Option("--exclude-current", help="next-item: never propose the session's last item.")
    ] = False,
    minutes: Annotated[float, typer.Option(min=0, help="How long to search; a trial under way is finished.")] = 30,
    trials: Annotated[
        int, typer.Option(min=0, help="At most so many of each source, for results that repeat; 0: by time alone.")
    ] = 0,
    out: Annotated[Path, typer.Option(help="The profile to write (TOML).")] = Path("profile.toml"),
    study: Annotated[
        Path | None, typer.Option(help="What was tried, to go on from (SQLite); beside --out unless given.")
    ] = None,
    shop: ShopOption = SHOP,
) -> None:
    """Search settings of sources, quotas and ranker on validation; write the best as a training profile."""
    from rich.console import Console

    from endcap import app as root
    from endcap.cli.terminal import stages

    if data is None and exclude_current:
        raise InvalidRequest("--exclude-current is for a data set in a folder; name one with --data, or leave it out")
    source = context.get_parameter_source("shop")
    if data is not None and source is not None and source.name == "COMMANDLINE":
        raise InvalidRequest(f"--data {data} and --shop {shop} are given; expected one of them: leave one out")
    sought = root.Sought(minutes, trials, out, study)
    with stages() as report:
        if data is None:
            found = root.tune(root.open_shop(shop, os.environ), (protocol, split), sought, report)
        else:
            asked = root.Sampled(data, protocol, split, exclude_current=exclude_current)
            found = root.tune_data(asked, sought, report)
    Console(width=max(Console().width, 100)).print(found.summary)
    typer.echo(f"written: {out}; what was tried: {sought.file}")
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)
