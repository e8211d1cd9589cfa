"""The comparison of an audit: the evaluation's own figures, whatever the key, and what may be said of them."""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from endcap.domain.instants import DAY
from endcap.errors import GateRefused
from endcap.evaluation import (
    Audit,
    Compared,
    Comparison,
    Split,
    audit_page,
    audit_summary,
    evaluate,
    titles_of,
    verdict,
)
from endcap.evaluation.comparison import FEWEST_CASES, HIT, MEASURES, Board, Contestant, Example, Stratum, compare
from endcap.evaluation.outlook import CARRIED, Outlook, outlook_of
from endcap.metrics import METRICS, Interval
from endcap.monitoring import Surroundings, examine
from endcap.policy import Policy
from endcap.training import Corpus, Cut, cut_of
from shops import START, aisles


def _silent(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def comparison(corpus: Corpus, policy: Policy) -> Comparison:
    return compare(corpus, cut_of(corpus, "UTC"), policy, _silent)


def test_figures_are_those_of_the_evaluation(comparison: Comparison, corpus: Corpus, policy: Policy) -> None:
    cut = comparison.cut
    ladder = evaluate(corpus, cut.protocol, Split(cut.text, cut.at), policy, _silent)
    assert comparison.everything.cases == ladder.cases
    for name in ("popularity", "hybrid"):
        layer = next(layer for layer in ladder.layers if layer.name == name)
        found = comparison.everything.named(name).metrics
        for metric in METRICS:
            assert found[metric].mean == layer.metrics[metric].mean
            assert found[metric] == pytest.approx(layer.metrics[metric])


def test_nothing_depends_on_the_shops_key(comparison: Comparison, policy: Policy) -> None:
    other = aisles(seed=1, secret=b"b")
    again = compare(other, cut_of(other, "UTC"), policy, _silent)
    assert again.everything == comparison.everything
    assert again.new == comparison.new
    assert [example.known.tolist() for example in again.examples] == [
        example.known.tolist() for example in comparison.examples
    ]


def test_a_hit_is_a_target_within_the_first_ten(comparison: Comparison) -> None:
    for each in comparison.everything.contestants:
        assert each.metrics["recall@10"].mean <= each.metrics[HIT].mean <= 1
        assert each.metrics["mrr@10"].mean <= each.metrics[HIT].mean
    strata = comparison.judged.strata
    assert sum(stratum.cases for stratum in strata) == comparison.judged.cases
    mean = sum(stratum.cases * stratum.hits["hybrid"] for stratum in strata) / comparison.judged.cases
    assert mean == pytest.approx(comparison.judged.named("hybrid").metrics[HIT].mean)


def test_in_visits_the_verdict_is_about_new_items(comparison: Comparison) -> None:
    assert comparison.judges_new
    assert comparison.judged is comparison.new
    for example in comparison.examples:
        assert not np.isin(example.targets, example.known).any()
        assert not any(np.isin(rows, example.known).any() for rows in example.lists.values())


def test_examples_are_ten_people_drawn_whatever_the_lists(comparison: Comparison) -> None:
    assert len(comparison.examples) == 10
    assert len({tuple(example.known.tolist()) for example in comparison.examples}) > 5


@pytest.mark.parametrize(("cases", "words"), [(FEWEST_CASES - 1, "expected at least 30"), (10**6, "cases lie after")])
def test_too_few_cases_are_refused(corpus: Corpus, policy: Policy, cases: int, words: str) -> None:
    late = cut_of(corpus, "UTC")._replace(at=START + 44 * DAY, cases=cases)
    with pytest.raises(GateRefused, match=words):
        compare(corpus, late, policy, _silent)


def test_too_little_to_train_on_is_refused(corpus: Corpus, policy: Policy) -> None:
    early = cut_of(corpus, "UTC")._replace(at=START + DAY)
    with pytest.raises(GateRefused, match="there is too little history before"):
        compare(corpus, early, policy, _silent)


def test_traffic_and_plans_are_the_shops_own(comparison: Comparison, corpus: Corpus) -> None:
    outlook = outlook_of(comparison, corpus.interactions)
    time, shopper = corpus.interactions["time"].to_numpy(), corpus.interactions["shopper"].to_pylist()
    end = int(time.max()) + 1
    weeks = [
        {
            who
            for who, at in zip(shopper, time.tolist(), strict=True)
            if end - (n + 1) * 14 * DAY <= at < end - n * 14 * DAY
        }
        for n in range(2)
    ]
    assert outlook.shoppers == sum(map(len, weeks)) / 2
    assert [plan.carried for plan in outlook.plans] == list(CARRIED)
    assert [plan.per_arm for plan in outlook.plans] == sorted(plan.per_arm for plan in outlook.plans)
    assert outlook.plans[0].weeks == 2 * outlook.plans[0].per_arm / (outlook.shoppers / 2)


# What may be said, on figures made by hand


def _contestant(name: str, rate: float, gain: tuple[float, float, float] | None) -> Contestant:
    spread: Mapping[str, Interval] = dict.fromkeys(MEASURES, Interval(rate, rate - 0.01, rate + 0.01))
    return Contestant(name, spread, {} if gain is None else dict.fromkeys(MEASURES, Interval(*gain)))


def _audit(corpus: Corpus, gain: tuple[float, float, float], titles: str = "Lamp") -> Audit:
    board = Board(
        2_000,
        (
            _contestant("popularity", 0.1, (0.2, 0.1, 0.3)),
            _contestant("also bought", 0.2, (0.1, 0.05, 0.15)),
            _contestant("buy again", 0.3, gain),
            _contestant("hybrid", 0.3 + gain[0], None),
        ),
        (Stratum("1", 2_000, {"popularity": 0.1, "also bought": 0.2, "buy again": 0.3, "hybrid": 0.3}),),
    )
    rows = np.arange(3, dtype=np.int32)
    example = Example(START, rows, 3, rows[:1], {"popularity": rows[1:], "also bought": rows[:0], "hybrid": rows})
    found = Comparison(Cut("next-basket", START, "2023-11-14", 2_000), board, None, 0.1, 0.05, (example,), ())
    outlook = Outlook("buy again", 0.3, 0.3 + gain[0], 0.0, None, (), None, None)
    health = examine(corpus.interactions, corpus.keys, corpus.changes, Surroundings(START, "EUR", {}))
    return Audit(titles, titles, "2026-11-21", health, Compared(found, outlook, [titles] * len(corpus.keys)))


@pytest.mark.parametrize(
    ("gain", "outcome", "begins"),
    [
        (
            (0.1, 0.05, 0.15),
            "gain",
            "A gain was found: ten recommended items held something of the next order in 40.0 of",
        ),
        ((0.1, -0.05, 0.25), "none", "No gain was found over the best plain method, “buy again”"),
        ((-0.1, -0.15, -0.05), "loss", "No gain, a loss: ten recommended items held"),
    ],
)
def test_the_first_sentence_says_no_more_than_the_interval(
    corpus: Corpus, gain: tuple[float, float, float], outcome: str, begins: str
) -> None:
    audit = _audit(corpus, gain)
    said = verdict(audit)
    assert said.outcome == outcome
    assert said.lead.startswith(begins)
    page = audit_page(audit)
    assert page.index(begins[:9]) < page.index("<h2>")
    assert ('class="verdict none"' in page) == (outcome != "gain")
    assert audit_summary(audit)


def test_where_nothing_was_measured_the_page_says_so_first_and_what_is_needed(corpus: Corpus) -> None:
    audit = replace(_audit(corpus, (0.1, 0.05, 0.15)), found="only 3 shoppers came back")
    page = audit_page(audit)
    assert verdict(audit).outcome == "unknown"
    assert "This data does not say yet whether better lists would help" in page
    assert "Only 3 shoppers came back." in page
    assert "What is needed" in page
    assert "Lists side by side" not in page
    assert audit_summary(audit)


def test_hostile_titles_and_file_names_are_text(corpus: Corpus) -> None:
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    page = audit_page(_audit(corpus, (0.1, 0.05, 0.15), hostile))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert re.findall(r"<(?:script|img|iframe|link|object|a)\b", page) == []


def test_a_group_has_the_title_of_its_variant_and_a_stub_its_id(corpus: Corpus) -> None:
    titles = titles_of(corpus)
    assert titles[0] == "oak chair number 0"
    assert len(titles) == len(corpus.keys)
