"""What an operator asks for: one list, as a call or by the id of a recorded decision, from the fields of a form.

Knows names of fields and how a call is made of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from endcap.serving.calls import RecommendationCall
from endcap.serving.problems import FieldProblem, invalid

MINUTE_MS: Final = 60_000


class Field(NamedTuple):
    """A field of the form, what it says above it, and an example."""

    name: str
    label: str
    example: str = ""


FIELDS: Final = (
    Field("visitor_id", "Visitor id"),
    Field("user_id", "User id"),
    Field("anchors", "Items of the page or cart", "SKU-1 SKU-2"),
    Field("session", "Session: items viewed, the latest last", "SKU-7 SKU-9"),
    Field("query", "Search"),
    Field("filter", "Filter", "price < 50 AND on_sale"),
    Field("region", "Region"),
    Field("referrer", "Referrer"),
    Field("k", "Places", "10"),
    Field("recommendation_id", "Or: the id of a recorded decision"),
    Field("item", "Look at this item", "SKU-7"),
)
SIDES: Final = ("left", "right")


@dataclass(frozen=True, slots=True)
class Asked:
    """One side of the form, by the names of its fields; `placement` among them."""

    fields: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")

    def __bool__(self) -> bool:
        return any(self.fields.values())

    def call(self, now: int) -> RecommendationCall:
        """The call at `now` (ms UTC); the session's views lie a minute apart. Raises: Refusal."""
        viewed = self["session"].split()
        given: dict[str, Any] = {name: self[name] for name in ("visitor_id", "user_id", "query", "filter")}
        given["placement"] = self["placement"]
        given["anchors"] = self["anchors"].split()
        given["context"] = {"region": self["region"], "referrer": self["referrer"]}
        given["session"] = [
            {"name": "view_item", "time": now - MINUTE_MS * (len(viewed) - place), "items": [{"item_id": item}]}
            for place, item in enumerate(viewed)
        ]
        if self["k"]:
            given["k"] = self["k"]
        try:
            return msgspec.convert(given, RecommendationCall, strict=False)
        except msgspec.ValidationError as error:
            text, _, path = str(error).partition(" - at `$.")
            raise invalid([FieldProblem(path.rstrip("`") or "form", None, text.removeprefix("Expected "))]) from None


def asked_of(form: Mapping[str, str]) -> list[Asked]:
    """The sides of the form, as many as say anything; the names of fields begin with `left_` or `right_`.

    >>> [dict(side.fields) for side in asked_of({"left_placement": "home", "right_placement": "", "x": "y"})]
    [{'placement': 'home'}]
    """
    sides = [
        Asked({
            name.removeprefix(f"{side}_"): value.strip() for name, value in form.items() if name.startswith(f"{side}_")
        })
        for side in SIDES
    ]  # fmt: skip
    return [side for side in sides if side]
