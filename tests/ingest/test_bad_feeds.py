# ruff: noqa: E501, ISC004 (a case a line, with the whole message, reads better)
"""Bad catalog files, each with what is said of it, word for word: files that are refused, rows that are put away."""

import gzip
import json
import os
from pathlib import Path

import polars as pl
import pytest

from endcap.errors import InvalidFeed
from endcap.formats import files, sources
from endcap.formats.recognise import opened
from endcap.ingest import Ports
from endcap.ingest.builtin import catalog_mapping
from endcap.ingest.catalog import import_catalog
from feeds import take

ROW = "id\ttitle\tprice\na\tMug\t1\n"
RSS = '<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>a</g:id></item>'
BOMB = '<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]>' + RSS + "</channel></rss>"
BOMBED = gzip.compress(b"id\ttitle\n" + b"0" * 8_000_000)
OUTSIDE = '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + RSS + "</channel></rss>"
KNOWN = (
    "schema.org JSON-LD, Google Merchant TSV, Google Merchant CSV, Parquet with Merchant names, JSON with Merchant "
    "names, Google Merchant RSS, Google Merchant RSS (RDF), Google Merchant Atom"
)
NESTED = "is nested too deeply; expected objects of a few levels"

REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "FILE is empty; expected a feed with at least one row"),
    "blank": (b"\n \n", "FILE is empty; expected a feed with at least one row"),
    "empty gz": (gzip.compress(b""), "FILE is empty; expected a feed with at least one row"),
    "no feed": (
        b"when,what\n1,2\n",
        f"FILE is in no format that is known for catalog ({KNOWN}): it has when, what; "
        "say what its columns mean with --map MAP.toml",
    ),
    "a page": (
        b"<html><body>Not found</body></html>",
        f"FILE is in no format that is known for catalog ({KNOWN}); say what its columns mean with --map MAP.toml",
    ),
    "no id": (b"title\tprice\tavailability\nMug\t1\tin stock\n",
              "FILE has no column id; expected one with each item's own id, beside title, price, availability"),
    "duplicate header": (b"id,title,price,title\na,b,1,c\n", "FILE has the column 'title' twice; rename one"),
    "two names for one": (b"id,title,g:price,Price\na,b,1,c\n",
                          "FILE has the columns 'g:price' and 'Price', and both mean price; leave one out"),
    "Latin-1": ("id\ttitle\na\tcafé\n".encode("latin-1"),
                "FILE is not UTF-8: byte 0xe9 in line 2; export it as UTF-8, or say which encoding it is in, such as "
                "--encoding cp1252"),
    "half of UTF-16": ("\ufeffid\ttitle\na\tMug".encode("utf-16-le")[:-1],
                       "FILE is not UTF-16-LE: byte 0x67 in line 2; export it as UTF-8, or say which encoding it is in, "
                       "such as --encoding cp1252"),
    "truncated gz": (gzip.compress(ROW.encode()) + gzip.compress(ROW.encode())[:8], "FILE breaks off after 23 unpacked bytes; transfer it again"),
    "damaged gz": (gzip.compress(ROW.encode())[:-8] + b"12345678",
                   "FILE is damaged after 0 unpacked bytes: Error -3 while decompressing data: incorrect data check; "
                   "transfer it again"),
    "gz of gz": (gzip.compress(gzip.compress(ROW.encode())), "FILE is packed twice; unpack it once"),
    "gzip bomb": (BOMBED,
                  f"FILE has {len(BOMBED):,} bytes and unpacks to more than 1,835,008; expected a feed, unpack it yourself if it is one"),
    "zip": (b"PK\x03\x04rest", "FILE is a ZIP archive; unpack or export it as text, Parquet or gzip first"),
    "picture": (b"\x89PNG\r\n\x1a\n", "FILE is a picture; unpack or export it as text, Parquet or gzip first"),
    "XML entity bomb": (BOMB.encode(), "FILE declares the entity 'lol', which is refused: entities may grow without "
                        "bound; write the text itself"),
    "XML that reads a file": (OUTSIDE.encode(), "FILE declares the entity 'x', which is refused: entities may grow without "
                              "bound; write the text itself"),
    "XML that breaks off": (RSS.encode(), "FILE is damaged after item 1: no element found in line 1; export it again"),
    "XML too deep": ((RSS + "<item>" + "<a>" * 200).encode(),
                     "FILE: elements are nested deeper than 100 after item 1; expected a feed of items"),
    "XML with an endless comment": ((RSS + "<!--" + "x" * 18_000_000).encode(),
                                    "FILE: a tag or comment after item 1 is longer than 16 MiB; shorten it"),
    "XML with an endless tag": ((RSS + "<item a='" + "x" * 18_000_000).encode(),
                                "FILE: a tag or comment after item 1 is longer than 16 MiB; shorten it"),
    "XML with NUL": ((RSS + "<item>\0").encode(),
                     "FILE is damaged after item 1: not well-formed (invalid token) in line 1; export it again"),
    "JSON 10^5 deep": (b'[{"id":"a","title":"b","price":1},' + b'{"a":' * 100_000, f"FILE: the value after value 1 {NESTED}"),
    "JSON 10^5 deep at once": (b"[" * 100_000, f"FILE {NESTED}"),
    "JSON array that breaks off": (b'[{"id":"a","title":"b","price":1},', "FILE breaks off after value 1; transfer it again"),
    "JSON array with a mistake": (b'[{"id":"a","title":"b","price":1},{"id":}]',
                                  "FILE is damaged after value 1: Expecting value: line 1 column 41 (char 40); "
                                  "export it again as JSON"),
    "JSON behind an array": (b'[{"id":"a","title":"b","price":1}]\n[{"id":"c"}]',
                            "FILE goes on after its array, behind value 1; expected one array or document, "
                            "or JSON lines with a document a line"),
    "JSON behind a document": (b'{"items":[\n{"id":"a","title":"b","price":1}]}\n{"items":[]}',
                              "FILE goes on after its array, behind value 1; expected one array or document, "
                              "or JSON lines with a document a line"),
    "JSON document that breaks off": (b'{"items":[\n{"id":"a","title":"b","price":1}], "to',
                                     "FILE is damaged after value 1: Unterminated string starting at: line 1 column 8 "
                                     "(char 7); export it again as JSON"),
    "damaged Parquet": (b"PAR1 but no Parquet", "FILE cannot be read: Parquet magic bytes not found in footer. Either the "
                        "file is corrupted or this is not a parquet file.; export it again as Parquet"),
    "quote closed by another's": (b'id,title,price\na,Mug,1\nb,"Cup,5\nc,Pot,6\nd,"Pan",7\ne,Lid,8\n',
                                  "FILE: a quotation mark in line 3 is closed by another value's in line 5, and what stands "
                                  "between would be lost; close it, or double it where it stands for itself"),
    "quote closed by one for inches": (b'id\ttitle\tprice\na\tMug\t1\nb\t"Cup\t5\nc\t27" Screen\t6\nd\tPan\t7\n',
                                       "FILE: a quotation mark in line 3 is closed by another value's in line 4, and what "
                                       "stands between would be lost; close it, or double it where it stands for itself"),
    "header only": (b"id\ttitle\n", "FILE holds no row; expected a feed with at least one"),
    "no item in XML": (b'<rss xmlns:g="http://base.google.com/ns/1.0"><channel></channel></rss>',
                       "FILE holds no row; expected a feed with at least one"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_file_is_refused_and_nothing_is_written(
    tmp_path: Path, shop: Ports, now: int, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(sources, "SMALL", 1 << 20)
    content, says = REFUSED[name]
    file = tmp_path / "FILE"
    file.write_bytes(content)
    with pytest.raises(InvalidFeed) as refused:
        take(shop, file, now)
    assert str(refused.value).replace(str(file), "FILE") == says
    assert shop.log.end("events") == 0
    assert not list(shop.quarantine.glob("reading-*"))


NO_PRICE = "is no price; expected a number such as 12.99, or one with its currency such as 12.99 EUR"
RANGE = "is not between 0 and 10,000,000,000,000"
COMMA = "is ambiguous: a comma may part thousands or decimals; write 1299.00, with a point and no comma"
LINK = "is not a link of http or https, or a path, without spaces and control characters"
LONG = "x" * 20_001

ROWS: dict[str, tuple[str, str, str, str]] = {
    "missing id": ("id", "", "is missing", ""),
    "id too long": ("id", "x" * 257, "is longer than 256 characters", "x" * 200 + "…"),
    "price of -1": ("price", "-1", RANGE, "-1"),
    "price NaN": ("price", "NaN", NO_PRICE, "NaN"),
    "price infinite": ("price", "inf", NO_PRICE, "inf"),
    "price 1e308": ("price", "1e308", RANGE, "1e308"),
    "price 1e999": ("price", "1e999", RANGE, "1e999"),
    "price free": ("price", "free", NO_PRICE, "free"),
    "price with both signs": ("price", "1.299,00", COMMA, "1.299,00"),
    "price with a comma": ("price", "12,99 EUR", COMMA, "12,99 EUR"),
    "price with a sign": ("price", "€12.99", NO_PRICE, "€12.99"),
    "unknown currency": ("price", "12.99 XXQ", "names no currency of ISO 4217, such as EUR", "12.99 XXQ"),
    "two currencies": ("price", "EUR 12.99 USD", NO_PRICE, "EUR 12.99 USD"),
    "sale's price": ("sale_price", "soon", NO_PRICE, "soon"),
    "sale's window": ("sale_price_effective_date", "tomorrow/never", "is not a time", "tomorrow"),
    "sale's window turned": (
        "sale_price_effective_date", "2026-02-01/2026-01-01", "is not before sale_end", "2026-02-01",
    ),
    "cost": ("cost_of_goods_sold", "-3", RANGE, "-3"),
    "availability": (
        "availability", "soon", "is not one of in_stock, limited_availability, preorder, backorder, out_of_stock", "soon",
    ),
    "stock": ("quantity", "-5", "is not between 0 and 1,000,000,000", "-5"),
    "stock in words": ("quantity", "yes", "is not a number", "yes"),
    "title too long": ("title", LONG, "is longer than 20000 characters", "x" * 200 + "…"),
    "NUL": ("title", "Mu\0g", "holds a NUL character", "Mu\0g"),
    "link that runs": ("link", "JavaScript:alert(1)", LINK, "JavaScript:alert(1)"),
    "link with a control character before it": ("link", "\x01javascript:alert(1)", LINK, "\x01javascript:alert(1)"),
    "link with a space": ("link", "https://shop.example/a b", LINK, "https://shop.example/a b"),
}  # fmt: skip
COLUMNS = "id title price sale_price sale_price_effective_date availability cost_of_goods_sold quantity link".split()


@pytest.mark.parametrize("name", ROWS)
def test_a_bad_row_is_put_away_with_its_reason(tmp_path: Path, shop: Ports, now: int, name: str) -> None:
    column, value, reason, shown = ROWS[name]
    good = {"id": "a", "title": "Mug", "price": "1", "sale_price": "1"}
    bad = {**good, "id": "b", column: value}
    lines = [COLUMNS, *([row.get(each, "") for each in COLUMNS] for row in (good, bad))]
    file = tmp_path / "feed.tsv"
    file.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    summary = take(shop, file, now)
    assert (summary.rows, summary.fresh, summary.quarantined) == (2, 1, 1)
    assert summary.quarantine is not None
    misfit = json.loads(summary.quarantine.read_text(encoding="utf-8"))
    field = {"sale_price_effective_date": "sale_start", "cost_of_goods_sold": "cost", "quantity": "stock"}.get(
        column, column
    )
    assert misfit == {"row": 2, "field": field, "value": shown or None, "reason": reason}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"id":"a","title":"Mug"}\n{"id":"b",', "is no JSON: Input data was truncated"),
        ('{"id":"a","title":"Mug"}\n{"id":' + '{"a":' * 100_000, NESTED),
        ('{"id":"a","title":"Mug"}\n{"id":"b","price":' + '{"value":' * 1_200 + "1" + "}" * 1_201, NESTED),
        ('[{"id":"a","title":"Mug"},{"id":"b","price":' + "[" * 500 + "]" * 500 + "}]", NESTED),
        ('{"id":"a","title":"Mug"}\n[1]\n', "is no object of names and values"),
        (
            '{"id":"a","title":"Mug"}\n{"id":"b","price":NaN}\n',
            "is no JSON: JSON is malformed: invalid character (byte 18)",
        ),
        (
            '[{"id":"a","title":"Mug"},{"id":"b","title":"\\ud800"}]',
            "holds half a surrogate pair, which is no character",
        ),
        ("id,title\na,Mug\nb\n", "1 values where the header has 2"),
        (
            'id,title\na,Mug\nb,"Cup\nc,Pot\nd,Pan\n',
            "a quotation mark is not closed, and the row runs on over 3 more lines",
        ),
        (
            'title,id\nMug,a\n"Cup,b\nPot,c\nPan,d\n',
            "1 values where the header has 2; a quotation mark is not closed, and the row runs on over 2 more lines",
        ),
    ],
    ids=[
        "cut line",
        "deep line",
        "deep line that is whole",
        "deep value of an array",
        "array in lines",
        "NaN",
        "surrogate",
        "too few values",
        "unclosed quote",
        "earlier quote",
    ],
)
def test_a_row_that_cannot_be_read_is_put_away(tmp_path: Path, shop: Ports, now: int, text: str, reason: str) -> None:
    file = tmp_path / "feed"
    file.write_text(text, encoding="utf-8")
    summary = take(shop, file, now)
    assert (summary.rows, summary.fresh, summary.quarantined) == (2, 1, 1)
    assert summary.quarantine is not None
    misfit = json.loads(summary.quarantine.read_text(encoding="utf-8"))
    assert misfit == {"row": 2, "field": "", "value": "(withheld)", "reason": reason}


