"""Drawn product pictures: a silhouette for the kind of thing, in the item's colour, the same for an item every time.

Knows words of categories, titles and colours; the silhouettes stand in `shapes.toml`. Nothing of a text is written into
a picture, so no title can become markup there.
"""

import hashlib
import re
import tomllib
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import Final, NamedTuple

from endcap.pages import Markup, element

SIDE: Final = 400

KINDS: Final = (
    ("tents", "tent"), ("sleeping bag", "sleeping_bag"), ("sleeping mat", "mat"), ("stove", "stove"),
    ("trail food", "pouch"), ("backpack", "backpack"), ("bags & stationery", "backpack"), ("boots", "boot"),
    ("trainers", "trainer"), ("shoe", "trainer"), ("rain", "jacket"), ("jacket", "jacket"), ("flask", "bottle"),
    ("bottle", "bottle"), ("light", "light"), ("helmet", "helmet"), ("smartphone", "phone"), ("phone", "phone"),
    ("case", "case"), ("cable", "cable"), ("charger", "cable"), ("headphone", "headphones"), ("speaker", "speaker"),
    ("watch", "watch"), ("printer", "ink"), ("dress", "dress"), ("knit", "knit"), ("shirt", "shirt"),
    ("trouser", "trousers"), ("jeans", "trousers"), ("bag", "handbag"), ("hat", "hat"), ("scarf", "hat"),
    ("sock", "socks"), ("pan", "pan"), ("pot", "pan"), ("kni", "knife"), ("coffee maker", "coffee_maker"),
    ("coffee", "coffee"), ("tea", "coffee"), ("bed linen", "bed"), ("towel", "towels"), ("lamp", "lamp"),
    ("cushion", "cushion"), ("throw", "cushion"), ("cleaning", "spray"), ("laundry", "spray"), ("tops", "tee"),
    ("toys", "blocks"), ("puzzle", "puzzle"), ("soft toy", "teddy"), ("nappies", "pack"), ("bear", "teddy"),
)  # fmt: skip
"""A word of a category or title, and the silhouette that it calls for; of several the longest word counts."""
TITLED: Final = (
    ("gas cartridge", "canister"), ("bars", "bars"), ("scarf", "scarf"), ("snood", "scarf"), ("glove", "gloves"),
    ("mitten", "gloves"), ("wash", "tub"), ("oil", "tub"), ("cream", "tub"), ("flask", "bottle"), ("tent", "tent"),
    ("tipi", "tent"), ("pannier", "handbag"), ("sandal", "trainer"), ("trail shoe", "trainer"), ("frying pan", "pan"),
    ("kettle", "pan"), ("pot set", "pan"), ("cook set", "pan"), ("trouser", "trousers"), ("legging", "trousers"),
    ("dungaree", "trousers"),
)  # fmt: skip
"""Words of a title, one or several, that tell more than a category of several things."""
LEGS: Final = "trousers"
"""What a title tells of any category: rainwear has legs, too."""
PLAIN: Final = "box"
PATTERNED: Final = frozenset("dress shirt knit tee cushion bed towels socks hat".split())

COLOURS: Final = {
    "black": "#30333a", "white": "#f3f1ec", "grey": "#9aa0a6", "charcoal": "#4a4e55", "slate": "#66737f",
    "stone": "#b9b1a3", "silver": "#c3c7cb", "navy": "#2b3f66", "midnight blue": "#26355c", "blue": "#3f72b5",
    "light blue": "#9cc0de", "cobalt": "#2f55b8", "indigo": "#39456f", "petrol": "#1f6b75", "turquoise": "#3aa6a0",
    "mint": "#a5d6c2", "sage": "#a3b596", "olive": "#757745", "forest green": "#33604a", "green": "#4c8a58",
    "mustard": "#d6a32f", "yellow": "#ecc94b", "brass": "#c2a052", "sand": "#d9c6a3", "oatmeal": "#ddd0ba",
    "ecru": "#e6dcc4", "cream": "#efe6d0", "ivory": "#f1ead9", "cognac": "#a3602f", "brown": "#7a5540",
    "dark brown": "#563d30", "rust": "#b8552f", "terracotta": "#c96f4a", "orange": "#df7f35", "coral": "#ee8471",
    "red": "#bf3f3c", "burgundy": "#75283a", "berry": "#993a64", "dusty pink": "#d8a7a6", "pink": "#e29bb0",
    "purple": "#75569c", "lilac": "#b9a5d3",
}  # fmt: skip
UNNAMED: Final = ("#7d95a8", "#b58a6a", "#8c9f83", "#b0877f", "#6f8f95", "#c0a36f", "#8f86a8", "#a5705c")
"""Colours for items whose own is unknown."""
_FIXED: Final = {"w": "#fbfaf7", "k": "#2d3138", "g": "#aeb4ba", "a": "#e0a63c"}
_PAPERS: Final = ("#f4f0e8", "#eef1ee", "#f2eef0", "#eceff3", "#f3eee6")
_DARKER_PAPER: Final = "#dfe3e1"
_STROKE: Final = re.compile(r"([a-z])(\d*) (.+)")
_SEPARATE: Final = re.compile(r"\W+")
_WHOLE: Final = [(f" {word}{ending} ", kind) for word, kind in TITLED for ending in ("", "s")]


class Look(NamedTuple):
    """What a picture is drawn from: the item's id, category path and title, and the name of its colour or none."""

    item_id: str
    category: str
    title: str
    colour: str


