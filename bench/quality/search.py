"""Measure search on the searches of a simulated shop, whose truth is known.

    python bench/quality/search.py --stage test --out .bench/quality/search.json

What people searched for in ten days is asked again as it was typed, of a shop that has learned from all days before.
A list is graded by what a look at each item was worth to that person then (`true_gain`, purchases) times the share of
the sought words that the item has; the ideal list is the best of the whole catalog. `--stage validation` asks the ten
days before those of the test: weights are chosen there.
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from endcap import app
from endcap.domain.ids import ItemKey
from endcap.domain.instants import DAY, millis
from endcap.domain.requests import folded
from endcap.policy import Policy
from endcap.retrieval.index import fit_index
from endcap.retrieval.search import Search
from endcap.serving import Floor
from endcap.serving.calls import EventCall, ItemCall, RecommendationCall
from endcap.serving.lists import Chosen, decide
from endcap.simulation import write_shop
from endcap.simulation.assortment import leaves
from endcap.simulation.catalog import Period, Product
from endcap.simulation.shop import Size
from endcap.simulation.visits import Line, mistyped, words_of
from endcap.simulation.visits import Search as Scenery
from endcap.simulation.world import World, open_world
from endcap.snapshot import Snapshot

END: Final = date(2026, 11, 1)
DAYS: Final = 10
K: Final = 10
MOST_SENT: Final = 200
Doubles = NDArray[np.float64]
Lister = Callable[["Asked", str], list[int]]
"""The numbers of the products (from 0) that are listed for a search as it was typed, best first."""


class Asked(NamedTuple):
    """One search: who, as what user, what was done since the shop learned, and what was typed."""

    number: int
    user: str
    before: list[Line]
    search: Scenery
    typed: str


def main() -> None:
    """Print the table, and write it where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", choices=("test", "validation"), default="test")
    parser.add_argument("--items", type=int, default=5_000)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--personal", type=float, nargs="*", default=[], help="weights of the ranker to try as well")
    parser.add_argument("--shop", type=Path, help="where the shop is made, or stands from an earlier run")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    split = END - timedelta(days=DAYS * (1 if given.stage == "test" else 2))
    world = open_world(given.seed, given.items, Period(datetime.combine(END, time.min, UTC)))
    with TemporaryDirectory() as scratch:
        folder = given.shop or Path(scratch) / "shop"
        if not folder.exists():
            learn(folder, split, given.seed, Size(given.items, given.lines))
        asked = list(searches(world, given.lines, split))
        table = measured(folder, world, asked, given.personal)
    print(f"{given.stage}: {len(asked)} searches of {len({each.number for each in asked})} people from {split}")
    print(shown(table))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps({"stage": given.stage, "searches": len(asked), "table": table}, indent=1))


