"""How many trees are grown, what old examples weigh, and what a score says of probabilities."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from endcap.domain.arrays import Floats
from endcap.domain.events import Kind
from endcap.domain.instants import DAY
from endcap.ranking.calibration import ACTIONS
from endcap.training import Shop
from endcap.training.ranker import RankerConfig, fit_trees
from endcap.training.replay import Examples, action_of, next_items
from shops import START, corpus_of

CONFIG = RankerConfig(models=1, trees=80, learning_rate=0.1, least=20, l2=1.0)
SCHEMA = ("one", "two")
HOUR = 3_600_000
LATER = (Kind.VIEW, 2), (Kind.PURCHASE, 2), (Kind.VIEW, 3)
POOL = 20


def examples(cases: int, *, told: bool = True, buy: float = 0.3, turned: int = 0, shown: float = 1.0) -> Examples:
    """Of each pool of 20 the member with the largest first feature is wanted, mostly; bought by a share `buy`.

    Not `told`: whichever. The first `turned` cases want the smallest. `shown` is what unwanted members stand for.
    """
    draw = np.random.Generator(np.random.Philox(5))
    features = draw.normal(size=(cases, POOL, 2)).astype(np.float32)
    noisy = features[:, :, 0] + draw.gumbel(0, 0.5, (cases, POOL)) if told else draw.random((cases, POOL))
    noisy[:turned] = -features[:turned, :, 0]
    wanted = np.arange(POOL) == noisy.argmax(axis=1)[:, None]
    action = wanted * np.where(draw.random((cases, 1)) < buy, 3, 1)
    case = np.repeat(np.arange(cases), POOL).astype(np.int32)
    return Examples(
        features=features.reshape(-1, 2),
        wanted=wanted.ravel(),
        case=case,
        rows=np.tile(np.arange(POOL), cases).astype(np.int32),
        at=START + case.astype(np.int64) * DAY,
        action=action.ravel().astype(np.uint8),
        stands_for=np.where(wanted, 1, shown).ravel().astype(np.float32),
    )


def pools(cases: int, seed: int) -> Floats:
    return np.random.Generator(np.random.Philox(seed)).normal(size=(2, cases * POOL)).astype(np.float32)


def truth(first: Floats) -> NDArray[np.float64]:
    """How likely each member of a pool is wanted: Gumbel noise of scale .5 is a softmax of twice the feature."""
    weights = np.exp(2.0 * first.reshape(-1, POOL))
    shares: NDArray[np.float64] = (weights / weights.sum(axis=1, keepdims=True)).ravel()
    return shares


def test_probabilities_are_those_of_new_cases_by_action() -> None:
    trees = fit_trees(examples(8_000), SCHEMA, CONFIG)
    features = pools(3_000, seed=9)
    chances = trees.calibration.of(trees.score(features))

    assert trees.calibration.actions == ("view", "purchase")
    likely = truth(features[0])
    for chance, share in zip(chances, (0.7, 0.3), strict=True):
        assert chance.sum() / 3_000 == pytest.approx(share, abs=0.05)
        for low, high in ((0, 0.01), (0.01, 0.05), (0.05, 0.15), (0.15, 1)):
            inside = (chance > low) & (chance <= high)
            assert inside.sum() > 300
            assert chance[inside].mean() == pytest.approx((share * likely[inside]).mean(), rel=0.15, abs=0.002)
    assert (np.diff(trees.calibration.shares, axis=1) >= 0).all()
    assert (np.diff(trees.calibration.scores) > 0).all()


def test_what_examples_were_drawn_from_makes_an_item_less_likely() -> None:
    whole, drawn = (fit_trees(examples(2_000, shown=shown), SCHEMA, CONFIG) for shown in (1.0, 10.0))
    score = np.array([0.0], np.float32)
    assert drawn.calibration.of(score)[0, 0] < 0.3 * whole.calibration.of(score)[0, 0]


def test_an_action_that_was_taken_too_seldom_and_scores_of_too_few_cases_have_no_probability() -> None:
    assert fit_trees(examples(2_000, buy=0.01), SCHEMA, CONFIG).calibration.actions == ("view",)
    assert fit_trees(examples(100), SCHEMA, CONFIG).calibration.actions == ()


def test_trees_stop_where_more_of_them_order_later_cases_no_better() -> None:
    impatient = replace(CONFIG, patience=10)
    grown = len(fit_trees(examples(6_000), SCHEMA, impatient).feature)
    assert len(fit_trees(examples(6_000, told=False), SCHEMA, impatient).feature) < grown <= CONFIG.trees


def test_that_wanted_items_come_first_among_examples_does_not_make_few_trees_look_good() -> None:
    drawn = examples(6_000)
    first = drawn.where(np.lexsort((~drawn.wanted, drawn.case)))
    assert len(fit_trees(first, SCHEMA, CONFIG).feature) > CONFIG.trees // 4


def test_trees_on_few_later_cases_are_as_many_as_they_were_told_to_be() -> None:
    assert len(fit_trees(examples(900, told=False), SCHEMA, replace(CONFIG, patience=10)).feature) == CONFIG.trees


def test_old_examples_weigh_less() -> None:
    turned = examples(4_000, turned=2_500)
    better = {}
    for half_life in (0.0, 200.0):
        trees = fit_trees(turned, SCHEMA, replace(CONFIG, decay_days=half_life))
        low, high = trees.score(np.array([[-1.5, 1.5], [0, 0]], np.float32))
        better[half_life] = high > low
    assert better == {0.0: False, 200.0: True}


def test_kinds_of_events_are_actions_the_later_the_nearer_to_a_purchase() -> None:
    kinds = np.array([Kind.VIEW, Kind.CLICK, Kind.WISH, Kind.CART, Kind.CHECKOUT, Kind.PURCHASE], np.uint8)
    assert [ACTIONS[action - 1] for action in action_of(kinds)] == ["view"] * 2 + ["cart"] * 3 + ["purchase"]


def test_the_latest_and_strongest_of_what_was_done_with_a_wanted_item_is_its_action() -> None:
    lines = [(1, START, Kind.VIEW, 1), *((1, START + HOUR, kind, row) for kind, row in LATER)]
    corpus = corpus_of(lines)
    (case,) = next_items(corpus.history(), Shop(corpus, corpus.history()), START + 1, None)
    assert case.targets.tolist() == [2, 3]
    assert [ACTIONS[action - 1] for action in case.actions] == ["purchase", "view"]
