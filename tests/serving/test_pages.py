"""Pages of several lists, what follows a list, filters and exclusions, over HTTP."""

import time
from pathlib import Path
from typing import Any

import pytest

from endcap import app
from endcap.policy import DEFAULT_POLICY, parse_policy
from servers import Server

NOW_MS = time.time_ns() // 1_000_000

PLACEMENTS = ", ".join(parse_policy(DEFAULT_POLICY).placements)


def _ids(answer: dict[str, Any]) -> list[str]:
    return [item["id"] for item in answer["items"]]


def test_no_item_stands_twice_on_a_page_and_each_list_has_its_own_id(server: Server) -> None:
    calls = [
        {"placement": "home", "visitor_id": "v3", "k": 8},
        {"placement": "discovery", "visitor_id": "v3", "k": 8},
        {"placement": "product", "anchors": ["SKU-3"], "visitor_id": "v3", "k": 8},
    ]
    answers = server.post("/v1/recommendations:batch", requests=calls)["answers"]
    ids = [item for answer in answers for item in _ids(answer)]
    assert len(ids) == len(set(ids)) == 24
    assert len({answer["recommendation_id"] for answer in answers}) == 3
    alone = server.listed(placement="discovery", visitor_id="v3", k=8)
    assert set(alone) & set(_ids(answers[0]))
    decision = server.http.get(f"/v1/decisions/{answers[1]['recommendation_id']}").json()
    assert {drop["rule"] for drop in decision["dropped"]} >= {"shown_on_page"}


def test_a_wrong_request_of_a_page_is_named_and_nothing_is_recorded(server: Server) -> None:
    def refused(**wrong: object) -> tuple[int, str, str]:
        calls = [{"placement": "home"}, {"placement": "home", **wrong}]
        answer = server.http.post("/v1/recommendations:batch", json={"requests": calls})
        problem = answer.json()
        return answer.status_code, problem["detail"], problem["errors"][0]["field"]

    before = server.http.get("/metrics").text.count("endcap_slates")
    known = f"Known are {PLACEMENTS}."
    assert refused(placement="hoem") == (
        404, f"requests[1]: there is no placement 'hoem'; did you mean home? {known}", "requests[1].placement"
    )  # fmt: skip
    assert refused(k=0) == (422, "requests[1].k: expected int >= 1, given 0", "requests[1].k")
    assert refused(filter="colour = 'red'")[::2] == (422, "requests[1].filter")
    assert server.http.get("/metrics").text.count("endcap_slates") == before
    for calls in ([], [{"placement": "home"}] * 21):
        assert server.http.post("/v1/recommendations:batch", json={"requests": calls}).status_code == 422


def test_next_goes_on_where_the_list_ended_until_nothing_is_left(server: Server) -> None:
    answer = server.post("/v1/recommendations", placement="home", visitor_id="v3", k=20)
    seen = _ids(answer)
    pages = 1
    while answer["items"]:
        answer = server.http.get(f"/v1/recommendations/{answer['recommendation_id']}/next").json()
        assert not set(_ids(answer)) & set(seen)
        seen += _ids(answer)
        pages += 1
    assert pages > 3
    assert len(seen) == len(set(seen)) > 50
    assert answer["short_because"]
    known = answer["recommendation_id"]
    assert server.http.get(f"/v1/recommendations/{known}/next", params={"k": 3}).json()["items"] == []


def test_next_knows_what_happened_since(server: Server) -> None:
    first = server.post("/v1/recommendations", placement="home", visitor_id="next", k=5)["recommendation_id"]
    view = {"name": "add_to_cart", "time": NOW_MS, "visitor_id": "next", "items": [{"item_id": "SKU-8"}]}
    server.post("/v1/events", events=[view])
    after = server.http.get(f"/v1/recommendations/{first}/next", params={"k": 10}).json()
    assert sum(int(item[4:]) % 3 == 2 for item in _ids(after)[:5]) == 5


def test_next_of_an_unknown_list_or_with_a_wrong_k_is_refused(server: Server) -> None:
    unknown = server.http.get("/v1/recommendations/forgotten/next")
    assert (unknown.status_code, unknown.json()["detail"]) == (
        404, "no decision has the id 'forgotten'; expected a recommendation_id"
    )  # fmt: skip
    known = server.post("/v1/recommendations", placement="home")["recommendation_id"]
    for k in ("0", "-1", "201", "1000000000", "five", "٣", ""):
        answer = server.http.get(f"/v1/recommendations/{known}/next", params={"k": k})
        assert (answer.status_code, answer.json()["detail"]) == (422, f"k: expected int from 1 to 200, given {k!r}")


def test_a_filter_holds_and_a_wrong_one_is_told_what_is_known(server: Server) -> None:
    shown = server.listed(filter="brand = 'Arda' AND price < 10", k=60)
    assert shown
    assert all(int(item[4:]) % 3 == 0 and 500 + 25 * int(item[4:]) < 1_000 for item in shown)
    answer = server.http.post("/v1/recommendations", json={"placement": "home", "filter": "colr = 'red'"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        "filter: unknown column 'colr'; did you mean color? A text constant stands in single quotes: 'colr' "
        "(at character 1)"
    )
    assert answer.json()["errors"][0]["field"] == "filter"


@pytest.mark.parametrize(
    ("k", "given", "expected"),
    [(0, 0, "int >= 1"), (-1, -1, "int >= 1"), (10**9, 10**9, "int <= 200"), ("5", "5", "int"), (2.5, 2.5, "int")],
)
def test_a_number_of_places_that_cannot_be_is_refused(server: Server, k: object, given: object, expected: str) -> None:
    answer = server.http.post("/v1/recommendations", json={"placement": "home", "k": k})
    assert (answer.status_code, answer.json()["errors"]) == (
        422, [{"field": "k", "given": given, "expected": expected}]
    )  # fmt: skip


def test_ten_thousand_exclusions_are_taken_and_one_more_is_refused(server: Server) -> None:
    many = [f"SKU-{number}" for number in range(10_001)]
    assert server.listed(exclude=[*many[5:], *many[:4]], k=5) == ["SKU-4"]
    answer = server.http.post("/v1/recommendations", json={"placement": "home", "exclude": many})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "exclude: expected array of length <= 10000, given 'a list of 10001'"


def test_two_hundred_places_are_filled_as_far_as_rules_allow_and_the_answer_says_why(server: Server) -> None:
    answer = server.post("/v1/recommendations", placement="home", visitor_id="v3", k=200)
    assert 10 < len(answer["items"]) == len(set(_ids(answer))) <= 60
    assert answer["short_because"]


def test_a_filter_holds_in_process_too(shop: Path) -> None:
    listed = app.recommend(app.open_shop(shop, {}), {"placement": "home", "k": 3, "filter": "brand = 'Brook'"})
    assert [int(item.id[4:]) % 3 for item in listed.answer.items] == [1, 1, 1]
