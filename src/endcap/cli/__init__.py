"""The commands. Each imports what it runs when it runs, so that none pays for another's libraries.

Exit codes: 0 done; 1 `doctor` found a failure; 2 a wrong call or an error that Endcap explains on one line; 130 Ctrl-C.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn

import typer

from endcap.cli import privacy
from endcap.cli.keys import keys
from endcap.cli.options import SHOP, ShopOption
from endcap.cli.reports import reports
from endcap.cli.simulate import simulate
from endcap.cli.tuning import tuning
from endcap.errors import EndcapError, InvalidRequest

INTERRUPTED: Final = 130
"""The exit code of Ctrl-C."""
NICE: Final = 10
"""By so much a refresh steps back behind the server beside it."""

app = typer.Typer(
    name="endcap",
    help="A hybrid recommender for e-commerce: from a product feed and a click stream to ranked lists.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
imports = typer.Typer(
    help="Read a catalog or events: feeds and exports as they are, any other table through a mapping file.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(imports, name="import")
app.command()(simulate)

app.add_typer(reports)
app.add_typer(tuning)
app.add_typer(keys, name="keys")
app.command()(privacy.erase)
app.command()(privacy.export)


@app.command()
def init(
    shop: ShopOption = SHOP,
    currency: Annotated[str, typer.Option(help="ISO 4217 code of the base currency.")] = "EUR",
    timezone: Annotated[str, typer.Option(help="IANA zone of times that have no offset.")] = "UTC",
) -> None:
    """Make a shop: settings, policy and keys in one folder. Asks nothing and overwrites nothing."""
    from endcap import app as root

    minted = root.initialise(shop, currency, timezone)
    typer.echo(f"{shop} is ready: settings in endcap.toml, decisions in policy.toml, keys (keep them secret) in keys/.")
    typer.echo("API keys, shown this once (`endcap keys` makes others):")
    for key, token in minted:
        typer.echo(f"  {key.scope:<12} {token}")
    typer.echo(f"Next: endcap import catalog FEED --shop {shop}")


@imports.command("catalog")
def import_catalog(
    file: Annotated[
        Path, typer.Argument(help="A Merchant feed (TSV, CSV, XML), JSON, JSON-LD or Parquet; may be packed with gzip.")
    ],
    map: Annotated[  # noqa: A002 - the option's name
        Path | None, typer.Option("--map", help="A mapping file (TOML), for a file with names of its own.")
    ] = None,
    mode: Annotated[
        Literal["update", "full"], typer.Option(help="full: what the file lacks is sold no more.")
    ] = "update",
    force: Annotated[bool, typer.Option("--force", help="Import even if unlikely much would change.")] = False,
    rates: Annotated[Path | None, typer.Option(help="Exchange rates (TOML or CSV) for other currencies.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of text that is not UTF-8, such as cp1252.")] = None,
    shop: ShopOption = SHOP,
) -> None:
    """Import items, prices and stocks. The same file twice changes nothing."""
    from endcap import app as root
    from endcap.cli.terminal import import_summary, progress

    options = root.Options(mode, force, rates, encoding)
    with progress(f"importing {file.name}") as report:
        summary = root.import_catalog(root.open_shop(shop, os.environ), file, map, report, options)
    typer.echo(import_summary("changes", summary))


@imports.command("events")
def import_events(
    file: Annotated[Path, typer.Argument(help="GA4 or Segment export, or any table with a mapping; packed or not.")],
    map: Annotated[  # noqa: A002 - the option's name
        Path | None, typer.Option("--map", help="A mapping file (TOML), for a file with names of its own.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of text that is not UTF-8, such as cp1252.")] = None,
    shop: ShopOption = SHOP,
) -> None:
    """Import what shoppers did. The same file twice changes nothing."""
    from endcap import app as root
    from endcap.cli.terminal import import_summary, progress

    with progress(f"importing {file.name}") as report:
        summary = root.import_events(root.open_shop(shop, os.environ), file, map, report, encoding)
    typer.echo(import_summary("events", summary))


@app.command()
def train(shop: ShopOption = SHOP) -> None:
    """Learn from all history; publish a signed snapshot and label it current."""
    from endcap import app as root
    from endcap.cli.terminal import stages

    with stages() as report:
        version = root.train(root.open_shop(shop, os.environ), report)
    typer.echo(f"snapshot {version} is published and current; a running server takes it within seconds.")


@app.command()
def refresh(shop: ShopOption = SHOP) -> None:
    """Bring new and changed items into every list without training; a running server does it by itself."""
    from endcap import app as root
    from endcap.cli.terminal import stages

    with suppress(AttributeError, OSError):
        os.nice(NICE)
    with stages() as report:
        version = root.refresh(root.open_shop(shop, os.environ), report)
    if version is None:
        typer.echo("the current snapshot knows all of the catalog already.")
    else:
        typer.echo(f"snapshot {version} is published and current; a running server takes it within seconds.")


@app.command()
def evaluate(
    context: typer.Context,
    protocol: Annotated[
        str, typer.Option(help="next-basket or time-split; with --data also next-item, leave-one-out, rerank.")
    ],
    split: Annotated[str, typer.Option(help="ISO date that parts history from cases, in the shop's time zone.")] = "",
    data: Annotated[Path | None, typer.Option(help="A folder with events.parquet, instead of a shop.")] = None,
    candidates: Annotated[
        Path | None, typer.Option(help="rerank: Parquet with case_id and item_ids, what is ranked for whom.")
    ] = None,
    exclude_current: Annotated[
        bool, typer.Option("--exclude-current", help="next-item: never propose the session's last item.")
    ] = False,
    fold_validation: Annotated[
        bool, typer.Option("--fold-validation", help="leave-one-out: learn from the validation items too.")
    ] = False,
    stage: Annotated[
        Literal["test", "validation"], typer.Option(help="What is asked: validation never looks at the test.")
    ] = "test",
    profile: Annotated[
        Path | None, typer.Option(help="A training profile (TOML), instead of the shop's or the default.")
    ] = None,
    world: Annotated[
        Path | None, typer.Option(help="time-split: the world.json of a simulated shop, for the truth of the figures.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the result as JSON.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="Write the best 100 items of each case as Parquet.")] = None,
    chart: Annotated[Path | None, typer.Option(help="Write a PNG chart.")] = None,
    shop: ShopOption = SHOP,
) -> None:
    """Say what each layer adds, measured on the shop's own history or on any data set (docs/evaluation.md)."""
    from rich.console import Console

    from endcap import app as root
    from endcap.cli.terminal import stages

    of_data = {"--candidates": candidates, "--exclude-current": exclude_current, "--fold-validation": fold_validation}
    given = [option for option, value in {**of_data, "--stage": stage != "test"}.items() if value]
    if data is None and given:
        raise InvalidRequest(f"{given[0]} is for a data set in a folder; name one with --data, or leave it out")
    source = context.get_parameter_source("shop")
    if data is not None and world is not None:
        raise InvalidRequest("--world is for a simulated shop, not for a data set (--data); leave one of them out")
    if data is not None and source is not None and source.name == "COMMANDLINE":
        raise InvalidRequest(f"--data {data} and --shop {shop} are given; expected one of them: leave one out")
    outputs = root.Outputs(json, predictions, chart)
    with stages() as report:
        if data is None:
            opened = root.open_shop(shop, os.environ)
            summary = root.evaluate(opened, (protocol, split), outputs, report, profile, world)
        else:
            asked = root.Sampled(data, protocol, split, candidates, stage, fold_validation, exclude_current, profile)
            summary = root.evaluate_data(asked, outputs, report)
    Console(width=max(Console().width, 100)).print(summary)
    for written in filter(None, outputs):
        typer.echo(f"written: {written}")


