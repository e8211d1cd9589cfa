"""What each gap in the data costs: in words always, in this shop's own figures where they can be told.

A gap is worded from figures of `Health` alone. `weight` orders gaps: the share of what could be learned or shown that
it touches, an estimate to sort by and no effect size. What it costs in found items is measured by `endcap audit`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from endcap.monitoring.health import Health, Share

Grade: TypeAlias = Literal["high", "some", "low"]

_HALF: Final = 0.25
_SLIGHT: Final = 0.02


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap: its name, what it costs, what would close it, and how much it weighs (0 to 1)."""

    name: str
    cost: str
    remedy: str
    weight: float

    @property
    def grade(self) -> Grade:
        """`high` from a quarter, `low` below 2 %."""
        return "high" if self.weight >= _HALF else "low" if self.weight < _SLIGHT else "some"


def gaps_of(health: Health) -> tuple[Gap, ...]:
    """All gaps, the heaviest first."""
    found = [gap for part in _PARTS for gap in part(health)]
    return tuple(sorted(found, key=lambda gap: (-gap.weight, gap.name)))


def percent(share: Share | float) -> str:
    """A share in words: whole per cents, one decimal below ten.

    >>> percent(0.384), percent(Share(3, 200)), percent(1.0), percent(0.9996), percent(0.0004)
    ('38 %', '1.5 %', '100 %', '99.9 %', '0.1 %')
    """
    value = share.value if isinstance(share, Share) else share
    if 0 < value < 0.001:
        return "0.1 %"
    if 0.995 <= value < 1:
        return f"{min(value, 0.999):.1%}".replace("%", " %")
    return f"{value:.1%}".replace(".0%", "%").replace("%", " %") if value < 0.1 else f"{value:.0%}".replace("%", " %")


_ATTRIBUTE_COSTS: Final = {
    "title": ("no text to compare items by, so a new item is found by nobody until it sells", 0.5),
    "price": (
        "price features off: what a shopper spends is not known, lists show no price and margin cannot count",
        0.4,
    ),
    "category": ("category favourites and the cap per category off, and a shopper's taste is known by item only", 0.3),
    "brand": ("brand affinity and the cap per brand off", 0.1),
    "image": ("lists in the shop show an empty frame", 0.1),
    "description": ("content neighbours rest on titles alone", 0.05),
    "stock": ("an item that is sold out can be recommended, since unknown stock counts as available", 0.3),
}


def _attributes(health: Health) -> Iterator[Gap]:
    for missing in health.catalog.missing:
        if not missing.items.count:
            continue
        cost, matters = _ATTRIBUTE_COSTS[missing.attribute]
        everywhere = missing.items.count == missing.items.all
        who = "no listed item has one" if everywhere else f"{percent(missing.items)} of listed items have none"
        traffic = "" if everywhere else f"; {percent(missing.lines)} of what shoppers did was at these items"
        weight = matters * max(missing.items.value, missing.lines.value)
        yield Gap(
            f"no {missing.attribute}", f"{cost} ({who}{traffic})", f"send {missing.attribute} in the feed", weight
        )


def _catalog(health: Health) -> Iterator[Gap]:
    catalog = health.catalog
    if not catalog.listed:
        yield Gap(
            "no catalog",
            "nothing is listed, and only listed items may be shown: every list is empty",
            "import a feed: endcap import catalog",
            1.0,
        )
        return
    if not catalog.sellable:
        yield Gap(
            "everything is out of stock",
            f"all {catalog.listed:,} listed items have a stock of 0 and cannot be shown: every list is empty",
            "send the present stock, or no stock at all",
            1.0,
        )
    elif catalog.sellable < catalog.listed:
        share = Share(catalog.listed - catalog.sellable, catalog.listed)
        cost = f"{percent(share)} of listed items are out of stock and cannot be shown"
        yield Gap("items out of stock", cost, "nothing to mend if the stocks are right", 0.3 * share.value)
    untraded = Share(catalog.traded.all - catalog.traded.count, catalog.traded.all)
    if untraded.count and health.traffic.lines:
        cost = (
            f"{percent(untraded)} of listed items ({untraded.count:,}) have no event: "
            "only content neighbours and new arrivals can find them"
        )
        yield Gap("items without events", cost, "rich titles and categories help these most", 0.2 * untraded.value)


def _join(health: Health) -> Iterator[Gap]:
    joined, lost = health.join.lines, Share(health.join.lines.all - health.join.lines.count, health.join.lines.all)
    if not lost.count:
        return
    cost = (
        f"{percent(lost)} of event lines ({lost.count:,} of {joined.all:,}) join no item of the catalog: "
        f"{health.catalog.stubs:,} unknown ids cannot be shown, and what their shoppers wanted is lost"
    )
    near = health.join.nearly
    remedy = "send delisted items too, and the same ids in feed and events"
    if near.count:
        remedy = f"{percent(near)} of lines would join but for case, spaces or leading zeros: write ids alike"
    yield Gap("events that join no item", cost, remedy, lost.value)


