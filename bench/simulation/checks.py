"""What a simulated shop proves of the product, seed by seed: no gain where there is none, intervals that hold, a story.

    python bench/simulation/checks.py --seeds 100 --stories 200 --jobs 2

- **null**: in the null shop each layer above popularity has a significant positive gain in at most 7 of 100 seeds.
- **truth**: the interval of each layer's gain in NDCG@10 holds the truth in at least 90 of 100 seeds.
- **story**: whoever looked at outdoor gear for adults and now looks at things for kids finds kids' outdoor items in the
  first ten in at least 90 % of the seeds; without the session's sources and features, in at most 10 %.

Every seed is a shop of its own, imported and evaluated as any shop is; of the stories twenty share one.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeAlias

from endcap import app
from endcap.simulation import EVERY_EFFECT, NO_EFFECT, Size, write_shop
from stories import told

END: Final = date(2026, 11, 1)
DAYS: Final = 14
"""So many days at the end are asked."""
METRIC: Final = "ndcg@10"
NULL: Final = (300, 20_000)
SMALL: Final = (300, 12_000)
STORY: Final = (1_500, 100_000)
"""Items and lines of the shops of each check."""
STORIES: Final = 20


Finding: TypeAlias = Mapping[str, list[bool]]
"""What was found in one shop, by name."""


class Row(NamedTuple):
    """How often something was found, of how many, and whether that is right."""

    name: str
    found: int
    of: int
    right: bool


class Shop(NamedTuple):
    """A simulated shop, imported, in a folder."""

    opened: app.Shop
    world: Path


def made(folder: Path, seed: int, size: tuple[int, int], *, null: bool = False) -> Shop:
    """The shop of `seed`, imported by the commands that import any shop."""
    app.initialise(folder, "EUR", "UTC")
    shop = app.open_shop(folder, {})
    written = write_shop(folder / "files", seed, END, Size(*size), NO_EFFECT if null else EVERY_EFFECT)
    for feed in written.feeds:
        app.import_catalog(shop, feed, written.catalog_mapping, _untold)
    app.import_events(shop, written.events, written.events_mapping, _untold)
    return Shop(shop, written.world)


def ladder(shop: Shop, folder: Path, *, truth: bool) -> Mapping[str, Any]:
    """The JSON of `endcap evaluate`."""
    found = folder / "ladder.json"
    split = (END - timedelta(days=DAYS)).isoformat()
    outputs = app.Outputs(json=found)
    app.evaluate(shop.opened, ("time-split", split), outputs, _silent, None, shop.world if truth else None)
    told: Mapping[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return told


def null(seed: int) -> Finding:
    """By layer above popularity: whether its gain over the row above is significant and positive."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = ladder(made(folder, seed, NULL, null=True), folder, truth=False)
    return {layer["name"]: [layer["gain"][METRIC]["low"] > 0] for layer in found["layers"] if layer["gain"]}


def truth(seed: int) -> Finding:
    """By layer above popularity: whether the interval of its gain over the row above holds the truth."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        layers = ladder(made(folder, seed, SMALL), folder, truth=True)["layers"]
    held = {}
    for above, layer in pairwise(layers):
        low, high = (layer["gain"][METRIC][bound] for bound in ("low", "high"))
        held[layer["name"]] = [low <= layer["true"][METRIC] - above["true"][METRIC] <= high]
    return held


def story(block: int) -> Finding:
    """Of twenty stories in one shop: whether kids' outdoor items are in the first ten, with the session and without."""
    with tempfile.TemporaryDirectory() as name:
        return told(made(Path(name), 1_000 + block, STORY).opened, range(block * STORIES, (block + 1) * STORIES))


class Check(NamedTuple):
    """What is found in one shop, and the shares of True that are right, by name ("": all)."""

    work: Callable[[int], Finding]
    right: Mapping[str, tuple[float, float]]

    def judged(self, found: list[Finding]) -> list[Row]:
        """A row for each name."""
        rows = []
        for name, values in _rows(found):
            least, most = self.right.get(name) or self.right[""]
            count, of = sum(values), len(values)
            rows.append(Row(name, count, of, least * of <= count <= most * of))
        return rows


CHECKS: Final = (
    Check(null, {"": (0, 0.07)}),
    Check(truth, {"": (0.9, 1)}),
    Check(story, {"session": (0.9, 1), "no session": (0, 0.1)}),
)


def main(words: Sequence[str] | None = None) -> int:
    """Run the checks; 1 where one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--stories", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", choices=[check.work.__name__ for check in CHECKS])
    given = parser.parse_args(words)
    began, passed = perf_counter(), True
    # Spawned, since a process that is forked from one with threads may wait for a lock for ever.
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        mapped = map if given.jobs == 1 else pool.map
        for check in [each for each in CHECKS if given.only in (None, each.work.__name__)]:
            count = given.stories // STORIES if check.work is story else given.seeds
            found = _awaited(mapped(check.work, range(1, count + 1)), check.work.__name__, count)
            for row in check.judged(found):
                passed &= row.right
                line = f"{check.work.__name__:6s} {row.name:18s} {row.found:4d} of {row.of:4d}"
                print(f"{line}  {'as it must be' if row.right else 'NOT as it must be'}", flush=True)
    print(f"{perf_counter() - began:.0f} s")
    return 0 if passed else 1


def _awaited(coming: Iterable[Finding], check: str, count: int) -> list[Finding]:
    """All that is coming, counted on standard error."""
    found = []
    for each in coming:
        found.append(each)
        print(f"\r{check}: {len(found)} of {count} shops", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def _rows(found: list[Finding]) -> list[tuple[str, list[bool]]]:
    """By name, what was found in all shops."""
    return [(name, [one for each in found for one in each[name]]) for name in found[0]]


def _untold(done: int, of: int | None) -> None:
    """Nobody watches one of two hundred imports."""


def _silent(words: str) -> None:
    """Nobody watches one of two hundred evaluations."""


if __name__ == "__main__":
    sys.exit(main())
