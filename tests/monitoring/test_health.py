"""The health of a hand-written shop, each figure known beforehand."""

import json

import numpy as np
import pyarrow as pa
import pytest

from endcap.backends.db import Recorded
from endcap.backends.tables import INTERACTIONS
from endcap.domain.catalog import SINCE_EVER, Change
from endcap.domain.events import Kind
from endcap.domain.ids import ItemKey
from endcap.domain.instants import DAY, HOUR, MINUTE, SECOND
from endcap.monitoring import Health, Surroundings, examine, gaps_of, health_page, percent, summary, to_json
from endcap.monitoring.health import Class, Share, Stub, classes
from endcap.training import Corpus

T = 1_700_000_000_000 // DAY * DAY + 9 * HOUR
AROUND = Surroundings(T + 100 * DAY, "EUR", {"price is not a number": 2})

Line = tuple[str, int, Kind, int, int]
"""Shopper, time, kind, row, price."""


def table(rows: list[Line], guests: str = "", offsets: list[int] | None = None) -> pa.Table:
    """INTERACTIONS with one event a line, unless `offsets` says which lines are one event."""
    none = [""] * len(rows)
    return pa.table(
        {
            "offset": offsets or list(range(1, len(rows) + 1)),
            "line": [0] * len(rows),
            "time": [row[1] for row in rows],
            "shopper": pa.array([row[0].encode().ljust(16) for row in rows], pa.binary(16)),
            "guest": [row[0] in guests for row in rows],
            "bot": [row[0] == "r" for row in rows],
            "session": [0] * len(rows),
            "basket": [0] * len(rows),
            "kind": pa.array([int(row[2]) for row in rows], pa.uint8()),
            "row": pa.array([row[3] for row in rows], pa.int32()),
            "quantity": pa.array([1] * len(rows), pa.int32()),
            "price": [row[4] for row in rows],
            "region": pa.array(none).dictionary_encode(),
            "placement": pa.array(none).dictionary_encode(),
            "recommendation_id": none,
            **{name: pa.array(none).dictionary_encode() for name in ("device", "referrer", "terms")},
            **{name: pa.array([0] * len(rows), pa.uint8()) for name in ("dwell", "scrolled")},
        },
        schema=INTERACTIONS,
    )


def items(*ids: str) -> list[ItemKey]:
    return [ItemKey("item", each) for each in ids]


def changes(*told: Change) -> list[Recorded]:
    return [Recorded(offset, change) for offset, change in enumerate(told, 1)]


@pytest.fixture
def health() -> Health:
    """Three items of a feed, one of them delisted, and a stub that is the first with another case."""
    keys = [*items("A1", "B2", "C3", "a1", "zz"), ItemKey("group", "G")]
    told = changes(
        Change(0, SINCE_EVER, listed=True, price=1000, stock=3, brand="Lumen", category=("Home",), group=5,
               text={"title": "Lamp", "image_link": "x"}),
        Change(1, SINCE_EVER, listed=True, text={"title": "Chair"}, stock=0, group=5),
        Change(2, SINCE_EVER, listed=True, price=500),
        Change(2, T, listed=False),
    )  # fmt: skip
    rows: list[Line] = [
        ("a", T, Kind.VIEW, 0, -1),
        ("a", T + MINUTE, Kind.PURCHASE, 0, 2000),
        ("a", T + 3 * DAY, Kind.PURCHASE, 1, 700),
        ("a", T + 4 * DAY, Kind.REFUND, 0, -1),
        ("b", T + 9 * DAY, Kind.VIEW, 3, -1),
        ("b", T + 9 * DAY + SECOND, Kind.PURCHASE, 4, -1),
        ("c", T + 9 * DAY, Kind.REFUND, 2, -1),
    ]
    return examine(table(rows, guests="c"), keys, told, AROUND)


def test_the_catalog_is_counted_by_what_feeds_and_events_told(health: Health) -> None:
    catalog = health.catalog
    assert (catalog.items, catalog.listed, catalog.unlisted, catalog.stubs) == (3, 2, 1, 2)
    assert (catalog.groups, catalog.variants, catalog.sellable) == (1, 2, 1)
    assert catalog.traded == Share(2, 2)
    assert catalog.activity == (Class("1", 1), Class("2-5", 1), Class("6-20", 0), Class("21-100", 0), Class("101+", 0))
    missing = {each.attribute: (each.items.count, each.lines.count) for each in catalog.missing}
    assert missing == {
        "title": (0, 0), "price": (1, 1), "category": (1, 1), "brand": (1, 1),
        "image": (1, 1), "description": (2, 4), "stock": (0, 0),
    }  # fmt: skip


def test_time_is_counted_in_days_and_the_longest_pause_is_named(health: Health) -> None:
    traffic = health.traffic
    assert (traffic.events, traffic.lines, traffic.days, traffic.quiet_days) == (7, 7, 10, 6)
    assert traffic.kinds == {"view_item": 2, "purchase": 3, "refund": 2}
    assert (traffic.longest_pause_days, traffic.longest_pause_from) == (4, "2023-11-19")


def test_shoppers_sessions_and_orders_are_told_apart(health: Health) -> None:
    people = health.people
    assert (people.shoppers, people.guests, people.returning) == (2, 1, Share(1, 3))
    assert (people.sessions, people.one_item_sessions) == (5, Share(4, 5))
    assert (people.orders, people.lines_per_order, people.shoppers_with_two_orders) == (3, 1.0, 1)


def test_the_join_names_unknown_ids_and_those_that_differ_in_case_alone(health: Health) -> None:
    assert health.join.lines == Share(5, 7)
    assert health.join.nearly == Share(1, 7)
    assert health.join.stubs == (Stub("a1", 1), Stub("zz", 1))