@pytest.mark.parametrize(
    ("encoding", "given"),
    [("utf-8-sig", None), ("utf-16", None), ("utf-32", None), ("latin-1", "latin-1"), ("cp1252", "cp1252")],
)
def test_marked_and_named_encodings_are_read(
    tmp_path: Path, shop: Ports, now: int, encoding: str, given: str | None
) -> None:
    file = tmp_path / "feed.tsv"
    file.write_bytes("id\ttitle\na\tcafé\n".encode(encoding))
    _, table = opened(file, "catalog", given)
    assert import_catalog(shop, table, catalog_mapping(table), now).fresh == 1
    (change,) = [change for _, change in shop.catalog.changes()]
    assert change.text["title"] == "café"


def test_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "feed.tsv"
    file.write_text(ROW, encoding="utf-8")
    with pytest.raises(InvalidFeed) as refused:
        opened(file, "catalog", "klingon")
    assert str(refused.value) == "'klingon' is no encoding that is known; name one such as cp1252, latin-1 or utf-16"


def test_a_file_that_changes_while_it_is_read_is_refused_and_nothing_is_written(
    tmp_path: Path, shop: Ports, now: int
) -> None:
    file = tmp_path / "feed.tsv"
    file.write_text(ROW, encoding="utf-8")
    stamp = file.stat()
    _, table = opened(file, "catalog")

    def change(_: int, __: int | None) -> None:
        file.write_text(ROW.replace("Mug", "Cup"), encoding="utf-8")
        os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    with pytest.raises(InvalidFeed) as refused:
        import_catalog(shop, table, catalog_mapping(table), now, change)
    assert str(refused.value) == (
        f"{file} changed while it was read, and nothing was imported; import it when it is complete"
    )
    assert shop.log.end("events") == 0


