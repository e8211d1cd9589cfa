"""Drawn pictures: a silhouette for every category of the simulated shop, the same every time, and no text in any."""

import tomllib
import xml.etree.ElementTree as ET
from importlib import resources

import pytest

from endcap.simulation.assortment import COLOURS as NAMED
from endcap.simulation.assortment import leaves
from endcap.storefront.pictures import COLOURS, KINDS, PLAIN, TITLED, Look, kind_of, picture


@pytest.mark.parametrize("path", [leaf.path for leaf in leaves()])
def test_every_category_of_the_simulated_shop_has_a_silhouette(path: str) -> None:
    assert kind_of(path, "") != PLAIN


def test_every_colour_of_the_simulated_shop_has_its_own_hue() -> None:
    names = {name for names in NAMED.values() for name in names}
    assert names <= COLOURS.keys()
    drawn = {picture(Look("1", "Tents", "", name)) for name in names}
    assert len(drawn) == len(names)


def test_every_silhouette_is_called_for_and_drawn() -> None:
    written = tomllib.loads((resources.files("endcap.storefront") / "shapes.toml").read_text("utf-8"))
    assert {kind for _, kind in KINDS + TITLED} | {PLAIN} == written.keys()
    words = {kind: word for word, kind in KINDS + TITLED}
    for kind in written:
        svg = picture(Look("1", "", words.get(kind, ""), "rust"))
        root = ET.fromstring(svg)  # noqa: S314 - our own drawing
        assert root.attrib["viewBox"] == "0 0 400 400"
        assert len(svg) < 3_000
        assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) >= written[kind].strip().count("\n") + 1


def test_a_picture_is_the_same_every_time_and_holds_no_text() -> None:
    hostile = Look('"/><script>', "<b>Tents</b>", "</svg><script>alert(1)</script>", "<i>rust")
    first = picture(hostile)
    picture.cache_clear()
    assert picture(hostile) == first
    assert {each.tag.rpartition("}")[2] for each in ET.fromstring(first).iter()} <= {  # noqa: S314 - the same
        "svg", "defs", "linearGradient", "stop", "pattern", "rect", "ellipse", "circle", "g", "path",
    }  # fmt: skip