def test_refunds_views_and_prices_are_held_against_each_other(health: Health) -> None:
    found = health.plausibility
    assert (found.refunds_matched, found.purchases_viewed) == (Share(1, 2), Share(1, 3))
    assert (found.priced_orders, found.price_ratio) == (Share(2, 3), 2.0)
    assert (found.future, found.long_ago, found.resolution) == (0, 0, "second")


def test_json_terminal_and_page_tell_the_same_figures(health: Health) -> None:
    told = json.loads(to_json(health))
    assert told["join"]["lines"] == {"count": 5, "all": 7}
    page = health_page(health, "<b>shop</b>")
    assert "71 %" in page
    assert "&lt;b&gt;shop&lt;/b&gt;" in page
    assert summary(health)


def _gaps(health: Health) -> dict[str, str]:
    return {gap.name: gap.cost for gap in gaps_of(health)}


def test_every_gap_says_what_it_costs_in_this_shops_figures(health: Health) -> None:
    costs = _gaps(health)
    assert costs["events that join no item"] == (
        "29 % of event lines (2 of 7) join no item of the catalog: 2 unknown ids cannot be shown, "
        "and what their shoppers wanted is lost"
    )
    assert costs["no price"] == (
        "price features off: what a shopper spends is not known, lists show no price and margin cannot count "
        "(50 % of listed items have none; 25 % of what shoppers did was at these items)"
    )
    assert costs["unmatched refunds"] == "50 % of refund lines (1) follow no purchase of the same shopper and item"
    assert costs["rows in quarantine"].endswith("most often: price is not a number (2)")
    assert next(iter(gaps_of(health))).grade == "high"


def test_a_whole_shop_lacks_little(corpus: Corpus) -> None:
    whole = examine(corpus.interactions, corpus.keys, corpus.changes, AROUND._replace(quarantined={}))
    assert "events that join no item" not in _gaps(whole)
    assert "no title" not in _gaps(whole)
    assert "no price" not in _gaps(whole)


def test_an_empty_shop_has_two_gaps_of_full_weight() -> None:
    empty = examine(INTERACTIONS.empty_table(), [], [], AROUND._replace(quarantined={}))
    assert [(gap.name, gap.weight) for gap in gaps_of(empty)] == [("no catalog", 1.0), ("no events", 1.0)]
    assert health_page(empty, "empty")
    assert summary(empty)


def test_haste_and_width_make_a_bot_and_a_large_order_does_not() -> None:
    keys = items(*(f"i{n}" for n in range(600)))
    hasty: list[Line] = [("h", T + n * 900, Kind.VIEW, 0, -1) for n in range(61)]
    brisk: list[Line] = [("k", T + n * 1000, Kind.VIEW, 0, -1) for n in range(60)]
    wide: list[Line] = [("w", T + n * 20 * SECOND, Kind.VIEW, n % 501, -1) for n in range(502)]
    order: list[Line] = [("o", T, Kind.PURCHASE, n, -1) for n in range(600)]
    flagged: list[Line] = [("r", T, Kind.VIEW, 0, -1)]
    found = examine(table(hasty + brisk + wide + order + flagged), keys, [], AROUND).people
    assert (found.bots, found.bot_lines) == (3, Share(1 + 2 + 1, 61 + 60 + 502 + 600 + 1))


def _at(times: list[int]) -> Health:
    return examine(table([("a", time, Kind.VIEW, 0, -1) for time in times]), items("A"), [], AROUND)


@pytest.mark.parametrize(
    ("times", "gap"),
    [
        ([T // DAY * DAY + n * DAY for n in range(5)], "dates without times"),
        ([T + 200 * DAY, T], "impossible times"),
        ([T // 1000, T], "impossible times"),
        ([T + n * MINUTE for n in range(1100)] + [T - DAY] * 1001, "a burst at one instant"),
    ],
)
def test_odd_clocks_are_named(times: list[int], gap: str) -> None:
    assert gap in _gaps(_at(times))
    assert gap not in _gaps(_at([T + n * HOUR for n in range(5)]))


def test_lines_of_one_record_are_one_event() -> None:
    rows: list[Line] = [("a", T, Kind.PURCHASE, 0, -1), ("a", T, Kind.PURCHASE, 1, -1), ("a", T, Kind.VIEW, 0, -1)]
    found = examine(table(rows, offsets=[1, 1, 2]), items("A", "B"), [], AROUND)
    assert (found.traffic.events, found.traffic.lines) == (2, 3)
    assert found.traffic.kinds == {"view_item": 1, "purchase": 1}


@pytest.mark.parametrize("kinds", [(Kind.VIEW,), (Kind.PURCHASE,)])
def test_what_a_shop_does_not_send_is_named(kinds: tuple[Kind, ...]) -> None:
    rows: list[Line] = [("a", T + n * HOUR, kind, 0, -1) for n in range(5) for kind in kinds]
    costs = _gaps(examine(table(rows), items("A"), [], AROUND))
    assert ("no views" in costs, "no purchases" in costs) == (Kind.VIEW not in kinds, Kind.PURCHASE not in kinds)


def test_classes_hold_everybody_once() -> None:
    counts = np.arange(300)
    assert sum(each.count for each in classes(counts)) == 300


@pytest.mark.parametrize(("value", "words"), [(0.0, "0 %"), (0.0001, "0.1 %"), (0.025, "2.5 %"), (0.999, "99.9 %")])
def test_no_share_is_rounded_to_nothing_or_everything(value: float, words: str) -> None:
    assert percent(value) == words