@lru_cache(maxsize=4_096)
def picture(look: Look) -> str:
    """The SVG document of an item, 400 by 400.

    >>> picture(Look("1", "Outdoor > Tents", "Dome tent", "rust")).startswith("<svg")
    True
    """
    digest = hashlib.blake2b(look.item_id.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    kind = kind_of(look.category, look.title)
    main = _colour(look.colour) or UNNAMED[digest[0] % len(UNNAMED)]
    paper = _DARKER_PAPER if _lightness(main) > 0.82 else _mixed(_PAPERS[digest[1] % len(_PAPERS)], main, 0.12)
    pattern = digest[2] % 4 if kind in PATTERNED else 0
    size = 0.86 + (digest[3] % 8) / 100
    mirrored = -1 if digest[1] & 16 else 1
    placed = f"translate({SIDE // 2} 336) scale({mirrored * size:.2f} {size:.2f}) translate(-{SIDE // 2} -336)"
    return element(
        "svg",
        element("defs", _shade("paper", paper, _mixed(paper, "#ffffff", 0.55)),
                _shade("main", main, _mixed(main, "#ffffff", 0.16)), *_pattern(pattern)),
        element("rect", width=SIDE, height=SIDE, fill="url(#paper)"),
        element("ellipse", cx=SIDE // 2, cy=340, rx=146, ry=13, fill=_mixed(paper, "#1d2430", 0.34), opacity=0.5),
        element("g", *_drawn(kind, _tones(main), patterned=pattern > 0), transform=placed),
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {SIDE} {SIDE}", width=SIDE, height=SIDE,
    )  # fmt: skip


def kind_of(category: str, title: str) -> str:
    """The silhouette for an item: by the last name of its category, where that names several things by its title.

    >>> kind_of("Outdoor > Cycling > Bags & helmets", "Road helmet"), kind_of("", "Gift card")
    ('helmet', 'box')
    >>> kind_of("Women > Jeans & trousers", "Stonewashed jeans"), kind_of("Outdoor > Rain jackets", "Rain trousers")
    ('trousers', 'trousers')
    """
    leaf = category.rpartition(">")[2]
    called, told = _called(leaf, KINDS), _called(_SEPARATE.sub(" ", f" {title} "), _WHOLE)
    if "&" in leaf:
        called = told or [kind for kind in _called(title, KINDS) if kind in called] or called
    elif LEGS in told:
        called = told
    return next(iter(called or told or _called(title, KINDS)), PLAIN)


def _called(text: str, known: Sequence[tuple[str, str]]) -> list[str]:
    found = [(word, kind) for word, kind in known if word in text.lower()]
    return [kind for _, kind in sorted(found, key=lambda each: -len(each[0]))]


def _drawn(kind: str, tones: dict[str, str], *, patterned: bool) -> list[Markup]:
    parts = []
    for tone, width, path in _shapes()[kind]:
        if width:
            line = {"stroke_linecap": "round", "stroke_linejoin": "round"}
            parts.append(element("path", d=path, fill="none", stroke=tones[tone], stroke_width=width, **line))
            continue
        parts.append(element("path", d=path, fill="url(#main)" if tone == "m" else tones[tone]))
        if patterned and tone in ("m", "l"):
            parts.append(element("path", d=path, fill="url(#pattern)"))
    return parts


@cache
def _shapes() -> dict[str, tuple[tuple[str, int, str], ...]]:
    """Of each silhouette its parts: tone, width of the stroke (0: filled) and path."""
    written = tomllib.loads((resources.files("endcap.storefront") / "shapes.toml").read_text("utf-8"))
    parts = {kind: (_STROKE.fullmatch(line) for line in text.strip().splitlines()) for kind, text in written.items()}
    return {kind: tuple((m[1], int(m[2] or 0), m[3]) for m in found if m) for kind, found in parts.items()}


def _tones(main: str) -> dict[str, str]:
    tones = {name: _mixed(main, "#1b2029", share) for name, share in (("m", 0.0), ("d", 0.2), ("s", 0.42))}
    return _FIXED | tones | {"l": _mixed(main, "#ffffff", 0.26)}


def _shade(name: str, below: str, above: str) -> Markup:
    stops = element("stop", offset=0, stop_color=above), element("stop", offset=1, stop_color=below)
    return element("linearGradient", *stops, id=name, x1=0, y1=0, x2=0.25, y2=1)


def _pattern(number: int) -> list[Markup]:
    """White stripes, checks or dots to lay over the main colour; none for 0."""
    white: dict[str, str | float] = {"stroke": "#ffffff", "stroke_opacity": 0.2, "stroke_width": 5}
    drawn = (
        [],
        [element("path", d="M0 5 H22", **white)],
        [element("path", d="M0 5 H22 M5 0 V22", **white)],
        [element("circle", cx=11, cy=11, r=3, fill="#ffffff", fill_opacity=0.3)],
    )[number]
    return [element("pattern", *drawn, id="pattern", width=22, height=22, patternUnits="userSpaceOnUse")] * bool(drawn)


def _colour(name: str) -> str:
    """The colour of a name, of several the longest that it holds; empty where it holds none."""
    held = [known for known in COLOURS if known in name.lower()]
    return COLOURS[max(held, key=len)] if held else ""


def _mixed(one: str, other: str, share: float) -> str:
    """`one` with `share` of `other`.

    >>> _mixed("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _lightness(colour: str) -> float:
    red, green, blue = _channels(colour)
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
