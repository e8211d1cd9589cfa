"""Tables of the benchmark: floors, peers, the product's layers and its hybrid, beside what is published.

    python bench/quality/table.py diginetica --out diginetica.json
    python bench/quality/table.py amazon-beauty --sample 1000 --no-peers

Converts a data set where that is not done yet, fits floors and peers here, and runs `endcap evaluate --data` as a user
would. The hybrid's figures are those of its predictions by `score.py`, the layers' those that `endcap` tells. A sample
cannot be compared with what is published, so there it is left out.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from cases import Task
from convert import OUT, SHARED, Missing, convert
from endcap.metrics import Interval, paired_gain
from measure import Figures, figures, places, summed_up
from product import Evaluated, Failed, evaluate
from report import HYBRID, Found, Kind, Row, known, printed
from score import Refused, scored
from tables import RUNS, TABLES, Method, Run

Measured: TypeAlias = tuple[Row, Figures]

ROUNDING: Final = 2e-6
"""How far figures of six decimals may be from those they were rounded from."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was told."""

    shared: Path
    out: Path
    sample: int | None
    peers: bool
    product: bool


def measure_run(name: str, asked: Asked, product: Evaluated | None) -> Found:
    """Fit and measure floors and peers on the test cases of the run `name`, and beside them what `product` found."""
    run = RUNS[name]
    task = run.cut(convert(run.source, asked.shared, asked.out, asked.sample), "test")
    plain = [_measured(label, "floor", method, task) for label, method in run.floors.items()]
    if asked.peers:
        plain += [_measured(label, "peer", method, task) for label, method in run.peers.items()]
    if product is None:
        return Found(name, len(task.cases), len(task.items), [row for row, _ in plain])
    told = list(_told(run, product))
    hybrid = _hybrid(product, task) if run.lists == "mixed" else (replace(told[-1], kind="hybrid"), {})
    best = max(plain, key=lambda one: one[0].means[known(name).figures[-1]])
    return Found(
        name,
        len(task.cases),
        len(task.items),
        [*(row for row, _ in plain), *told[:-1], hybrid[0]],
        over=best[0].name,
        gains=_gains(hybrid[1], best[1], task),
        candidates=product.told.get("candidates") or {},
        notes=(*_checked(told[-1], hybrid[0]), *_spent(product)),
    )


def _measured(label: str, kind: Kind, method: Method, task: Task) -> Measured:
    began = time.perf_counter()
    score = method.fit(task)
    fitted = time.perf_counter()
    found = figures(task.cases.wanted, places(score, task.cases), len(task.cases))
    ended = time.perf_counter()
    print(f"{label}: {ended - began:.0f} s", file=sys.stderr, flush=True)
    case_ms = 1_000 * (ended - fitted) / len(task.cases)
    return replace(_row(label, kind, found, task), fit_s=fitted - began, case_ms=case_ms), found


def _row(label: str, kind: Kind, found: Figures, task: Task) -> Row:
    intervals = summed_up(found, task.cases.unit)
    return Row(label, kind, {name: interval.mean for name, interval in intervals.items()}, intervals)


def _told(run: Run, product: Evaluated) -> Iterator[Row]:
    which = "metrics" if run.lists == "mixed" else "discovery"
    for layer in product.told["layers"]:
        yield Row(layer["name"], "layer", layer[which] or {}, {})


def _hybrid(product: Evaluated, task: Task) -> Measured:
    found = scored(product.predictions, task)
    return _row(HYBRID, "hybrid", found, task), found


def _gains(hybrid: Figures, over: Figures, task: Task) -> dict[str, Interval]:
    if not hybrid:
        return {}
    values, below = (np.column_stack(list(found.values())) for found in (hybrid, over))
    return dict(zip(over, paired_gain(values, below, task.cases.unit), strict=True))


def _checked(told: Row, scored_row: Row) -> Iterator[str]:
    """Whether the product's own figures are those of its predictions."""
    apart = {name: value for name, value in told.means.items() if abs(value - scored_row.means[name]) > ROUNDING}
    if apart:
        yield f"endcap's own figures DIFFER from those of its predictions: {apart}"


def _spent(product: Evaluated) -> Iterator[str]:
    spent = f"{product.wall_s:.0f} s, of these {product.learned_s:.0f} s until cases were ranked"
    yield f"`{' '.join(product.command)}`: {spent}; at most {product.peak_mb:,.0f} MB"
    if product.times:
        yield product.times


def make(table: str, asked: Asked) -> Iterator[Found]:
    """Every run of `table`; runs with the same options share one run of the product."""
    products: dict[tuple[str, ...], Evaluated] = {}
    for name in TABLES[table]:
        run = RUNS[name]
        directory = convert(run.source, asked.shared, asked.out, asked.sample)
        if asked.product and run.options not in products:
            files = asked.out / "results" / (name if asked.sample is None else f"{name}-{asked.sample}")
            products[run.options] = evaluate(directory, run.source, run.options, files)
        yield measure_run(name, asked, products.get(run.options))


def main() -> None:
    """Print the tables that are named; exit code 1 where one of them cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "tables", nargs="+", choices=(*TABLES, "all"), metavar="TABLE", help=", ".join((*TABLES, "all"))
    )
    parser.add_argument("--sample", type=int, help="about as many test sessions or shoppers")
    parser.add_argument("--no-peers", action="store_true", help="floors and the product alone")
    parser.add_argument("--no-product", action="store_true", help="floors and peers alone")
    parser.add_argument("--out", type=Path, help="write all of it as JSON")
    parser.add_argument("--shared", type=Path, default=SHARED, help="the public data sets (%(default)s)")
    parser.add_argument("--work", type=Path, default=OUT, help="where directories and results stand (%(default)s)")
    given = parser.parse_args()
    asked = Asked(given.shared, given.work, given.sample, not given.no_peers, not given.no_product)
    made, refused = [], False
    for table in TABLES if "all" in given.tables else given.tables:
        try:
            for found in make(table, asked):
                made.append(asdict(found))
                print("\n".join(printed(found, compared=asked.sample is None)), flush=True)
        except (Missing, Failed, Refused) as error:
            print(f"table.py: {table}: {error}", file=sys.stderr)
            refused = True
    if given.out:
        given.out.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    sys.exit(refused)


if __name__ == "__main__":
    main()
