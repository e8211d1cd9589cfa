"""Plain text of what may hold HTML: tags and scripts go, entities become characters, nothing of it is ever run."""

import html
from typing import Final

import polars as pl

_WHOLE: Final = r"(?is)<script\b.*?(?:</script\s*>|$)|<style\b.*?(?:</style\s*>|$)|<!--.*?(?:-->|$)"
_TAG: Final = r"(?s)</?[A-Za-z][^<>]*(?:>|$)|<[!?][^<>]*(?:>|$)"
_ENTITY: Final = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});"


def plain(text: pl.Series) -> pl.Series:
    """`text` without markup: entities decoded, scripts, styles, comments and tags replaced by a space.

    >>> plain(pl.Series(["<b>Mug</b> &amp; cup<script>alert(1)</script>", "5 < 6"])).to_list()
    ['Mug & cup', '5 < 6']
    """
    coded = text.str.contains(_ENTITY).fill_null(False)
    if coded.any():
        decoded = [html.unescape(html.unescape(each)) for each in text.filter(coded).to_list()]
        text = text.scatter(coded.arg_true(), decoded)
    marked = text.str.contains("<", literal=True).fill_null(False)
    if marked.any():
        bare = text.filter(marked).str.replace_all(_WHOLE, " ").str.replace_all(_TAG, " ")
        text = text.scatter(marked.arg_true(), bare.str.replace_all(r"\s+", " ").str.strip_chars())
    return text
