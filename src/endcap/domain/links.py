"""Which texts are links to pages: the one rule for feeds and calls."""

import re
from typing import Final

_NEXT: Final = r"[^\s\x00-\x1F\x7F-\x9F]*"
LINK: Final = rf"^(?:[Hh][Tt][Tt][Pp][Ss]?:{_NEXT}|[^\s\x00-\x1F\x7F-\x9F:/?#]*(?:[/?#]{_NEXT})?)$"
"""A link of http or https, or a relative one; no white space and no control characters, which browsers leave out."""

EXPECTED: Final = "a link of http or https, or a path, without spaces and control characters"


def is_link(text: str) -> bool:
    """Whether `text`, stripped of spaces around it, leads to a page; one such as `javascript:` would run.

    >>> is_link("https://shop.example/a?b=c:d"), is_link("/a"), is_link("javascript:x"), is_link("java script:x")
    (True, True, False, False)
    """
    return re.fullmatch(LINK, text) is not None