def learn(folder: Path, split: date, seed: int, size: Size) -> None:
    """Make the shop in `folder` and train it on what happened before `split`."""
    app.initialise(folder, "EUR", "UTC")
    shop = app.open_shop(folder, {})
    files = write_shop(folder / "files", seed, END, size)
    begin = datetime.combine(split, time.min, UTC)
    for path in files.feeds:
        pl.read_csv(path, infer_schema=False).filter(pl.col("time") < begin.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(
            path
        )
        app.import_catalog(shop, path, files.catalog_mapping, lambda *_: None)
    pl.read_parquet(files.events).filter(pl.col("time") < begin).write_parquet(files.events)
    app.import_events(shop, files.events, files.events_mapping, lambda *_: None)
    app.train(shop, print)


def searches(world: World, lines: int, split: date) -> Iterator[Asked]:
    """The searches within `DAYS` from `split`, of the people whose acts are the shop's events."""
    begin = millis(datetime.combine(split, time.min, UTC))
    drawn = 0
    for number in count():
        if drawn >= lines:
            return
        acts: list[Line] = []
        for visit in world.visits(number):
            typed = list(dict.fromkeys(line.search_term for line in visit.lines if line.search_term))
            if len(typed) == len(visit.searches):  # the same words twice in one visit cannot be told apart
                for search, words in zip(visit.searches, typed, strict=True):
                    if begin <= search.scene.at < begin + DAYS * DAY:
                        told = [line for line in [*acts, *visit.lines] if begin <= line.time < search.scene.at]
                        sent = [line for line in told if line.event not in ("view_item_list", "refund")]
                        yield Asked(number, visit.user, sent[-MOST_SENT:], search, words)
            acts += visit.lines
        drawn += len(acts)


def measured(folder: Path, world: World, asked: Sequence[Asked], weights: Sequence[float]) -> dict[str, dict[str, Any]]:
    """The table: by the name of a list its figures."""
    with closing(app.open_floor(app.open_shop(folder, {}), readonly=True)) as floor:
        snapshot, policy = floor.current(), floor.ground.policy()
        index = snapshot.search.index if snapshot.search else fit_index([])
        words = replace(snapshot, search=Search(index, np.zeros((0, 1), np.float32)))
        set_to = policy.placements["search"].personal
        listers: dict[str, Lister] = {
            "BM25 alone": plain(world, floor),
            "BM25F, spelling": lister(world, floor, words, weighted(policy, 0)),
            "hybrid: with vectors": lister(world, floor, snapshot, weighted(policy, 0)),
            f"hybrid, personalised ({set_to:g})": lister(world, floor, snapshot, policy),
            **{f"personal {each:g}": lister(world, floor, snapshot, weighted(policy, each)) for each in weights},
            "by the ranker alone": lister(world, floor, snapshot, weighted(policy, 1)),
        }
        grades = [graded(world, each) for each in asked]
        typed = [each.typed for each in asked]
        wrong = [misspelled(" ".join(sorted(words_of(sought(world, each))))) for each in asked]
        found, lost = (
            {
                name: [listed(each, text) for each, text in zip(asked, texts, strict=True)]
                for name, listed in listers.items()
            }
            for texts in (typed, wrong)
        )
    base = "hybrid: with vectors"
    return {name: figures(found[name], found[base], lost[name], grades) for name in listers}


def figures(
    lists: list[list[int]],
    base: list[list[int]],
    misspelled_: list[list[int]],
    grades: list[tuple[Doubles, Doubles, Doubles]],
) -> dict[str, Any]:
    """NDCG@10 of what was typed, against `base` pair by pair, by words and by worth alone; and of words misspelled."""
    both = np.array([ndcg(listed, grade[0]) for listed, grade in zip(lists, grades, strict=True)])
    against = np.array([ndcg(listed, grade[0]) for listed, grade in zip(base, grades, strict=True)])
    return {
        "ndcg": interval(both),
        "gain": interval(both - against),
        "words": float(np.mean([ndcg(listed, grade[1]) for listed, grade in zip(lists, grades, strict=True)])),
        "worth": float(np.mean([worth(listed, *grade[1:]) for listed, grade in zip(lists, grades, strict=True)])),
        "misspelled": interval(
            np.array([ndcg(listed, grade[0]) for listed, grade in zip(misspelled_, grades, strict=True)])
        ),
        "empty": float(np.mean([not listed for listed in lists])),
    }


def interval(values: Doubles) -> tuple[float, float]:
    """Mean, and half of its 95% interval."""
    return float(values.mean()), float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))


def ndcg(listed: list[int], grades: Doubles) -> float:
    """NDCG@10 with linear gains (Järvelin & Kekäläinen 2002)."""
    discount = 1 / np.log2(np.arange(2, K + 2))
    best = np.sort(grades)[::-1][:K]
    ideal = float(best @ discount[: len(best)])
    return float(grades[listed[:K]] @ discount[: len(listed[:K])]) / ideal if ideal > 0 else 0.0


def worth(listed: list[int], has: Doubles, gain: Doubles) -> float:
    """NDCG@10 of the person's own gain, where only items with all words are worth something."""
    return ndcg(listed, np.where(has >= 1, gain, 0))


def graded(world: World, asked: Asked) -> tuple[Doubles, Doubles, Doubles]:
    """Per product: gain times share of words, that share, and the gain; 0 for what cannot be bought then."""
    truth, scene = world.truth, asked.search.scene
    products = np.arange(len(truth.stock.products))
    there = (truth.stock.added < scene.at) & ~truth.sold_out(scene.at, products)
    gain = truth.true_gain(world.shopper(asked.number), scene, products).purchases * there
    words = words_of(sought(world, asked))
    has = np.array([len(words & words_of(product)) / len(words) for product in truth.stock.products]) * there
    return gain * has, has, gain


