from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from endcap.backends.db import Recorded
from endcap.backends.tables import INTERACTIONS
from endcap.domain.arrays import Floats
from endcap.domain.catalog import Change
from endcap.domain.events import Kind
from endcap.domain.ids import ItemKey
from endcap.domain.instants import DAY, HOUR, parse_day
from endcap.errors import GateRefused
from endcap.evaluation import Evaluation, Split, evaluate, to_json
from endcap.evaluation.ladder import _interactions
from endcap.policy import DEFAULT_POLICY, parse_policy
from endcap.training import Corpus

ITEMS, SHOPPERS, BASKETS = 40, 60, 8
SPLIT = Split("2011-10-01", parse_day("2011-10-01"))
POLICY = parse_policy(DEFAULT_POLICY)
TYPES = dict(zip(INTERACTIONS.names, INTERACTIONS.types, strict=True))


class Letters:
    """Counts letters: enough of an encoder for titles made of one letter."""

    dimension = 26

    def encode(self, texts: Sequence[str]) -> Floats:
        counts = np.array([[text.count(chr(97 + letter)) for letter in range(26)] for text in texts], np.float32)
        lengths = np.linalg.norm(counts, axis=1, keepdims=True)
        vectors: Floats = np.divide(counts, lengths, out=np.zeros_like(counts), where=lengths > 0)
        return vectors

    def arrays(self) -> dict[str, Floats]:
        return {}


def basket(draw: np.random.Generator, shopper: int) -> list[int]:
    """Three of the ten items that the shopper's kind likes, and one of any."""
    liked = 10 * (shopper % 4) + draw.choice(10, 3, replace=False)
    return sorted({*liked.tolist(), int(draw.integers(ITEMS))})


def corpus(keys: Sequence[bytes]) -> Corpus:
    """Sixty shoppers of four tastes with a basket a month, the last one after the split; and one who came later."""
    draw = np.random.Generator(np.random.Philox(11))
    lines = []
    for shopper in range(SHOPPERS):
        for month in range(BASKETS):
            at = SPLIT.at + (month - BASKETS + 1) * 30 * DAY + shopper * HOUR
            lines += [(at, shopper, row) for row in basket(draw, shopper)]
    lines += [(SPLIT.at + HOUR, SHOPPERS, row) for row in (1, 2, 3)]
    return Corpus(
        table(lines, keys), changes(), tuple(ItemKey("item", f"sku{row}") for row in range(ITEMS)), 9, letters
    )


def silent(words: str) -> None:
    """Nobody reads it."""


def letters(texts: Sequence[str]) -> Letters:
    return Letters()


def changes() -> tuple[Recorded, ...]:
    return tuple(
        Recorded(row + 1, Change(row, 0, listed=True, price=100 + row, text={"title": chr(97 + row // 10)}))
        for row in range(ITEMS)
    )


def table(lines: list[tuple[int, int, int]], keys: Sequence[bytes]) -> pa.Table:
    lines = sorted(lines)
    count = len(lines)
    columns = {
        "offset": range(100, 100 + count), "line": [0] * count, "time": [at for at, _, _ in lines],
        "shopper": [keys[shopper] for _, shopper, _ in lines], "guest": [False] * count, "bot": [False] * count,
        "session": [0] * count,
        "basket": [1 + at * 100 + shopper for at, shopper, _ in lines], "kind": [int(Kind.PURCHASE)] * count,
        "row": [row for _, _, row in lines], "quantity": [1] * count, "price": [100] * count, "region": ["UK"] * count,
        "placement": [""] * count, "recommendation_id": [""] * count, "device": [""] * count, "referrer": [""] * count,
        "terms": [""] * count, "dwell": [0] * count, "scrolled": [0] * count,
    }  # fmt: skip
    return pa.table({name: pa.array(column, TYPES[name]) for name, column in columns.items()}, schema=INTERACTIONS)


def keys_from(seed: int) -> list[bytes]:
    draw = np.random.Generator(np.random.Philox(seed))
    return [draw.bytes(16) for _ in range(SHOPPERS + 1)]


def evaluated(keys: Sequence[bytes]) -> Evaluation:
    return evaluate(corpus(keys), "next-basket", SPLIT, POLICY, silent)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return evaluated(keys_from(1))


def test_a_shop_gives_the_ladder_in_order_with_the_hybrid_last(found: Evaluation) -> None:
    names = [layer.name for layer in found.layers]

    assert names[0] == "popularity"
    assert names[-1] == "hybrid"
    assert sorted([*names, *(layer.name for layer in found.left_out)]) == sorted(
        ["popularity", "collaborative", "content", "session", "hybrid"]
    )


def test_cases_are_the_shoppers_with_a_purchase_on_both_sides_of_the_split(found: Evaluation) -> None:
    assert found.cases == SHOPPERS
    assert set(found.predictions.counts.tolist()) == {ITEMS}
    assert 0 < found.discovery_cases <= SHOPPERS


def test_taste_is_found_by_the_layers_above_popularity(found: Evaluation) -> None:
    popularity, collaborative = found.layers[0].metrics["recall@10"], found.layers[1].metrics["recall@10"]

    assert collaborative.mean > popularity.mean + 0.2
    gain = found.layers[1].gain
    assert gain is not None
    assert gain["recall@10"].low > 0


def test_every_source_of_the_hybrid_has_a_candidate_recall(found: Evaluation) -> None:
    assert {"popularity", "personal", "cooccurrence", "pool"} <= set(found.candidates)
    assert found.candidates["pool"] == 1
    assert 0.5 < found.candidates["personal"] <= 1


def test_other_shopper_keys_give_the_same_json_and_the_same_lists(found: Evaluation) -> None:
    other = evaluated(keys_from(2))

    assert to_json(other) == to_json(found)
    assert other.layers == found.layers
    assert other.predictions.rows.tolist() == found.predictions.rows.tolist()
    assert set(other.predictions.cases).isdisjoint(found.predictions.cases)


def test_only_an_interaction_before_the_split_keeps_an_item_from_being_cold() -> None:
    lines = table([(SPLIT.at - 1, 0, 7), (SPLIT.at - 1, 0, 7), (SPLIT.at - 1, 1, 9), (SPLIT.at, 0, 8)], keys_from(1))
    kinds = pa.array([Kind.VIEW, Kind.VIEW, Kind.IMPRESSION, Kind.VIEW], pa.uint8())
    shown = replace(
        corpus(keys_from(1)), interactions=lines.set_column(lines.column_names.index("kind"), "kind", kinds)
    )

    assert np.flatnonzero(_interactions(shown, SPLIT.at)).tolist() == [7]
    assert _interactions(shown, SPLIT.at)[7] == 2


@pytest.mark.parametrize(
    ("day", "complaint"), [("2031-10-01", "no shopper has history before 2031-10-01"), ("2001-10-01", "import events")]
)
def test_a_split_outside_the_history_is_refused_with_the_remedy(day: str, complaint: str) -> None:
    with pytest.raises(GateRefused, match=complaint):
        evaluate(corpus(keys_from(1)), "next-basket", Split(day, parse_day(day)), POLICY, silent)
