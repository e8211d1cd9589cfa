from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from endcap.domain.arrays import Floats, Rows
from endcap.domain.catalog import Change
from endcap.domain.requests import Request
from endcap.errors import GateRefused
from endcap.evaluation import Contender, Contest, Evaluation, LayerFigures, Split, measure, to_json
from endcap.evaluation.results import Chance
from endcap.ranking.calibration import Calibration
from endcap.state import NEWCOMER, KeptState, Shelf, State
from endcap.training import Case, LeftOut, Protocol

ITEMS = 60
SPLIT = Split("2011-10-01", 1_317_427_200_000)


class Ranked(NamedTuple):
    rows: Rows
    scores: Floats


Rank = Callable[[Request, State], Ranked]


def rows(numbers: Sequence[int]) -> Rows:
    return np.array(numbers, np.int32)


def by_order(order: Sequence[int]) -> Rank:
    """Everyone gets `order` without what the request excludes; scores fall by one."""

    def ranked(request: Request, state: State) -> Ranked:
        kept = rows([row for row in order if row not in request.exclude])
        return Ranked(kept, np.arange(len(kept), 0, -1).astype(np.float32))

    return ranked


def by_taste(request: Request, state: State) -> Ranked:
    """Each shopper gets all items from their seed's on."""
    return by_order(np.roll(np.arange(ITEMS), -request.seed).tolist())(request, state)


POPULARITY = Contender("popularity", by_order(range(ITEMS)))
HYBRID = Contender("hybrid", by_taste)


def stocked(listed: int) -> Shelf:
    shelf = Shelf()
    for row in range(ITEMS):
        shelf.apply(Change(row=row, at=0, listed=row < listed))
    return shelf


SHELF = stocked(58)


def case(number: int, targets: Sequence[int], bought: Sequence[int] = (), shopper: bytes = b"") -> Case:
    request = Request("home", SPLIT.at + number, number % ITEMS, 20, shopper=shopper or number.to_bytes(16, "big"))
    viewed = np.ones(len(targets), np.uint8)
    return Case(f"case {number}", request, State(NEWCOMER, SHELF), rows(targets), viewed, rows(bought))


def forty() -> list[Case]:
    """Targets near each shopper's taste and one item for all; one of them bought before."""
    return [
        case(number, sorted({(number + step) % ITEMS for step in (0, 3, 12)} | {1}), [(number + 3) % ITEMS])
        for number in range(40)
    ]


def silent(words: str) -> None:
    """Nobody reads it."""


def contest(
    *contenders: Contender, protocol: Protocol = "next-basket", proposals: Mapping[str, Rows] | None = None
) -> Contest:
    return Contest(
        protocol=protocol,
        split=SPLIT,
        contenders=contenders,
        left_out=(LeftOut("content", "no item has a text"),),
        propose=lambda request, state: proposals or {},
        interactions=np.r_[np.repeat(1, 50), np.repeat(0, ITEMS - 50)],
    )


def only(found: Evaluation) -> LayerFigures:
    assert len(found.layers) == 1
    return found.layers[0]


def test_every_layer_is_averaged_over_all_cases_in_the_order_of_the_ladder() -> None:
    found = measure(contest(POPULARITY, HYBRID), [case(0, [0, 59]), case(30, [30, 31])], silent)

    assert [layer.name for layer in found.layers] == ["popularity", "hybrid"]
    assert found.cases == 2
    assert found.layers[0].metrics["recall@10"].mean == (1 / 2 + 0) / 2
    assert found.layers[1].metrics["recall@10"].mean == (1 / 2 + 1) / 2
    assert found.left_out == (LeftOut("content", "no item has a text"),)


def test_gain_is_the_mean_difference_to_the_row_above() -> None:
    found = measure(contest(POPULARITY, HYBRID), forty(), silent)

    assert found.layers[0].gain is None
    gain = found.layers[1].gain
    assert gain is not None
    below, above = found.layers[1].metrics["recall@20"].mean, found.layers[0].metrics["recall@20"].mean
    assert gain["recall@20"].mean == pytest.approx(below - above)
    assert gain["recall@20"].low <= gain["recall@20"].mean <= gain["recall@20"].high


def test_gain_is_over_the_row_above_and_not_over_the_first() -> None:
    gains = [layer.gain for layer in measure(contest(POPULARITY, HYBRID, HYBRID), forty(), silent).layers]

    assert gains[1] is not None
    assert gains[2] is not None
    assert gains[1]["ndcg@10"].mean > 0
    assert gains[2]["ndcg@10"].mean == 0


def test_a_layer_that_ranks_as_the_one_above_gains_exactly_nothing() -> None:
    gain = measure(contest(HYBRID, HYBRID), forty(), silent).layers[1].gain

    assert gain is not None
    assert all(interval == (0, 0, 0) for interval in gain.values())
    assert gain["recall@10"].holds_zero


