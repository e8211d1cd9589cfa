"""The findings as named figures in words, the same for terminal and page."""

from collections.abc import Iterator
from typing import NamedTuple

from endcap.monitoring.gaps import percent
from endcap.monitoring.health import Health


class Fact(NamedTuple):
    """What is counted, the figure in words, and what it means where that is not plain."""

    name: str
    figure: str
    meaning: str = ""


def facts(health: Health) -> dict[str, list[Fact]]:
    """All facts by subject, in order."""
    return {
        "Catalog": list(_catalog(health)),
        "Events": list(_events(health)),
        "Shoppers": list(_people(health)),
        "Plausibility": list(_plausible(health)),
    }


def _catalog(health: Health) -> Iterator[Fact]:
    catalog = health.catalog
    yield Fact("items", f"{catalog.items:,}", f"{catalog.listed:,} listed, {catalog.unlisted:,} unlisted")
    yield Fact("stubs", f"{catalog.stubs:,}", "ids that events name and no feed does")
    yield Fact("groups", f"{catalog.groups:,}", f"of {catalog.variants:,} variants")
    yield Fact("can be shown", f"{catalog.sellable:,}", "listed and not known to be out of stock")
    yield Fact(
        "with an event", percent(catalog.traded), f"{catalog.traded.count:,} of {catalog.traded.all:,} listed items"
    )


def _events(health: Health) -> Iterator[Fact]:
    traffic, join = health.traffic, health.join
    kinds = ", ".join(f"{count:,} {name}" for name, count in traffic.kinds.items())
    yield Fact("events", f"{traffic.events:,}", kinds)
    yield Fact("lines", f"{traffic.lines:,}", "one an item of an event")
    if not traffic.lines:
        return
    yield Fact("time range", f"{traffic.days:,} days", f"{traffic.first[:10]} to {traffic.last[:10]} (UTC)")
    pause = f"longest pause {traffic.longest_pause_days:,} days" if traffic.quiet_days else ""
    yield Fact("days without events", f"{traffic.quiet_days:,}", pause)
    yield Fact("joined to the catalog", percent(join.lines), f"{join.lines.count:,} of {join.lines.all:,} lines")
    if join.stubs:
        names = ", ".join(f"{stub.id} ({stub.lines:,})" for stub in join.stubs)
        yield Fact("ids most often unknown", f"{len(join.stubs)}", names)


def _people(health: Health) -> Iterator[Fact]:
    people = health.people
    yield Fact("shoppers", f"{people.shoppers:,}", "with a visitor or user id")
    yield Fact("guests", f"{people.guests:,}", "without one: a session each")
    yield Fact("came on two days or more", percent(people.returning), f"{people.returning.count:,}")
    lengths = ", ".join(f"{each.label}: {each.count:,}" for each in people.session_lengths)
    yield Fact("sessions", f"{people.sessions:,}", f"by lines {lengths}" if people.sessions else "")
    yield Fact("sessions of one item", percent(people.one_item_sessions))
    yield Fact("orders", f"{people.orders:,}", f"{people.lines_per_order:g} lines an order in the mean")
    yield Fact("shoppers with two orders", f"{people.shoppers_with_two_orders:,}")
    yield Fact("bots", f"{people.bots:,}", f"{people.bot_lines.count:,} lines")


def _plausible(health: Health) -> Iterator[Fact]:
    found = health.plausibility
    yield Fact("currency", found.currency, "of the shop; other currencies do not enter")
    yield Fact("order lines with a price", percent(found.priced_orders))
    if found.price_ratio is not None:
        yield Fact("order price / catalog price", f"{found.price_ratio:g}", "median")
    yield Fact("times are kept to the", found.resolution or "-")
    yield Fact("lines in the future, before 1995", f"{found.future:,}, {found.long_ago:,}")
    yield Fact("lines at the busiest instant", f"{found.burst.count:,}")
    matched = found.refunds_matched
    yield Fact("refunds with their purchase", f"{matched.count:,} of {matched.all:,}")
    viewed = found.purchases_viewed
    yield Fact("purchases with a view before", f"{viewed.count:,} of {viewed.all:,}")
    rows = sum(found.quarantined.values())
    reasons = "; ".join(f"{reason}: {count:,}" for reason, count in list(found.quarantined.items())[:5])
    yield Fact("rows in quarantine", f"{rows:,}", reasons)
