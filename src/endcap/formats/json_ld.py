"""schema.org products as JSON-LD, under Merchant names: objects, arrays, `@graph`, JSON lines; offers and groups.

Knows the properties of Product, Offer and ProductGroup that Merchant attributes stand for (Google's own table of both).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from endcap.formats import Format, Sample
from endcap.formats.json_values import values
from endcap.formats.merchant import SCHEMA
from endcap.formats.records import Record, RecordFile, Torn
from endcap.formats.sources import Source

_PRODUCTS: Final = frozenset({"Product", "IndividualProduct", "ProductModel", "SomeProducts", "Vehicle", "Book"})
_INSIDE: Final = ("@graph", "itemListElement", "dataFeedElement", "mainEntity", "hasVariant", "item", "offers")
_AVAILABILITY: Final = {
    "instock": "in_stock",
    "onlineonly": "in_stock",
    "instoreonly": "in_stock",
    "limitedavailability": "limited_availability",
    "preorder": "preorder",
    "presale": "preorder",
    "backorder": "backorder",
    "madetoorder": "backorder",
    "outofstock": "out_of_stock",
    "soldout": "out_of_stock",
    "discontinued": "out_of_stock",
    "reserved": "out_of_stock",
}
_CONDITION: Final = {
    "newcondition": "new",
    "usedcondition": "used",
    "refurbishedcondition": "refurbished",
    "damagedcondition": "used",
}
_PLAIN: Final = {
    "title": ("name",),
    "description": ("description",),
    "product_type": ("category",),
    "color": ("color",),
    "size": ("size",),
    "material": ("material",),
    "pattern": ("pattern",),
    "brand": ("brand", "manufacturer"),
    "mpn": ("mpn",),
    "gtin": ("gtin", "gtin13", "gtin14", "gtin12", "gtin8", "isbn"),
}


def records(source: Source) -> Iterator[Record]:
    """Every product in the file, in order. Raises InvalidFeed as `json_values.values` does."""
    for value in values(source):
        if isinstance(value, Torn):
            yield value
        else:
            found = list(_products(value, {}))
            yield from found or [Torn("is no schema.org Product, nor holds one")]


def _products(value: Any, group: Mapping[str, str | None]) -> Iterator[Record]:
    if isinstance(value, list):
        for each in value:
            yield from _products(each, group)
    elif isinstance(value, dict):
        types = _types(value)
        if types & _PRODUCTS and "ProductGroup" not in types:
            yield {**group, **_product(value)}
        else:
            shared = _group(value) if "ProductGroup" in types else group
            for name in _INSIDE:
                if name in value and not (name == "offers" and shared):
                    yield from _products(value[name], shared)


def _types(value: Mapping[str, Any]) -> set[str]:
    given = value.get("@type")
    return {_last(each) for each in (given if isinstance(given, list) else [given]) if isinstance(each, str)}


def _last(url: str) -> str:
    """The name at the end of an address of schema.org."""
    return url.rstrip("/").rpartition("/")[2].rpartition("#")[2].rpartition(":")[2]


def _group(value: Mapping[str, Any]) -> dict[str, str | None]:
    shared = {name: text for name in ("description", "brand", "product_type") if (text := _first(value, _PLAIN[name]))}
    group = _first(value, ("productGroupID", "@id", "sku"))
    return {**shared, **({"item_group_id": group} if group else {})}


def _product(value: Mapping[str, Any]) -> dict[str, str | None]:
    record: dict[str, str | None] = {name: text for name, places in _PLAIN.items() if (text := _first(value, places))}
    offer = _offer(value.get("offers"))
    record |= _of_offer(offer)
    parent = value.get("isVariantOf")
    more = {
        "id": _first(value, ("sku", "productID", "identifier")) or _first(offer, ("sku",)) or _first(value, ("@id",)),
        "item_group_id": _first(value, ("inProductGroupWithID",))
        or (_first(parent, ("productGroupID", "sku", "@id")) if isinstance(parent, dict) else _text(parent)),
        "link": _first(value, ("url",)) or _first(offer, ("url",)),
        "gender": _first(_one(value.get("audience")), ("suggestedGender",)),
    }
    images = _texts(value.get("image"))
    if images:
        more |= {"image_link": images[0], "additional_image_link": ",".join(images[1:]) or None}
    return {**record, **{name: text for name, text in more.items() if text}}


def _of_offer(offer: Mapping[str, Any]) -> dict[str, str | None]:
    found: dict[str, str | None] = _prices(offer)
    availability = _text(offer.get("availability"))
    if availability:
        found["availability"] = _AVAILABILITY.get(_last(availability).lower(), availability)
    condition = _text(offer.get("itemCondition"))
    if condition:
        found["condition"] = _CONDITION.get(_last(condition).lower(), condition)
    quantity = _first(_one(offer.get("inventoryLevel")), ("value",))
    return {**found, **_given("quantity", quantity)}


def _prices(offer: Mapping[str, Any]) -> dict[str, str | None]:
    """The price asked for, or, where a list price stands beside a sale's, both."""
    currency = _text(offer.get("priceCurrency"))
    given = offer.get("priceSpecification")
    specifications = [each for each in (given if isinstance(given, list) else [given]) if isinstance(each, dict)]
    listed = [each for each in specifications if _last(_text(each.get("priceType")) or "") in _LISTED]
    asked = [each for each in specifications if each not in listed and _text(each.get("price"))]
    now = _amount(offer, currency) or (_amount(asked[0], currency) if asked else None)
    before = _amount(listed[0], currency) if listed else None
    return {"price": before, "sale_price": now} if before and now and before != now else _given("price", now or before)


