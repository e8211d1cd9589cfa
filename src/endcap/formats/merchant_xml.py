"""Google Merchant feeds as XML: RSS 2.0 items and Atom entries with `g:` names, read in one pass of bounded memory.

Entities beyond those of XML itself, external references and endless elements are refused. Knows elements, no meaning.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, Final
from xml.sax import SAXException
from xml.sax.handler import ContentHandler

from defusedxml import DefusedXmlException, EntitiesForbidden
from defusedxml.expatreader import DefusedExpatParser

from endcap.errors import InvalidFeed
from endcap.formats import Format, Sample
from endcap.formats.merchant import REPEATED, SCHEMA, attribute
from endcap.formats.records import MAX_RECORD, Record, RecordFile
from endcap.formats.sources import Source

MAX_DEPTH: Final = 100
_CHUNK: Final = 1 << 18
_ITEMS: Final = frozenset({"item", "entry"})
_ATOM: Final = {"summary": "description", "content": "description"}


class _Items(ContentHandler):
    """Collects what stands in each item; those that are whole wait in `found`."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.found: deque[Record] = deque()
        self.count = self.calls = 0
        self._source = source
        self._depth = 0
        self._inside = 0
        self._texts: list[str] = []
        self._parts: list[str] = []
        self._size = 0
        self._record: dict[str, str | None] = {}
        self._named: set[str] = set()

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802 (the name of SAX)
        self.calls += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidFeed(
                f"{self._source.path}: elements are nested deeper than {MAX_DEPTH} after item {self.count}; "
                "expected a feed of items"
            )
        if not self._inside:
            if name in _ITEMS:
                self._inside, self._size = self._depth, 0
                self._record, self._named = {}, set()
        elif self._depth == self._inside + 1:
            self._texts, self._parts = [], []
            if name == "link" and "href" in attrs and attrs.get("rel", "alternate") == "alternate":
                self._texts.append(attrs["href"])
        elif self._texts:
            self._texts = []

    def characters(self, content: str) -> None:
        self.calls += 1
        if self._inside:
            self._size += len(content)
            if self._size > MAX_RECORD:
                raise InvalidFeed(
                    f"{self._source.path}: item {self.count + 1} is longer than {MAX_RECORD >> 20} MiB; shorten it"
                )
            self._texts.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802 (the name of SAX)
        self.calls += 1
        if self._inside:
            if self._depth == self._inside:
                self.found.append(self._record)
                self.count += 1
                self._inside = 0
            elif self._depth == self._inside + 1:
                self._keep(name, ":".join(self._parts) if self._parts else "".join(self._texts).strip())
            else:
                text = "".join(self._texts).strip()
                self._texts = []
                if text:
                    self._parts.append(text)
        self._depth -= 1

    def _keep(self, name: str, text: str) -> None:
        own = name.partition(":")[2]
        known = attribute(own or _ATOM.get(name, name))
        if known is None:
            self._record.setdefault(name, None)
            return
        if not text:
            self._record.setdefault(known, None)
            return
        held = self._record.get(known)
        if held is None or (own and known not in self._named):
            self._record[known] = text
        elif known in REPEATED:
            self._record[known] = f"{held},{text}"
        if own:
            self._named.add(known)


def records(source: Source) -> Iterator[Record]:
    """The items, by Merchant names. Raises InvalidFeed where the XML is damaged or not to be trusted."""
    parser = DefusedExpatParser()
    items = _Items(source)
    parser.setContentHandler(items)
    try:
        with source.unpacked() as file:
            calls = waiting = 0
            while piece := file.read(_CHUNK):
                parser.feed(piece)
                waiting = waiting + len(piece) if items.calls == calls else 0
                calls = items.calls
                if waiting > MAX_RECORD:
                    raise InvalidFeed(
                        f"{source.path}: a tag or comment after item {items.count} is longer than "
                        f"{MAX_RECORD >> 20} MiB; shorten it"
                    )
                while items.found:
                    yield items.found.popleft()
        parser.close()
    except EntitiesForbidden as error:
        raise InvalidFeed(
            f"{source.path} declares the entity {error.name!r}, which is refused: entities may grow without bound; "
            "write the text itself"
        ) from error
    except DefusedXmlException as error:
        raise InvalidFeed(f"{source.path} refers to another file, which is refused; write the text itself") from error
    except SAXException as error:
        raise InvalidFeed(
            f"{source.path} is damaged after item {items.count}: {_told(error)}; export it again"
        ) from error


def _told(error: SAXException) -> str:
    line = getattr(error, "getLineNumber", lambda: None)()
    return f"{error.getMessage()} in line {line}" if line else error.getMessage()


def _fits(root: str) -> Any:
    def fits(sample: Sample) -> bool:
        return sample.container == "xml" and f"<{root}" in sample.text

    return fits


def _open(sample: Sample) -> RecordFile:
    if sample.source.encoding is not None:
        raise InvalidFeed(f"{sample.source.path} is XML, which says its own encoding; leave --encoding out")
    return RecordFile(sample.source, SCHEMA, records)


FORMATS: Final = (
    Format("Google Merchant RSS", _fits("rss"), _open),
    Format("Google Merchant RSS (RDF)", _fits("rdf:RDF"), _open),
    Format("Google Merchant Atom", _fits("feed"), _open),
)
