"""What people decided: placements with their quotas, rules and caps; one immutable version, read from TOML text."""

import difflib
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar

from endcap.domain.placements import Placement
from endcap.errors import InvalidPolicy, InvalidRequest
from endcap.slate import check_filter

T = TypeVar("T")

_EXAMPLE: Final = "on_sale AND price < 50"
MOST: Final = 1_000
"""The largest quota or cap."""

DEFAULT_POLICY: Final = """\
# Business decisions: what each placement shows. Every change is a new version; the server picks it up by itself.
# quota              candidates taken from each source, unless [placements.NAME.quotas] names the source; with 0 only
#                    the sources that are named there propose
# purchased          "show" or "hide" what the shopper bought before
# most_per_brand     at most so many of one brand in a slate; 0 is no cap; likewise most_per_category
# new_items          so many places, the last ones, go to new arrivals that fit, if the order alone shows fewer
# filter             what must be true of every item, as in a call: "on_sale AND price < 50" (docs/api.md)
# category           "any"; "same" shows only items of the categories of the page's items, "other" none of them
# diversity          0 (by score alone) to 1: how much an item loses for being like those already placed (MMR)
# breadth            0 (by score alone) to 1: how much goes to categories that the visit may turn to, each by its chance
# personal           0 (by its words and meaning alone) to 1 (by the ranker alone): the order of what a search finds

[placements.home]
quota = 80
purchased = "show"
most_per_brand = 0
most_per_category = 8
new_items = 1
breadth = 0.4

[placements.home.quotas]
personal = 200

[placements.discovery]
quota = 80
purchased = "hide"
most_per_category = 4
new_items = 1
diversity = 0.15

[placements.product]
quota = 80
purchased = "show"
new_items = 1
diversity = 0.05

[placements.cart]
quota = 80
purchased = "show"
most_per_category = 4
diversity = 0.1

# What sells most now, best for this shopper first; likewise what is new, reduced, or back after it was sold out.
[placements.trending]
quota = 0
most_per_category = 3
diversity = 0.1

[placements.trending.quotas]
popularity = 100
region = 40

[placements.new]
quota = 0
purchased = "hide"
most_per_category = 4
diversity = 0.1

[placements.new.quotas]
arrivals = 300

[placements.price_drops]
quota = 80
filter = "on_sale"
most_per_category = 4

[placements.back_in_stock]
quota = 80
filter = "sold_out_days < 30"
most_per_category = 4

# What was looked at lately, and what others went on to from there.
[placements.continue]
quota = 0

[placements.continue.quotas]
recent = 12
transitions = 24
sequel = 24
sessions = 24

# On a product's page: alternatives, what completes it, and what was bought with it.
[placements.similar]
quota = 60
category = "same"
diversity = 0.05

[placements.complete]
quota = 60
category = "other"
purchased = "hide"
most_per_category = 2

[placements.also_bought]
quota = 0

[placements.also_bought.quotas]
cooccurrence = 60
transitions = 60
sessions = 60

# A category's page, best for this shopper first.
[placements.category]
quota = 150
new_items = 1

# What a search finds; how much the ranker has a say in its order.
[placements.search]
quota = 80
purchased = "show"
personal = 0.5

[placements.search.quotas]
search = 400
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """All placements; `version` is the digest of the text they were read from."""

    version: str
    placements: Mapping[str, Placement]

    def placement(self, name: str) -> Placement:
        """The placement called `name`. Raises InvalidRequest, with the nearest name, where there is none."""
        if name in self.placements:
            return self.placements[name]
        raise InvalidRequest(f"placement {name!r} is unknown{_nearest(name, self.placements)}")


def parse_policy(text: str) -> Policy:
    """The policy of a TOML text. Raises InvalidPolicy with the key, what was given and what is expected."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidPolicy(f"policy: not TOML: {error}") from None
    _known(document, ("placements",), "policy")
    placements = {name: _placement(name, table) for name, table in _table(document, "placements", "policy").items()}
    if not placements:
        raise InvalidPolicy("policy: no placement; expected at least one [placements.NAME]")
    return Policy(hashlib.sha256(text.encode()).hexdigest()[:16], placements)


def _placement(name: str, table: Any) -> Placement:
    where = f"placements.{name}"
    if not isinstance(table, dict):
        raise InvalidPolicy(f"policy: {where} is {table!r}; expected a table")
    _known(table, tuple(each.name for each in fields(Placement) if each.name != "name"), where)
    quotas = _table(table, "quotas", where)
    diversity, breadth = _share(table, "diversity", where), _share(table, "breadth", where)
    if diversity + breadth > 1:
        raise InvalidPolicy(
            f"policy: {where}.diversity and breadth are {diversity} and {breadth}; expected at most 1 together, for "
            "the score has the rest"
        )
    return Placement(
        name=name,
        quota=_count(table, "quota", where, 150),
        quotas={source: _count(quotas, source, f"{where}.quotas", 0) for source in quotas},
        purchased=_choice(table, "purchased", where, ("show", "hide")),
        most_per_brand=_count(table, "most_per_brand", where, 0),
        most_per_category=_count(table, "most_per_category", where, 0),
        diversity=diversity,
        breadth=breadth,
        new_items=_count(table, "new_items", where, 0),
        filter=_filter(table, where),
        category=_choice(table, "category", where, ("any", "same", "other")),
        personal=_share(table, "personal", where, 0.5),
    )


def _filter(table: Mapping[str, Any], where: str) -> str:
    text = table.get("filter", "")
    if not isinstance(text, str):
        raise InvalidPolicy(f"policy: {where}.filter is {text!r}; expected a text such as {_EXAMPLE!r}")
    try:
        return check_filter(text)
    except InvalidRequest as wrong:
        raise InvalidPolicy(f"policy: {where}.{wrong}") from None


def _choice(table: Mapping[str, Any], key: str, where: str, choices: tuple[T, ...]) -> T:
    """The value of `key`, the first of `choices` where there is none."""
    value = table.get(key, choices[0])
    if value not in choices:
        named = [f'"{choice}"' for choice in choices]
        raise InvalidPolicy(f"policy: {where}.{key} is {value!r}; expected {', '.join(named[:-1])} or {named[-1]}")
    return choices[choices.index(value)]


def _count(table: Mapping[str, Any], key: str, where: str, default: int) -> int:
    value = table.get(key, default)
    if type(value) is not int or not 0 <= value <= MOST:
        raise InvalidPolicy(f"policy: {where}.{key} is {value!r}; expected a whole number from 0 to {MOST}")
    return value


def _share(table: Mapping[str, Any], key: str, where: str, default: float = 0.0) -> float:
    value = table.get(key, default)
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise InvalidPolicy(f"policy: {where}.{key} is {value!r}; expected a number from 0 to 1")
    return float(value)


def _table(document: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    table = document.get(key, {})
    if not isinstance(table, dict):
        raise InvalidPolicy(f"policy: {where}.{key} is {table!r}; expected a table")
    return table


def _known(table: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in table:
        if name not in names:
            raise InvalidPolicy(f"policy: {where} has no key {name!r}{_nearest(name, names)}")


def _nearest(name: str, names: Mapping[str, Any] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {near[0]!r}?" if near else f"; expected one of {', '.join(sorted(names))}"