def test_a_file_of_which_no_row_fits_is_refused_and_leaves_its_reasons(tmp_path: Path, shop: Ports, now: int) -> None:
    file = tmp_path / "feed.tsv"
    file.write_text("id\tprice\ttitle\na\tfree\tMug\nb\tfree\tCup\n", encoding="utf-8")
    with pytest.raises(InvalidFeed) as refused:
        take(shop, file, now)
    (kept,) = shop.quarantine.iterdir()
    assert str(refused.value) == (
        f"no row of {file} fits; 2 are in {kept}, the first because price 'free' of row 1 {NO_PRICE}"
    )


def test_a_missing_price_in_parquet_is_unknown_not_bad(tmp_path: Path, shop: Ports, now: int) -> None:
    pl.DataFrame({"id": ["a"], "title": ["Mug"], "price": [float("nan")]}).write_parquet(tmp_path / "feed.parquet")
    assert take(shop, tmp_path / "feed.parquet", now).fresh == 1
    assert shop.shelf.price[0] == -1


@pytest.mark.parametrize("micros", ["abc", "1e999999", "9" * 30, "NaN"])
def test_millionths_that_are_no_number_are_put_away(tmp_path: Path, shop: Ports, now: int, micros: str) -> None:
    good = {"id": "a", "title": "Mug", "price": {"amountMicros": "-0"}}
    file = tmp_path / "feed.jsonl"
    lines = [good, good | {"id": "b", "price": {"amountMicros": micros, "currencyCode": "GBP"}}]
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    summary = take(shop, file, now)
    assert (summary.fresh, summary.quarantined) == (1, 1)
    assert summary.quarantine is not None
    assert json.loads(summary.quarantine.read_text(encoding="utf-8"))["value"] == f"{micros} GBP"


def test_quotation_marks_that_stand_for_themselves_or_around_lines_are_read(
    tmp_path: Path, shop: Ports, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_READ", 7)
    rows = [
        ('27" screen', ""),
        ('"Best" mug', "Best mug"),
        ('"two\r\nlines, ""one"" of them"', 'two lines, "one" of them'),
    ]
    rows += [('""', ""), ('"""x"" y"', '"x" y'), ('Cup "big"', "")]
    file = tmp_path / "feed.csv"
    file.write_bytes(("id,title\n" + "".join(f"{n},{text}\n" for n, (text, _) in enumerate(rows))).encode())
    assert take(shop, file, now).fresh == len(rows)
    titles = [" ".join(change.text.get("title", "").split()) for _, change in shop.catalog.changes()]
    assert titles == [read or text.strip('"') if text != 'Cup "big"' else text for text, read in rows]