def sought(world: World, asked: Asked) -> Product:
    """The product whose words are searched for."""
    return world.truth.stock.products[asked.search.sought]


def misspelled(words: str) -> str:
    """`words` with two letters swapped; as they are where none can be."""
    tried = (mistyped(words, f"{attempt}") for attempt in range(500))
    return next((each for each in tried if each != words), words)


def weighted(policy: Policy, personal: float) -> Policy:
    """`policy` with another weight of the ranker in what a search finds."""
    placements = {**policy.placements, "search": replace(policy.placements["search"], personal=personal)}
    return Policy(f"{policy.version}-{personal:g}", placements)


def lister(world: World, floor: Floor, snapshot: Snapshot, policy: Policy) -> Lister:
    """What the product lists, by the way that serves."""
    first = world.truth.stock.products[0].number

    def listed(asked: Asked, typed: str) -> list[int]:
        me = world.shopper(asked.number)
        call = RecommendationCall(
            "search", visitor_id=me.visitor, user_id=asked.user, query=typed, k=K,
            session=[EventCall(line.event, line.time, [ItemCall(line.item_id)], session_id=line.session_id)
                     for line in asked.before],
        )  # fmt: skip
        floor.ground = replace(floor.ground, policy=lambda: policy)
        decision = decide(floor, snapshot, call, Chosen("search", asked.search.scene.at))
        return [int(floor.showcase.id(shown.row).partition("-")[0]) - first for shown in decision.slate]

    return listed


def plain(world: World, floor: Floor) -> Lister:
    """Okapi BM25 (k1 1.2, b 0.75, any of the words) over the words of all fields as one bag, of what can be sold."""
    products = world.truth.stock.products
    bags = [Counter(folded(" ".join(text_of(product)))) for product in products]
    sold = [sellable(floor, product) for product in products]
    lengths = np.array([sum(bag.values()) for bag in bags])
    postings: dict[str, list[int]] = defaultdict(list)
    for place, bag in enumerate(bags):
        for word in bag:
            postings[word].append(place)

    def listed(_: Asked, typed: str) -> list[int]:
        scores: Counter[int] = Counter()
        for word in dict.fromkeys(folded(typed)):
            idf = np.log(1 + (len(bags) - len(postings[word]) + 0.5) / (len(postings[word]) + 0.5))
            for place in postings[word]:
                times, length = bags[place][word], lengths[place] / lengths.mean()
                scores[place] += idf * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * length)) * sold[place]
        return [place for place, score in sorted(scores.items(), key=lambda each: (-each[1], each[0]))[:K] if score > 0]

    return listed


def text_of(product: Product) -> list[str]:
    """What the feed says of a product, each variant's colour and size once."""
    draft = product.draft
    variants = dict.fromkeys(word for colour, size, _ in product.variants for word in (colour, size))
    return [draft.title, draft.brand, leaves()[product.leaf].path, draft.material, draft.description, *variants]


def sellable(floor: Floor, product: Product) -> bool:
    """Whether the shop, as it is when it is asked, can sell it."""
    row = floor.rows.find(ItemKey("group" if len(product.variants) > 1 else "item", str(product.number)))
    return row is not None and bool(floor.shelf.available[row])


def shown(table: dict[str, dict[str, Any]]) -> str:
    """The table in Markdown."""
    head = "| | NDCG@10 | against hybrid | with all words, by worth | by words | misspelled | empty |"
    rows = [
        f"| {name} | {each['ndcg'][0]:.3f} ± {each['ndcg'][1]:.3f} | {each['gain'][0]:+.3f} ± {each['gain'][1]:.3f} | "
        f"{each['worth']:.3f} | {each['words']:.3f} | {each['misspelled'][0]:.3f} | {each['empty']:.1%} |"
        for name, each in table.items()
    ]
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows])


if __name__ == "__main__":
    main()
