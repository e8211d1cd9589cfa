import json
from dataclasses import replace

from endcap.evaluation import Evaluation, Terms, to_json
from endcap.metrics import METRICS


def test_the_json_holds_exactly_the_published_keys(evaluation: Evaluation) -> None:
    document = json.loads(to_json(evaluation))

    grown = ["shape", "terms", "candidates", "strata", "chances"]
    assert list(document) == ["protocol", "split", "cases", "layers", "left_out", *grown]
    assert document["protocol"] == "next-basket"
    assert document["split"] == "2011-10-01"
    assert document["cases"] == 2_119
    assert document["left_out"] == [{"name": "content", "because": "no item has a text"}]
    for layer in document["layers"]:
        assert list(layer) == ["name", "metrics", "discovery", "gain", "cold_start"]
        assert list(layer["metrics"]) == list(layer["discovery"]) == list(METRICS)
    assert set(METRICS) == {f"{name}@{k}" for name in ("recall", "ndcg", "precision", "mrr") for k in (10, 20)}


def test_gains_stand_against_the_row_above_and_the_first_row_has_none(evaluation: Evaluation) -> None:
    layers = json.loads(to_json(evaluation))["layers"]

    assert [layer["name"] for layer in layers] == ["popularity", "collaborative", "session", "hybrid"]
    assert layers[0]["gain"] is None
    assert layers[1]["gain"]["recall@10"] == {"mean": 0.12, "low": 0.11, "high": 0.13}


def test_a_layer_without_a_discovery_list_has_null(evaluation: Evaluation) -> None:
    bare = replace(evaluation, layers=(replace(evaluation.layers[0], discovery=None),))

    assert json.loads(to_json(bare))["layers"][0]["discovery"] is None


def test_figures_are_rounded_to_six_decimals_and_zero_has_no_sign(evaluation: Evaluation) -> None:
    text = to_json(evaluation).decode()

    session = json.loads(text)["layers"][2]
    assert session["metrics"]["recall@10"] == 0.15
    assert "-0.0," not in text
    assert text.endswith("}\n")


def test_shape_terms_candidates_and_cold_starts_are_told(evaluation: Evaluation) -> None:
    document = json.loads(to_json(replace(evaluation, terms=Terms("validation", exclude_current=True))))

    assert document["shape"] == "baskets"
    assert document["terms"] == {"stage": "validation", "fold_validation": False, "exclude_current": True}
    assert document["chances"] == {"purchase": {"told": 1.25, "happened": 1.0, "error": 0.0125}}
    assert document["candidates"] == {"popularity": 0.2, "pool": 0.5}
    assert document["strata"]["items"] == {"0": 3, "1-5": 0, "6-20": 0, "21+": 50_000}
    assert document["layers"][3]["cold_start"]["shoppers"] == {"2-5": 0.1, "6+": 0.1}


def test_the_clock_does_not_reach_the_json(evaluation: Evaluation) -> None:
    other = replace(evaluation, seconds={"fit": 1.0, "hybrid": 2.0})

    assert other == evaluation
    assert to_json(other) == to_json(evaluation)


def test_predictions_counts_and_instants_do_not_reach_the_json(evaluation: Evaluation) -> None:
    other = replace(
        evaluation, split=evaluation.split._replace(at=7), predictions=replace(evaluation.predictions, cases=("x", "y"))
    )

    assert to_json(other) == to_json(evaluation)