@app.command()
def recommend(
    placement: Annotated[str, typer.Option(help="A placement of the shop's policy.")] = "home",
    user: Annotated[str, typer.Option(help="The shop's own id of a logged-in person.")] = "",
    visitor: Annotated[str, typer.Option(help="The shop's own id of a visitor.")] = "",
    item: Annotated[
        list[str] | None, typer.Option(help="The page's item, or the cart's items; may be repeated.")
    ] = None,
    k: Annotated[int, typer.Option("--k", min=1, max=200, help="Places to fill.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print the answer of the HTTP interface.")] = False,
    shop: ShopOption = SHOP,
) -> None:
    """Print one list with titles, prices and reasons."""
    from endcap import app as root
    from endcap.cli.terminal import print_json, print_list

    if user and visitor:
        raise InvalidRequest(f"--user {user} and --visitor {visitor} are given; expected one of them: leave one out")
    wanted = {"placement": placement, "user_id": user, "visitor_id": visitor, "anchors": item or [], "k": k}
    answer = root.recommend(root.open_shop(shop, os.environ), wanted)
    if json:
        print_json(answer.answer)
    else:
        print_list(answer)


@app.command()
def explain(
    recommendation_id: Annotated[
        str, typer.Argument(help="As in the answer of `recommend --json` or of the HTTP interface.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print the answer of the HTTP interface.")] = False,
    shop: ShopOption = SHOP,
) -> None:
    """Print why a list was as it was: votes, features, drops and versions."""
    from endcap import app as root
    from endcap.cli.terminal import print_explanation, print_json

    answer = root.explain(root.open_shop(shop, os.environ), recommendation_id)
    if json:
        print_json(answer)
    else:
        print_explanation(answer)


