"""Elements of HTML and SVG. Text becomes markup only through `element`, which escapes it, so no title can be one."""

import html
import re
from collections.abc import Iterable
from functools import cache
from typing import Final, TypeAlias

VOID: Final = frozenset("meta br hr img input link line rect circle ellipse path stop".split())
"""Elements written without an end tag or, in SVG, without content."""


_SPECIAL: Final = re.compile("[&<>\"']")


class Markup(str):
    """Text that is HTML already. Only this package makes it, from escaped parts."""

    __slots__ = ()


Child: TypeAlias = "str | Markup"


def element(name: str, *children: Child, **attributes: str | float) -> Markup:
    """`<name …>children</name>`, every plain text and attribute value escaped; `class_` is the attribute `class`.

    An underscore within a name is written as a hyphen. Control characters, which HTML has no place for, are dropped.

    >>> element("p", "5 < 6 & ", element("b", "<script>"), class_="lead")
    '<p class="lead">5 &lt; 6 &amp; <b>&lt;script&gt;</b></p>'
    """
    written = "".join([f' {_written(key)}="{_escaped(str(value))}"' for key, value in attributes.items()])
    if name in VOID:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(children: Iterable[Child]) -> Markup:
    """The children one after the other, plain texts escaped.

    >>> joined(["a&b", element("br")])
    'a&amp;b<br/>'
    """
    return Markup("".join([child if isinstance(child, Markup) else _escaped(child) for child in children]))


@cache
def _written(key: str) -> str:
    """The name of an attribute, of which there are few."""
    return key.rstrip("_").replace("_", "-")


def _escaped(text: str) -> str:
    if not text.isprintable():
        text = "".join(sign for sign in text if sign.isprintable() or sign == "\n")
    return html.escape(text) if _SPECIAL.search(text) else text
