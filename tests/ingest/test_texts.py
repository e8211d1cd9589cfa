"""Texts: what an older change alone knows stays, whatever the order of arrival; old checkpoints start anew."""

from itertools import permutations

import msgspec
import pytest

from endcap.backends.kv.memory import MemoryKV
from endcap.domain.catalog import Change
from endcap.ingest.texts import Texts, open_texts

CHANGES = (
    Change(1, 5, text={"title": "New", "color": "red"}),
    Change(1, 3, text={"title": "Old", "link": "https://shop.example/1", "image_link": "https://shop.example/1.png"}),
    Change(1, 4, text={"image_link": ""}),
)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_arrival_makes_no_difference(order: tuple[int, ...]) -> None:
    texts = Texts()
    for offset, place in enumerate(order, 1):
        texts.apply(offset, CHANGES[place])
    assert texts.get(1) == {"title": "New", "link": "https://shop.example/1"}
    assert (texts.get(0), texts.get(9), texts.offset) == ({}, {}, 3)


def test_a_checkpoint_gives_back_what_was_kept() -> None:
    kv, texts = MemoryKV(None, lambda: 0), Texts()
    texts.apply(7, CHANGES[0])
    texts.save(kv)
    again = open_texts(kv)
    assert (again.offset, again.get(1)) == (7, {"title": "New"})
    again.apply(8, CHANGES[1])
    again.apply(9, Change(20_000, 5, text={"title": "Far"}))
    again.save(kv)
    twice = open_texts(kv)
    assert twice.get(1) == {
        "title": "New", "link": "https://shop.example/1", "image_link": "https://shop.example/1.png"
    }  # fmt: skip
    assert (twice.offset, twice.get(10_000), twice.get(20_000)) == (9, {}, {"title": "Far"})


def test_a_checkpoint_of_an_older_format_is_read_again_from_the_log() -> None:
    kv = MemoryKV(None, lambda: 0)
    row = msgspec.msgpack.encode({"title": "Old"})
    kv.set_many({b"checkpoint:texts": msgspec.msgpack.encode({"offset": 7, "packed": [row], "format": 2})})
    assert open_texts(kv).offset == 0
