"""What people decided: placements with their quotas, rules and caps; one immutable version, read from TOML text."""

import difflib
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from endcap.domain.placements import Placement
from endcap.errors import InvalidPolicy, InvalidRequest

MOST: Final = 1_000
"""The largest quota or cap."""

DEFAULT_POLICY: Final = """\
# Business decisions: what each placement shows. Every change is a new version; the server picks it up by itself.
# quota              candidates taken from each source, unless [placements.NAME.quotas] names the source
# purchased          "show" or "hide" what the shopper bought before
# most_per_brand     at most so many of one brand in a slate; 0 is no cap; likewise most_per_category
# new_items          so many places, the last ones, go to new arrivals that fit, if the order alone shows fewer
# diversity          0 (by score alone) to 1: how much an item loses for being like those already placed (MMR)

[placements.home]
quota = 80
purchased = "show"
most_per_brand = 0
most_per_category = 6
new_items = 1
diversity = 0.05

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
    purchased = table.get("purchased", "show")
    if purchased not in ("show", "hide"):
        raise InvalidPolicy(f'policy: {where}.purchased is {purchased!r}; expected "show" or "hide"')
    return Placement(
        name=name,
        quota=_count(table, "quota", where, 150),
        quotas={source: _count(quotas, source, f"{where}.quotas", 0) for source in quotas},
        purchased=purchased,
        most_per_brand=_count(table, "most_per_brand", where, 0),
        most_per_category=_count(table, "most_per_category", where, 0),
        diversity=_share(table, "diversity", where),
        new_items=_count(table, "new_items", where, 0),
    )


def _count(table: Mapping[str, Any], key: str, where: str, default: int) -> int:
    value = table.get(key, default)
    if type(value) is not int or not 0 <= value <= MOST:
        raise InvalidPolicy(f"policy: {where}.{key} is {value!r}; expected a whole number from 0 to {MOST}")
    return value


def _share(table: Mapping[str, Any], key: str, where: str) -> float:
    value = table.get(key, 0.0)
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