def _history(health: Health) -> Iterator[Gap]:
    traffic, kinds = health.traffic, health.traffic.kinds
    if not traffic.lines:
        yield Gap("no events", "nothing can be learned: no list is personal", "endcap import events", 1.0)
        return
    if traffic.days < 365:
        cost = f"{traffic.days:,} days of history: what comes back every year cannot be known"
        yield Gap(
            "less than a year", cost, "import older orders; they need no views", 0.05 if traffic.days > 60 else 0.3
        )
    if traffic.quiet_days:
        quiet = Share(traffic.quiet_days, traffic.days)
        longest = f"the longest pause is {traffic.longest_pause_days:,} days from {traffic.longest_pause_from}"
        cost = f"{percent(quiet)} of days ({quiet.count:,}) have no event; {longest}"
        yield Gap("days without events", cost, "import what is missing, if the shop was open", 0.2 * quiet.value)
    if "view_item" not in kinds:
        cost = "orders alone: what shoppers looked at and did not buy is not known, and sessions cannot be followed"
        yield Gap("no views", cost, "send view_item events", 0.3)
    if "purchase" not in kinds:
        yield Gap("no purchases", "interest counts, buying cannot be learned", "import orders as purchase events", 0.5)
    if "view_item_list" not in kinds:
        cost = "what was shown and left is not known, so nothing can be learned from being passed over"
        yield Gap("no impressions", cost, "send view_item_list with item_list_id", 0.05)


def _people(health: Health) -> Iterator[Gap]:
    people = health.people
    everybody = people.shoppers + people.guests
    if not everybody:
        return
    once = next((each.count for each in people.activity if each.label == "1"), 0)
    if once:
        cost = (
            f"{percent(once / everybody)} of shoppers have one event: their lists rest on one item and on bestsellers"
        )
        yield Gap(
            "shoppers seen once",
            cost,
            "a stable visitor_id joins visits; a login joins devices",
            0.3 * once / everybody,
        )
    if people.guests:
        share = people.guests / everybody
        cost = f"{percent(share)} of shoppers are guests without any id: each session starts from nothing"
        yield Gap("guests", cost, "send visitor_id or user_id", 0.3 * share)
    if people.one_item_sessions.value > 0.5:
        cost = f"{percent(people.one_item_sessions)} of sessions have one item and teach nothing of what goes together"
        yield Gap("sessions of one item", cost, "check that session_id lasts for the whole visit", 0.1)
    if people.bots:
        made = percent(people.bot_lines)
        cost = f"{people.bots:,} bots (over 60 events a minute, or 500 items a session) made {made} of event lines"
        yield Gap("bots", cost, "leave them out of the export", people.bot_lines.value)
    if people.shoppers_with_two_orders < 2 and people.orders:
        cost = "nobody has ordered twice: buying again cannot be learned, nor a next order be measured"
        yield Gap("no second orders", cost, "map a stable user_id", 0.3)


def _plausibility(health: Health) -> Iterator[Gap]:
    found = health.plausibility
    if found.quarantined:
        rows = sum(found.quarantined.values())
        reason, most = next(iter(found.quarantined.items()))
        share = Share(rows, rows + health.traffic.lines + health.catalog.items)
        cost = f"{rows:,} rows of files did not fit ({percent(share)}); most often: {reason} ({most:,})"
        yield Gap("rows in quarantine", cost, "see the shop's quarantine folder", share.value)
    if found.future or found.long_ago:
        cost = f"{found.future:,} lines lie in the future, {found.long_ago:,} before 1995"
        share = Share(found.future + found.long_ago, health.traffic.lines)
        yield Gap("impossible times", cost, "check the unit of times (s, ms, µs) and clocks", share.value)
    if found.resolution == "day" or (found.one_time_of_day.value > 0.5 and health.traffic.days > 1):
        cost = (
            f"{percent(found.one_time_of_day)} of lines carry the same time of day: the order within a day is not known"
        )
        yield Gap("dates without times", cost, "send times, not dates", 0.3 * found.one_time_of_day.value)
    elif found.burst.count > 1000 and found.burst.value > 0.01:
        cost = f"{found.burst.count:,} lines ({percent(found.burst)}) carry one and the same instant"
        yield Gap("a burst at one instant", cost, "look for an import date in place of event times", found.burst.value)
    ratio = found.price_ratio
    if ratio is not None and not 0.5 <= ratio <= 2:
        cost = f"orders cost {ratio:g} times the catalog's prices in the median: another unit, tax or currency"
        yield Gap("prices that disagree", cost, f"send both in {found.currency}, in the same unit", 0.4)
    yield from _refunds(health)


def _refunds(health: Health) -> Iterator[Gap]:
    matched = health.plausibility.refunds_matched
    if "purchase" in health.traffic.kinds and not matched.all:
        yield Gap("no refunds", "what was sent back counts as liked", "send refund events", 0.05)
    elif matched.count < matched.all:
        lost = Share(matched.all - matched.count, matched.all)
        cost = f"{percent(lost)} of refund lines ({lost.count:,}) follow no purchase of the same shopper and item"
        weight = lost.count / max(health.traffic.lines, 1)
        yield Gap("unmatched refunds", cost, "send the shopper's id with refunds, and older orders", weight)


_PARTS: Final[tuple[Callable[[Health], Iterator[Gap]], ...]] = (
    _catalog, _attributes, _join, _history, _people, _plausibility,
)  # fmt: skip
