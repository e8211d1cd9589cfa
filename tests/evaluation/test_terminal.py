from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from endcap.evaluation import Evaluation, Split, Terms, gain_table, ladder_table, source_table, summary
from endcap.evaluation.terminal import asked, breadth_table, cold_start_table, verdict
from endcap.metrics import Interval


def printed(shown: RenderableType) -> str:
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def line_of(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.strip().startswith(start))


def test_the_ladder_names_protocol_split_cases_and_each_layer_with_four_decimals(evaluation: Evaluation) -> None:
    text = printed(ladder_table(evaluation))

    assert "next-basket, split 2011-10-01, 2,119 cases" in text
    assert line_of(text, "collaborative").split() == ["collaborative", *["0.1500"] * 7]


def test_a_layer_left_out_is_named_with_the_reason(evaluation: Evaluation) -> None:
    assert "left out: content, because no item has a text" in printed(ladder_table(evaluation))


def test_a_gain_whose_interval_holds_0_is_said_to_be_none_in_words(evaluation: Evaluation) -> None:
    text = printed(gain_table(evaluation))

    assert line_of(text, "collaborative").split()[1:] == ["recall@10", "+0.1200", "[+0.1100,", "+0.1300]", "gain"]
    assert line_of(text, "session").rstrip().endswith("no gain: the interval holds 0")
    assert line_of(text, "hybrid").rstrip().endswith("loss")
    assert "popularity" not in text


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.0, 0.2, "no gain: the interval holds 0"),
        (-0.2, 0.0, "no gain: the interval holds 0"),
        (0.001, 0.2, "gain"),
        (-0.2, -0.001, "loss"),
    ],
)
def test_a_bound_at_0_is_no_gain(low: float, high: float, words: str) -> None:
    assert verdict(Interval((low + high) / 2, low, high)) == words


def test_repeat_and_new_items_coverage_and_cold_share_stand_apart(evaluation: Evaluation) -> None:
    text = printed(breadth_table(evaluation))

    assert line_of(text, "hybrid").split() == ["hybrid", "0.1000", "0.1000", "0.0000", "0.0100", "0.2500", "0.1250"]


def test_a_figure_that_no_case_could_give_is_a_dash(evaluation: Evaluation) -> None:
    bare = replace(evaluation, layers=(replace(evaluation.layers[0], repeat={}, discovery=None),))

    assert line_of(printed(breadth_table(bare)), "popularity").split()[1:3] == ["-", "-"]
    assert "discovery" not in printed(ladder_table(bare))


def test_candidate_recall_names_each_source_and_the_pool(evaluation: Evaluation) -> None:
    text = printed(source_table(evaluation))

    assert line_of(text, "popularity").split() == ["popularity", "0.2000", "-0.6000"]
    assert line_of(text, "pool").split()[-2:] == ["0.5000", "-0.3000"]
    assert "precision@10 of hybrid: 0.1000, -0.5000 to the usual aim of 0.6." in printed(summary(evaluation))


def test_probabilities_stand_beside_what_happened(evaluation: Evaluation) -> None:
    text = " ".join(printed(summary(evaluation)).split())

    assert "purchase: of its first 20 places 1.250 wanted a case by their probabilities, 1.000 in truth" in text
    assert "calibration error 0.0125 a place" in text


def test_cold_starts_stand_by_item_and_by_shopper_with_their_numbers(evaluation: Evaluation) -> None:
    text = printed(cold_start_table(evaluation))

    assert line_of(text, "session").split()[1:] == ["0.0000", "-", "-", "0.1500", "-", "-", "0.1500", "0.1500"]
    assert line_of(text, "targets, cases").split()[2:] == ["3", "0", "0", "50,000", "0", "0", "19", "2,100"]


def test_times_are_told_a_list_and_the_shape_in_the_title(evaluation: Evaluation) -> None:
    text = printed(summary(evaluation))

    assert "Fitted in 61.5 s; milliseconds a list: popularity 0.20, collaborative 0.40" in text
    assert "data has the shape of baskets" in text


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (Terms(), "leave-one-out"),
        (Terms(fold_validation=True), "leave-one-out, validation folded in"),
        (Terms("validation", exclude_current=True), "leave-one-out, validation, current item excluded"),
    ],
)
def test_how_a_data_set_was_asked_is_told_in_words(evaluation: Evaluation, terms: Terms, words: str) -> None:
    found = replace(evaluation, protocol="leave-one-out", split=Split("", 0), terms=terms)

    assert asked(found) == words
    assert f"{words}, 2,119 cases" in printed(ladder_table(found))


def test_all_tables_fit_100_columns_without_a_cut(evaluation: Evaluation) -> None:
    text = printed(summary(evaluation))

    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
