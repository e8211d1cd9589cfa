"""Shops that lack something: train, evaluate, lists, health and audit each work, or refuse and say why."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from endcap import app
from endcap.app import Shop
from endcap.app.audit import audited
from endcap.errors import EndcapError
from endcap.evaluation import audit_page, verdict

CATALOG_MAP = """\
kind = "catalog"
[fields]
id = "sku"
title = "name"
price = "price"
stock = "stock"
[types]
price = "number"
stock = "number"
"""
NO_PRICE_MAP = CATALOG_MAP.replace('price = "price"\n', "").replace('price = "number"\n', "")
EVENTS_MAP = """\
kind = "events"
[fields]
name = "event"
time = "at"
user_id = "who"
item_id = "sku"
[types]
at = "time"
"""


def item(number: int, stock: int = 5) -> str:
    """A row of a catalog."""
    return f"S{number},Lamp {number % 7} of {number},{number + 1}.50,{stock}"


def visits(shoppers: int = 60, days: int = 6, steps: int = 4, items: int = 30) -> list[str]:
    """Rows of events: everybody comes on every day, looks at some items of their own and buys the last."""
    return [
        f"{'purchase' if step == steps - 1 else 'view_item'},2026-08-{1 + day:02}T10:{who % 60:02}:{step * 10:02}Z,"
        f"u{who},S{(who * 3 + day * (1 + who % 2) + step * 2) % items}"
        for day in range(days)
        for who in range(shoppers)
        for step in range(steps)
    ]


def made(
    folder: Path, items: Iterable[str] | None, events: Iterable[str] | None, catalog_map: str = CATALOG_MAP
) -> Shop:
    """The shop of these rows in `folder`; None: no such file is imported."""
    folder.mkdir(parents=True)
    app.initialise(folder / "shop", "EUR", "UTC")
    shop = app.open_shop(folder / "shop", os.environ)
    if items is not None:
        _write(folder, "catalog", "sku,name,price,stock", items, catalog_map)
        app.import_catalog(shop, folder / "catalog.csv", folder / "catalog.toml", _no_progress)
    if events is not None:
        _write(folder, "events", "event,at,who,sku", events, EVENTS_MAP)
        app.import_events(shop, folder / "events.csv", folder / "events.toml", _no_progress)
    return shop


def _write(folder: Path, kind: str, header: str, rows: Iterable[str], mapping: str) -> None:
    (folder / f"{kind}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    (folder / f"{kind}.toml").write_text(mapping, encoding="utf-8")


def _no_progress(_: int, __: int | None) -> None:
    pass


NOTHING_LEARNT = "there is no view, click, cart or purchase to learn from; import events first"
NO_SNAPSHOT = "no snapshot is published yet; run `endcap train`"
WANTED = {"placement": "home", "user_id": "u3", "k": 3}
EMPTY, ITEMS = "unlisted_or_out_of_stock", [item(number) for number in range(30)]


def _silent(_: str) -> None:
    pass


def _evaluated(shop: Shop, protocol: str) -> None:
    app.evaluate(shop, (protocol, "2026-08-04"), app.Outputs(), _silent)


def _said(work: Callable[[], object]) -> str:
    """What the work refuses with; empty where it is done."""
    try:
        work()
    except EndcapError as refused:
        return str(refused)
    return ""


def _gaps(shop: Shop, folder: Path) -> str:
    """The names of what the health report calls heavy."""
    app.health(shop, app.Pages(folder / "health.json", folder / "health.html"), _silent)
    assert json.loads((folder / "health.json").read_text())["catalog"]
    page = (folder / "health.html").read_text()
    return page[page.index('class="lead"') : page.index("</header>")]


def _audited(shop: Shop) -> str:
    """The sentences after the first where nothing could be compared; empty where it could."""
    found = audited(shop, ("feed.csv", "events.csv"), _silent)
    assert verdict(found).lead in audit_page(found)
    return verdict(found).more if isinstance(found.found, str) else ""


def test_without_events_nothing_can_be_learned_and_all_say_so(tmp_path: Path) -> None:
    shop = made(tmp_path / "a", ITEMS, None)
    assert _said(lambda: app.train(shop, _silent)) == NOTHING_LEARNT
    assert _said(lambda: _evaluated(shop, "next-basket")) == NOTHING_LEARNT
    assert _said(lambda: _evaluated(shop, "time-split")) == NOTHING_LEARNT
    assert _said(lambda: app.recommend(shop, WANTED)) == NO_SNAPSHOT
    assert "no events" in _gaps(shop, tmp_path)
    assert _audited(shop) == f"T{NOTHING_LEARNT[1:]}."


def test_a_shop_of_one_item_shows_it(tmp_path: Path) -> None:
    shop = made(tmp_path / "a", [item(0)], visits(items=1))
    app.train(shop, _silent)
    _evaluated(shop, "time-split")
    assert [shown.id for shown in app.recommend(shop, WANTED).answer.items] == ["S0"]
    assert _audited(shop) == (
        "There is too little history before 2026-08-05 to train on (hybrid: fewer than 50 examples of a choice to "
        "fit a ranker on); import more events."
    )


def test_events_without_a_catalog_teach_but_nothing_may_be_shown(tmp_path: Path) -> None:
    shop = made(tmp_path / "a", None, visits())
    app.train(shop, _silent)
    _evaluated(shop, "time-split")
    answer = app.recommend(shop, WANTED).answer
    assert (answer.items, answer.short_because) == ([], EMPTY)
    assert "no catalog" in _gaps(shop, tmp_path)
    assert _audited(shop) == (
        "No list can be measured where nothing may be shown: the feed lists no item, and events name 30 unknown ones; "
        "import a feed with the ids that events use."
    )


def test_a_catalog_without_prices_works_and_its_cost_is_told(tmp_path: Path) -> None:
    shop = made(tmp_path / "a", ITEMS, visits(), NO_PRICE_MAP)
    app.train(shop, _silent)
    _evaluated(shop, "next-basket")
    assert [shown.fields.price for shown in app.recommend(shop, WANTED).answer.items] == [""] * 3
    assert "no price" in _gaps(shop, tmp_path)
    assert "Price features off" in (tmp_path / "health.html").read_text()
    assert _audited(shop) == ""


def test_where_everything_is_out_of_stock_lists_are_empty_and_say_why(tmp_path: Path) -> None:
    shop = made(tmp_path / "a", [item(number, stock=0) for number in range(30)], visits())
    app.train(shop, _silent)
    _evaluated(shop, "next-basket")
    answer = app.recommend(shop, WANTED).answer
    assert (answer.items, answer.short_because) == ([], EMPTY)
    assert "everything is out of stock" in _gaps(shop, tmp_path)
    assert _audited(shop) == (
        "No list can be measured where nothing may be shown: all 30 listed items are out of stock; send the present "
        "stock, or none."
    )


def test_one_shopper_can_be_learned_from_and_not_compared(tmp_path: Path) -> None:
    shop = made(tmp_path / "a", ITEMS, visits(shoppers=1))
    app.train(shop, _silent)
    _evaluated(shop, "next-basket")
    assert len(app.recommend(shop, WANTED).answer.items) == 3
    assert _gaps(shop, tmp_path)
    assert _audited(shop) == (
        "Only 8 cases lie after 2026-08-05 of shoppers known before; expected at least 30: import a longer history, "
        "and map a stable user_id or visitor_id."
    )


def test_all_events_on_one_day_can_be_learned_from_and_cut_within_the_day(tmp_path: Path) -> None:
    shop = made(tmp_path / "a", ITEMS, visits(days=1))
    app.train(shop, _silent)
    assert _said(lambda: _evaluated(shop, "next-basket")) == (
        "no shopper has history before 2026-08-04 and a case after it; choose a --split inside the history"
    )
    assert len(app.recommend(shop, WANTED).answer.items) == 3
    assert "less than a year" in _gaps(shop, tmp_path)
    assert _audited(shop).startswith("There is too little history before 2026-08-01T10:47:36 to train on")