@app.command()
def serve(
    shop: ShopOption = SHOP,
    host: Annotated[str | None, typer.Option(help="Instead of serving.host.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of serving.port; 0 takes a free one.")] = None,
) -> None:
    """Answer over HTTP until Ctrl-C."""
    from endcap import app as root

    given = {"ENDCAP_SERVING__HOST": host, "ENDCAP_SERVING__PORT": port}
    environ = {**os.environ, **{name: str(value) for name, value in given.items() if value is not None}}
    root.serve(root.open_shop(shop, environ), typer.echo, lambda address: typer.echo(f"ready: {address}/readyz"))


@app.command()
def doctor(shop: ShopOption = SHOP) -> None:
    """Check a shop: settings, keys, log, catalog, state, snapshot, policy, disk. Exit code 1 if something fails."""
    from endcap.cli.doctor import examine

    findings = examine(shop, os.environ)
    for finding in findings:
        typer.echo(f"{'PASS' if finding.passed else 'FAIL'}  {finding.check}: {finding.found}")
    raise typer.Exit(0 if all(finding.passed for finding in findings) else 1)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End instead of serving.")] = False,
    shop: Annotated[Path, typer.Option("--shop", help="Where the demo shop is made.")] = Path("demo-shop"),
) -> None:
    """Make a small shop, train, print what each layer adds and three lists, and serve it."""
    from endcap.cli.demo import show

    show(shop, serve_after=not once)


def main() -> None:
    """The console script: errors that Endcap explains become one line and exit code 2."""
    # Sums of more than one BLAS thread differ in the last bit from run to run; read when NumPy is first imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app(standalone_mode=True)
    except EndcapError as error:
        sys.stderr.write(f"endcap: {error}\n")
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # what Typer makes of Ctrl-C, without a word
            _end_interrupted()
        raise
    except KeyboardInterrupt:  # one that came where Typer does not wait for it
        _end_interrupted()


def _end_interrupted() -> NoReturn:
    """End with one line and its exit code; all that was begun has been left by now.

    Under `python -m`, an interrupt that hit a text run by `exec`, as where an import makes a dataclass, would end a
    process that says goodbye to Python by SIGINT, although it was answered (CPython's `exit_sigint`).
    """
    sys.stderr.write("endcap: interrupted\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