def test_the_discovery_list_leaves_out_what_was_bought_and_is_scored_on_the_new_targets_only() -> None:
    cases = [case(0, [2, 25], bought=list(range(20))), case(1, [3], bought=[3])]

    found = measure(contest(POPULARITY), cases, silent)

    discovery = only(found).discovery
    assert discovery is not None
    assert found.discovery_cases == 1
    assert discovery["recall@10"].mean == 1
    assert discovery["mrr@10"].mean == 1 / 6


def test_the_discovery_list_keeps_what_the_request_itself_excludes() -> None:
    excluding = case(0, [5], bought=[0])
    excluding = replace(excluding, request=replace(excluding.request, exclude=rows([5])))

    discovery = only(measure(contest(POPULARITY), [excluding], silent)).discovery

    assert discovery is not None
    assert discovery["recall@20"].mean == 0


def test_new_items_that_no_layer_can_rank_stay_in_the_denominator() -> None:
    discovery = only(measure(contest(Contender("hybrid", by_order(range(5)))), [case(0, [1, 59])], silent)).discovery

    assert discovery is not None
    assert discovery["recall@20"].mean == 0.5


@pytest.mark.parametrize(
    ("protocol", "bought"),
    [("time-split", [0]), ("next-basket", [0, 1])],
)
def test_there_is_no_discovery_list_where_the_protocol_or_the_baskets_have_none(
    protocol: Protocol, bought: list[int]
) -> None:
    found = measure(contest(POPULARITY, protocol=protocol), [case(0, [0, 1], bought)], silent)

    assert only(found).discovery is None
    assert found.discovery_cases == 0


def test_repeat_and_new_items_are_averaged_over_the_cases_that_have_some() -> None:
    cases = [case(0, [0, 40], bought=[0]), case(1, [15, 16], bought=[15]), case(2, [12])]

    found = only(measure(contest(POPULARITY), cases, silent))

    assert found.repeat == {"recall@10": 1 / 2, "recall@20": 1}
    assert found.new == {"recall@10": 0, "recall@20": 2 / 3}


def test_coverage_counts_each_item_shown_once_among_the_sellable() -> None:
    assert only(measure(contest(POPULARITY), forty(), silent)).coverage == 20 / 58
    assert only(measure(contest(HYBRID), forty(), silent)).coverage == 59 / 59


def test_items_listed_between_first_and_last_case_count_as_sellable() -> None:
    early, late = case(0, [1]), case(1, [1])
    early = replace(early, state=State(NEWCOMER, stocked(30)))

    assert only(measure(contest(POPULARITY), [early, late], silent)).coverage == 20 / 58


def test_variants_count_as_one_item_of_the_catalog() -> None:
    shelf = stocked(58)
    for row in range(20, 58):
        shelf.apply(Change(row=row, at=1, group=59))

    paired = replace(case(0, [1]), state=State(NEWCOMER, shelf))

    assert only(measure(contest(POPULARITY), [paired], silent)).coverage == 20 / 21


def test_the_cold_share_counts_places_of_items_without_an_earlier_interaction() -> None:
    cold_first = Contender("hybrid", by_order([*range(50, 60), *range(50)]))

    assert only(measure(contest(cold_first), forty(), silent)).cold == 10 / 20
    assert only(measure(contest(POPULARITY), forty(), silent)).cold == 0


def test_a_group_is_not_cold_once_a_variant_of_it_was_touched() -> None:
    shelf = stocked(58)
    shelf.apply(Change(row=3, at=1, group=55))

    touched = replace(case(0, [1]), state=State(NEWCOMER, shelf))

    cold_first = Contender("hybrid", by_order(range(59, 39, -1)))
    assert only(measure(contest(cold_first), [touched], silent)).cold == 9 / 20


def known(made: Case, lines: int) -> Case:
    shopper = replace(NEWCOMER, lines=lines)
    return replace(made, state=replace(made.state, shopper=shopper))


def test_targets_are_parted_by_what_was_learned_of_them_and_cases_by_what_was_known() -> None:
    counts = np.repeat([0, 1, 5, 6, 20, 21], 10)
    asked = replace(contest(POPULARITY), interactions=counts)
    cases = [known(case(0, [0, 11]), 0), known(case(1, [29, 10]), 1), known(case(2, [59]), 5), known(case(3, [4]), 6)]

    found = measure(asked, cases, silent)

    assert found.item_strata == {"0": 2, "1-5": 3, "6-20": 0, "21+": 1}
    assert found.shopper_strata == {"0": 1, "1": 1, "2-5": 1, "6+": 1}
    assert only(found).by_item == {"0": 1, "1-5": 2 / 3, "21+": 0}
    assert only(found).by_shopper == {"0": 1, "1": 0.5, "2-5": 0, "6+": 1}


