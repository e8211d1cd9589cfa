"""A small fixed sample of every table: floors as a plain second computation finds them, and a hybrid above the lowest.

The samples are drawn from the public data sets beside the repository; without them these tests are skipped.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import log, log2
from pathlib import Path
from statistics import fmean

import polars as pl
import pytest

from convert import SHARED, convert
from product import evaluate
from report import known
from table import Asked, measure_run
from tables import RUNS, TABLES

SAMPLES = {"diginetica": 60, "amazon-beauty": 150, "online-retail": 60, "amazon-games-rerank": 60}
PRODUCT = ["diginetica", "amazon-beauty", "online-retail"]
GOLDEN: dict[str, dict[str, dict[str, float]]] = json.loads(Path(__file__).with_name("floors.json").read_text())

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the public data sets are not beside the repository")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("quality")


def floors(run: str, work: Path) -> dict[str, Mapping[str, float]]:
    """The means of every floor of `run` on the sample of its table."""
    table = next(table for table, runs in TABLES.items() if run in runs)
    found = measure_run(run, Asked(SHARED, work, SAMPLES[table], peers=False, product=False), None)
    return {row.name: row.means for row in found.rows}


@pytest.mark.parametrize("run", [run for runs in TABLES.values() for run in runs])
def test_the_floors_of_the_sample_are_what_they_were(run: str, work: Path) -> None:
    found = floors(run, work)

    shown = {name: {figure: round(means[figure], 6) for figure in known(run).figures} for name, means in found.items()}
    assert shown == GOLDEN[run]


@pytest.mark.parametrize("table", PRODUCT)
def test_the_hybrid_is_above_what_is_popular_and_its_figures_are_those_of_its_lists(table: str, work: Path) -> None:
    run = RUNS[table]
    directory = convert(run.source, SHARED, work, SAMPLES[table])
    product = evaluate(directory, run.source, run.options, work / table)

    found = measure_run(table, Asked(SHARED, work, SAMPLES[table], peers=False, product=True), product)

    popular, hybrid, figure = found.rows[0], found.rows[-1], known(table).figures[-1]
    assert (popular.kind, hybrid.kind) == ("floor", "hybrid")
    assert hybrid.means[figure] > popular.means[figure]
    assert [note for note in found.notes if "DIFFER" in note] == []
    assert "recall@20" in hybrid.intervals


# The plain second computation: one case at a time, sorted lists of dictionaries.


def hits(scores: Mapping[str, object], wanted: set[str]) -> list[bool]:
    """Which places of the list hold what is wanted; of equal scores the others come first."""
    others_first = sorted(scores, key=lambda item: item in wanted)
    return [item in wanted for item in sorted(others_first, key=lambda item: scores[item], reverse=True)]  # type: ignore[arg-type,return-value]


def recall(found: list[bool], wanted: set[str], k: int) -> float:
    return sum(found[:k]) / len(wanted)


def mrr(found: list[bool], k: int) -> float:
    return 1 / (found.index(True) + 1) if True in found[:k] else 0


def ndcg(found: list[bool], wanted: set[str], k: int) -> float:
    ideal = sum(1 / log2(place + 2) for place in range(min(k, len(wanted))))
    return sum(1 / log2(place + 2) for place, hit in enumerate(found[:k]) if hit) / ideal


def histories(directory: Path, key: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for unit, item in pl.read_parquet(directory / "events.parquet").sort("order").select(key, "item_id").iter_rows():
        found.setdefault(unit, []).append(item)
    return found


def test_floors_of_sessions_are_what_counting_by_hand_gives(work: Path) -> None:
    table = floors("diginetica", work)
    lines = pl.read_parquet(work / "diginetica-60" / "events.parquet")
    popular = Counter(lines.filter(pl.col("split") == "train")["item_id"])
    tests = set(lines.filter(pl.col("split") == "test")["session_id"])
    sessions = [items for unit, items in histories(work / "diginetica-60", "session_id").items() if unit in tests]
    found: dict[str, list[tuple[float, float]]] = {"popularity": [], "the session's own items": []}
    for had, wanted in ((items[:end], {items[end]}) for items in sessions for end in range(1, len(items))):
        first = {item: had.index(item) for item in had if item in popular}
        own = {item: (had.count(item), -first.get(item, 99), popular[item]) for item in popular}
        for name, scores in (("popularity", popular), ("the session's own items", own)):
            places = hits(scores, wanted)
            found[name].append((recall(places, wanted, 20), mrr(places, 20)))

    for name, cases in found.items():
        recalls, reciprocals = zip(*cases, strict=True)
        assert fmean(recalls) == pytest.approx(table[name]["recall@20"])
        assert fmean(reciprocals) == pytest.approx(table[name]["mrr@20"])


@pytest.mark.parametrize(("run", "held_back"), [("amazon-beauty", 2), ("amazon-beauty-fold-validation", 1)])
def test_the_floor_of_reviews_is_what_counting_by_hand_gives(run: str, held_back: int, work: Path) -> None:
    floor = floors(run, work)["popularity"]
    shoppers = histories(work / "amazon-beauty-150", "shopper_id").values()
    popular = Counter(item for items in shoppers for item in items[:-held_back])

    cases = [({item: popular[item] for item in popular if item not in items[:-1]}, {items[-1]}) for items in shoppers]
    places = [(hits(scores, wanted), wanted) for scores, wanted in cases]

    for k in (5, 10):
        assert fmean(recall(*each, k) for each in places) == pytest.approx(floor[f"recall@{k}"])
        assert fmean(ndcg(*each, k) for each in places) == pytest.approx(floor[f"ndcg@{k}"])


def test_floors_of_baskets_are_what_counting_by_hand_gives(work: Path) -> None:
    table, split = floors("online-retail", work), datetime(2011, 10, 1)
    lines = pl.read_parquet(work / "online-retail-60" / "events.parquet").filter(pl.col("event") == "purchase")
    lines = lines.with_columns(pl.col("time").min().over("basket_id")).unique(["basket_id", "item_id"])
    before, after = lines.filter(pl.col("time") < split), lines.filter(pl.col("time") >= split)
    recent = Counter(before.filter(pl.col("time") >= split - timedelta(days=90))["item_id"])
    everything = {item: recent[item] for item in before["item_id"]}
    found: dict[str, list[float]] = {"personal top-frequency": [], "popularity of 90 days": []}
    for (shopper,), own in before.group_by("shopper_id"):
        later = after.filter(pl.col("shopper_id") == shopper).sort("time", "basket_id")
        if len(later):
            wanted = set(later.filter(pl.col("basket_id") == later["basket_id"][0])["item_id"])
            counts = {item: (count, recent[item]) for item, count in Counter(own["item_id"]).items()}
            found["personal top-frequency"].append(recall(hits(counts, wanted), wanted, 20))
            found["popularity of 90 days"].append(recall(hits(everything, wanted), wanted, 20))

    for name, recalls in found.items():
        assert fmean(recalls) == pytest.approx(table[name]["recall@20"])


def test_words_of_titles_are_weighed_as_by_hand(work: Path) -> None:
    floor, directory = floors("amazon-games-rerank", work)["BM25 of titles"], work / "amazon-games-60"
    titles = dict(pl.read_parquet(directory / "catalog.parquet").iter_rows())
    words = {item: title.lower().split() for item, title in titles.items()}
    held = Counter(word for title in words.values() for word in set(title))
    length = fmean(map(len, words.values()))
    shoppers = histories(directory, "shopper_id")
    cases = []
    for case, candidates in pl.read_parquet(directory / "candidates.parquet").iter_rows():
        query = [word for item in shoppers[case][:-1][-10:] for word in words[item]]
        cases.append(
            (
                hits(
                    {item: sum(bm25(query, words[item], held, len(words), length)) for item in candidates},
                    {shoppers[case][-1]},
                ),
                {shoppers[case][-1]},
            )
        )

    assert fmean(ndcg(*each, 10) for each in cases) == pytest.approx(floor["ndcg@10"])


def bm25(query: list[str], title: list[str], held: Mapping[str, int], count: int, length: float) -> Iterator[float]:
    for word in query:
        times = title.count(word)
        idf = log(1 + (count - held[word] + 0.5) / (held[word] + 0.5))
        yield idf * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * len(title) / length))
