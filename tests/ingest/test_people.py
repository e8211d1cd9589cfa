"""People in files: logins link, devices change hands, and the erased do not come back with an old file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from endcap.backends.log import bodies
from endcap.domain.ids import keyed_hash
from endcap.domain.people import Link, visitor_key
from endcap.formats.files import open_table
from endcap.ingest import Ports, Summary
from endcap.ingest.events import import_events
from endcap.ingest.fold import SHOPPER_PREFIX
from endcap.ingest.mapping import EventsMapping, read_mapping
from endcap.privacy import Stores, find_person, finish, open_identities, tombstone, tombstone_entry
from endcap.state import Shopper

MAPPING = """
kind = "events"
[fields]
name = "name"
time = "at"
item_id = "item"
user_id = "user"
visitor_id = "visitor"
"""
HEADER = "name,at,item,user,visitor\n"
ROWS = [
    "view_item,2023-10-01 08:00,A,,cookie",
    "purchase,2023-10-01 08:05,B,ann,cookie",
    "view_item,2023-10-01 08:10,C,,cookie",
    "view_item,2023-10-01 09:00,D,ben,cookie",
    "view_item,2023-10-01 09:05,E,,cookie",
    "view_item,2023-10-01 09:10,F,,other",
]


@pytest.fixture
def read(shop: Ports, written: Callable[[str, str], Path], now: int) -> Callable[[list[str]], Summary]:
    def read_rows(rows: list[str]) -> Summary:
        mapping = read_mapping(written("events.toml", MAPPING), EventsMapping)
        return import_events(shop, open_table(written("events.csv", HEADER + "\n".join(rows) + "\n")), mapping, now)

    return read_rows


def links(shop: Ports) -> list[Link]:
    return [bodies.unpack("link", entry.version, entry.body) for _, entry in shop.log.of_kind("events", "link")]


def seen(shop: Ports, key: bytes) -> list[str]:
    """The items in a person's state."""
    (packed,) = shop.kv.get_many([SHOPPER_PREFIX + key])
    items = shop.catalog.keys()
    return [] if packed is None else sorted(items[row].id for row in Shopper.unpacked(packed).recent.row.tolist())


def test_rows_with_both_ids_link_and_a_visitor_alone_is_whoever_had_the_device_then(
    shop: Ports, read: Callable[[list[str]], Summary]
) -> None:
    assert read(ROWS) == Summary(6, fresh=6, new_items=6)
    ann, ben = keyed_hash(shop.secret, "user", "ann"), keyed_hash(shop.secret, "user", "ben")
    assert [(link.generation, link.user) for link in links(shop)] == [(0, ann), (1, ben)]
    assert [seen(shop, ann), seen(shop, ben)] == [["A", "B", "C"], ["D", "E"]]
    assert seen(shop, visitor_key(shop.secret, "cookie")) == []
    assert seen(shop, visitor_key(shop.secret, "other")) == ["F"]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_same_rows_again_in_any_cut_and_order_link_and_add_nothing(
    shop: Ports, read: Callable[[list[str]], Summary], size: int
) -> None:
    for start in range(0, len(ROWS), size):
        read(ROWS[start : start + size])
    known, people = links(shop), shop.log.end("events")
    assert len(known) == 2
    assert read(ROWS[::-1]) == Summary(6, known=6)
    assert (links(shop), shop.log.end("events")) == (known, people)


def test_an_erased_person_s_rows_in_another_old_file_are_not_taken_in(
    shop: Ports, read: Callable[[list[str]], Summary], now: int
) -> None:
    read(ROWS)
    people = open_identities(shop.secret, shop.log)
    person = find_person(people, shop.secret, shop.log, ("ann", ""))
    shop.log.append("events", [tombstone_entry(tombstone(people, person, now))])
    finish(Stores(shop.log, shop.kv, shop.tables.forget, ()))
    ann = keyed_hash(shop.secret, "user", "ann")
    other = [
        "view_item,2023-10-01 08:01,A,,cookie",
        "view_item,2023-10-02 08:00,B,ann,",
        "view_item,2023-10-01 08:20,C,ann,cookie",
    ]
    assert read([*other, "view_item,2023-10-01 09:07,C,,cookie"]) == Summary(4, fresh=1, known=3)
    assert shop.log.person("events", ann) == shop.log.person("events", visitor_key(shop.secret, "cookie")) == []
    assert seen(shop, keyed_hash(shop.secret, "user", "ben")) == ["C", "D", "E"]