def test_a_target_tied_at_the_twentieth_place_is_not_within_it() -> None:
    def tied(request: Request, state: State) -> Ranked:
        return Ranked(rows(range(ITEMS)), np.r_[np.arange(30, 12, -1), np.repeat(1, ITEMS - 18)].astype(np.float32))

    assert only(measure(contest(Contender("hybrid", tied)), [case(0, [3, 19])], silent)).by_item == {"1-5": 0.5}


def test_the_clock_is_told_a_list_for_which_nothing_is_remembered() -> None:
    kept: list[bool] = []

    def ranked(request: Request, state: State) -> Ranked:
        kept.append(isinstance(state, KeptState))
        return POPULARITY.rank(request, state)  # type: ignore[return-value]

    asked = contest(Contender("popularity", ranked), HYBRID)
    found = measure(asked, [case(number, [1]) for number in range(21)], silent)

    assert kept.count(False) == 2, "for the clock"
    assert kept.count(True) == 2 * 21, "the mixed list and the one of new items"
    assert set(found.seconds) == {"popularity", "hybrid"}
    assert all(0 <= seconds < 1 for seconds in found.seconds.values())


def test_candidate_recall_is_the_share_of_targets_that_a_source_proposed() -> None:
    proposals = {"popularity": rows([0, 1, 2]), "content": rows([])}
    cases = [case(0, [0, 9]), case(1, [1, 2])]

    found = measure(contest(Contender("hybrid", by_order(range(10))), proposals=proposals), cases, silent)

    assert found.candidates == {"popularity": (1 / 2 + 1) / 2, "content": 0, "pool": 1}


def test_predictions_are_the_last_layers_lists() -> None:
    found = measure(contest(POPULARITY, HYBRID), [case(7, [1]), case(9, [1])], silent).predictions

    assert found.cases == ("case 7", "case 9")
    assert found.counts.tolist() == [ITEMS, ITEMS]
    assert found.rows[[0, ITEMS]].tolist() == [7, 9]


def test_other_shopper_keys_and_case_ids_do_not_change_the_json() -> None:
    keys = np.random.Generator(np.random.Philox(3)).permutation(40)
    others = [
        replace(made, id=f"{key:032x}", request=replace(made.request, shopper=int(key).to_bytes(16, "little")))
        for made, key in zip(forty(), keys, strict=True)
    ]

    one = measure(contest(POPULARITY, HYBRID), forty(), silent)
    other = measure(contest(POPULARITY, HYBRID), others, silent)

    assert to_json(one) == to_json(other)
    assert one.layers == other.layers
    assert one.predictions.rows.tolist() == other.predictions.rows.tolist()


def test_cases_of_one_shopper_widen_the_interval_since_they_are_drawn_together() -> None:
    alone = [case(number, [number // 10 * 10]) for number in range(40)]
    together = [case(number, [number // 10 * 10], shopper=bytes([number // 10]) * 16) for number in range(40)]

    def width(cases: list[Case]) -> float:
        found = only(measure(contest(POPULARITY, protocol="time-split"), cases, silent)).metrics["recall@10"]
        return found.high - found.low

    assert width(together) > 2 * width(alone)


def test_cases_of_nobody_are_units_of_their_own() -> None:
    def anonymous(made: Case) -> Case:
        return replace(made, request=replace(made.request, shopper=b""))

    found = measure(contest(HYBRID), [anonymous(made) for made in forty()], silent)

    assert found.layers == measure(contest(HYBRID), forty(), silent).layers


def test_no_case_is_refused_with_the_remedy() -> None:
    with pytest.raises(GateRefused, match="choose a --split inside the history"):
        measure(contest(POPULARITY), [], silent)


def test_progress_is_told_in_words() -> None:
    told: list[str] = []

    measure(contest(POPULARITY, HYBRID), [case(number, [1]) for number in range(500)], told.append)

    assert told == ["250 cases ranked by 2 layers", "500 cases ranked by 2 layers"]


def test_probabilities_of_the_last_contender_are_held_against_what_happened() -> None:
    known = Calibration(("view", "cart"), np.array([0, 1], np.float32), np.array([[0.2, 0.2], [0, 0]], np.float32))

    found = measure(replace(contest(POPULARITY), calibration=known), [case(0, [0, 59]), case(1, [58])], silent).chances

    assert found["view"].told == pytest.approx(0.2 * 20)
    assert found["view"].happened == 0.5
    assert found["view"].error == pytest.approx(0.2 - 1 / 40)
    assert found["cart"] == Chance(0.0, 0.0, 0.0)
    assert measure(contest(POPULARITY), [case(0, [0])], silent).chances == {}