def _given(name: str, text: str | None) -> dict[str, str | None]:
    return {name: text} if text else {}


_LISTED: Final = {"ListPrice", "SRP", "MSRP", "StrikethroughPrice", "RegularPrice"}


def _amount(offer: Mapping[str, Any], currency: str | None) -> str | None:
    amount = _first(offer, ("price", "lowPrice"))
    own = _text(offer.get("priceCurrency")) or currency
    return amount and (f"{amount} {own}" if own else amount)


def _offer(given: Any) -> Mapping[str, Any]:
    """The offer that counts: of several the first that is not sold out, else the first."""
    offers = [each for each in (given if isinstance(given, list) else [given]) if isinstance(each, dict)]
    if len(offers) == 1 and isinstance(inner := offers[0].get("offers"), list | dict) and "lowPrice" not in offers[0]:
        return _offer(inner)
    return next((each for each in offers if _sells(each)), next(iter(offers), {}))


def _sells(offer: Mapping[str, Any]) -> bool:
    word = _last(_text(offer.get("availability")) or "").lower()
    return _AVAILABILITY.get(word, "out_of_stock") != "out_of_stock"


def _one(given: Any) -> Mapping[str, Any]:
    first = next(iter(given), None) if isinstance(given, list) else given
    return first if isinstance(first, dict) else {}


def _first(value: Mapping[str, Any], places: tuple[str, ...]) -> str | None:
    return next((text for place in places if (text := _text(value.get(place)))), None)


def _text(given: Any) -> str | None:
    return next(iter(_texts(given)), None)


def _texts(given: Any) -> list[str]:
    """The texts of a value: itself, each of a list, or what names an object."""
    match given:
        case str():
            return [given.strip()] if given.strip() else []
        case bool() | None:
            return []
        case int() | float():
            return [str(given)]
        case list():
            return [text for each in given for text in _texts(each)]
        case dict():
            names = ("@value", "name", "value", "contentUrl", "url", "@id")
            return next((texts for name in names if (texts := _texts(given.get(name)))), [])
        case _:
            return []


def _fits(sample: Sample) -> bool:
    named = "schema.org" in sample.text or '"Product' in sample.text
    return sample.container == "json" and '"@type"' in sample.text and named


FORMATS: Final = (Format("schema.org JSON-LD", _fits, lambda sample: RecordFile(sample.source, SCHEMA, records)),)
