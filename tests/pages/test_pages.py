"""Pages hold what they are given as text, and load, run and reach nothing."""

import base64
import hashlib
import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from endcap.pages import Bar, Column, Span, bars, element, joined, page, spans, table

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "\u202egnp.exe\x00\x1b[31m",
    "{{7*7}}",
]


class _Elements(HTMLParser):
    """Names and attributes of all elements, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _read(document: str) -> _Elements:
    elements = _Elements()
    elements.feed(document)
    elements.close()
    assert elements.open == []
    return elements


def _hostile_page() -> str:
    return page(
        HOSTILE[3],
        *(element("p", text, title=text) for text in HOSTILE),
        table([Column(HOSTILE[0]), Column(HOSTILE[1], True)], [HOSTILE[:2]]),
        bars(HOSTILE[0], [Bar(text, 1.0, text) for text in HOSTILE]),
        spans(HOSTILE[1], [Span(text, 0.1, 0.2, 0.3, text) for text in HOSTILE]),
        joined(HOSTILE),
    )


def test_a_hostile_title_is_text_and_nothing_else() -> None:
    read = _read(_hostile_page())
    assert {tag for tag, _ in read.found} & {"script", "img", "iframe", "object", "link", "a", "form"} == set()
    assert [name for _, attributes in read.found for name in attributes if name.startswith("on")] == []
    assert "<script>alert(1)</script>" in read.text
    assert not re.search(r"[\x00-\x08\x1b\u202e]", read.text)


def test_a_page_reaches_nothing_and_its_policy_allows_its_own_style_alone() -> None:
    document = _hostile_page()
    read = _read(document)
    reaching = {"src", "href", "srcset", "data", "action", "style", "poster", "background"}
    assert [name for _, attributes in read.found for name in attributes if name in reaching] == []
    style = re.search(r"<style>(.*?)</style>", document, re.DOTALL)
    assert style
    assert not re.search(r"url\(|@import|expression", style[1])
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policies = [each["content"] for _, each in read.found if each.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]


@given(st.text())
def test_any_text_is_read_back_as_it_was_or_less_its_controls(text: str) -> None:
    kept = "".join(sign for sign in text if sign.isprintable() or sign == "\n")
    assert _read(f"{element('p', text)}").text == kept


def test_a_chart_of_nothing_is_empty_and_one_of_zeros_has_no_length() -> None:
    assert _read(bars("nothing", [])).text == "nothingnothing"
    assert 'width="1"' in bars("zero", [Bar("a", 0, "0")])
