"""An audit as one HTML page that a manager can read: the verdict first, then figures, shoppers, gaps, an experiment."""

from collections.abc import Iterator, Sequence

from endcap.domain.arrays import Rows
from endcap.domain.instants import iso
from endcap.evaluation.audit import NAMES, Audit, Compared, verdict, what_counts
from endcap.evaluation.comparison import FEWEST_CASES, HIT, LISTED, POPULARITY, Board, Comparison, Example
from endcap.evaluation.outlook import Outlook
from endcap.metrics import Interval
from endcap.monitoring import gap_section, gaps_of, health_section, percent
from endcap.pages import Column, Markup, Span, element, joined, page, spans, table
from endcap.training import HYBRID

_SHOWN_TARGETS = 12
_SHOWN_HISTORY = 10
_MEASURES = {
    HIT: "first ten hold one",
    "recall@10": "share found in ten",
    "recall@20": "share found in twenty",
    "ndcg@10": "NDCG@10",
}

_METHOD = (
    "Every method ranks everything that could be shown then; equal scores count against the method.",
    "Bestsellers are those of Endcap's own first layer: recent sales, by region and season where these are known.",
    (
        "Also bought counts orders that hold both items, starting from the last order or the visit's latest items; "
        "also viewed counts visits likewise; buy again is what the shopper bought most often. All fall back to "
        "bestsellers."
    ),
    (
        "“First ten hold one” was chosen as the measure of the verdict beforehand. Intervals are paired bootstraps "
        "over shoppers with a fixed seed (Efron & Tibshirani 1993)."
    ),
)


def audit_page(audit: Audit) -> str:
    """The whole document; titles and file names in it are text, whatever they hold."""
    said = verdict(audit)
    head = element(
        "header",
        element("p", "Recommendation audit", class_="kicker"),
        element("h1", "What better lists could do for this shop"),
        element("p", f"{audit.feed} · {audit.events} · made on {audit.made_on}", class_="byline"),
        class_="top",
    )
    look = "verdict" if said.outcome == "gain" else "verdict none"
    lead = element("div", element("p", said.lead, class_="lead"), element("p", said.more), class_=look)
    found = audit.found
    gaps = gap_section(gaps_of(audit.health))
    if isinstance(found, str):
        body = [gaps, _too_little(), health_section(audit.health)]
    else:
        body = [
            _tiles(audit, found),
            _comparison(found.comparison),
            _strata(found.comparison),
            _examples(found),
            _missed(found.comparison),
            gaps,
            _experiment(found),
            health_section(audit.health),
            _method(found.comparison),
        ]
    foot = element("footer", "Made by Endcap. The page holds no script and reaches no other address.")
    return page("Recommendation audit", head, lead, *body, foot)


def _tiles(audit: Audit, found: Compared) -> Markup:
    comparison, health, outlook = found.comparison, audit.health, found.outlook
    hybrid = comparison.judged.named(HYBRID).metrics[HIT].mean
    tiles = [(percent(hybrid), "of cases: Endcap's first ten items hold " + what_counts(comparison).rstrip(","))]
    tiles += [
        (percent(each.metrics[HIT].mean), f"the same for “{NAMES[each.name].lower()}”")
        for each in comparison.judged.plain
        if each.name in {POPULARITY, "also bought"}
    ]
    tiles.append((f"{health.catalog.sellable:,}", "items that can be shown"))
    tiles.append((f"{outlook.shoppers:,.0f}", "shoppers in two weeks"))
    return element(
        "div",
        *(
            element(
                "div", element("span", figure, class_="figure"), element("span", what, class_="what"), class_="tile"
            )
            for figure, what in tiles
        ),
        class_="tiles",
    )


def _comparison(comparison: Comparison) -> Markup:
    judged, counted = comparison.judged, what_counts(comparison)
    rows = [
        Span(NAMES[each.name], low, mean, high, percent(mean), each.name == HYBRID)
        for each in judged.contestants
        for mean, low, high in [each.metrics[HIT]]
    ]
    asked = "orders" if _orders(comparison) else "steps"
    words = (
        f"Everything was learned from what lies before {comparison.cut.text}. Then each method ranked the whole "
        f"catalog for {comparison.everything.cases:,} next {asked} of shoppers after it, and knew only what was known "
        "then."
    )
    boards = [_board(judged, "new items only" if comparison.judges_new else "everything may be listed")]
    if comparison.judges_new:
        boards.append(_board(comparison.everything, "everything may be listed, the item on the screen too"))
    elif comparison.new:
        boards.append(_board(comparison.new, "new items only: what the shopper had not bought before"))
    return element(
        "section",
        element("h2", "Endcap against what a shop has today"),
        element("p", words),
        spans(f"Share of cases in which the first ten items hold {counted.rstrip(',')}, 95 % intervals", rows),
        *boards,
        element("p", "An interval that holds 0 is no gain. Method and sources: at the end.", class_="note"),
    )


def _board(board: Board, title: str) -> Markup:
    columns = [Column("Method"), *(Column(words, True) for words in _MEASURES.values())]
    means = [(NAMES[c.name], *(_figure(c.metrics[name]) for name in _MEASURES)) for c in board.contestants]
    gains = [
        (f"over {NAMES[each.name].lower()}", *(_gain(each.gain[name]) for name in _MEASURES)) for each in board.plain
    ]
    return joined(
        [
            element("h3", f"Lists: {title} ({board.cases:,} cases)"),
            table(columns, means),
            table([Column("Endcap gains, 95 % interval"), *columns[1:]], gains),
        ]
    )


def _figure(found: Interval) -> str:
    return f"{found.mean:.4f}"


def _gain(found: Interval) -> Markup:
    interval = element("span", f"[{found.low:+.4f}, {found.high:+.4f}]", class_="interval")
    return joined([f"{found.mean:+.4f} ", interval])


def _orders(comparison: Comparison) -> bool:
    return comparison.cut.protocol == "next-basket"


def _strata(comparison: Comparison) -> Markup:
    names = [each.name for each in comparison.judged.contestants]
    columns = [Column("Lines known"), Column("cases", True), *(Column(NAMES[name], True) for name in names)]
    rows = [
        (each.label, f"{each.cases:,}", *(percent(each.hits[name]) for name in names))
        for each in comparison.judged.strata
    ]
    note = (
        "The same share of cases, by how many lines of events were known of the shopper. Small groups vary by chance."
    )
    return element(
        "section", element("h3", "By how much is known of the shopper"), element("p", note), table(columns, rows)
    )


def _examples(found: Compared) -> Markup:
    note = (
        f"{len(found.comparison.examples)} shoppers drawn by lot with a fixed seed before any list was looked at, not "
        "picked. A ✓ marks what the shopper went on to choose. Histories are real: treat this page as personal data."
    )
    shoppers = [_shopper(number, each, found) for number, each in enumerate(found.comparison.examples, 1)]
    return element("section", element("h2", "Lists side by side"), element("p", note), *shoppers)


def _shopper(number: int, example: Example, found: Compared) -> Markup:
    names = _side_by_side(found.comparison)
    then = "Then ordered" if _orders(found.comparison) else "Then chose"
    lists = [
        element("div", element("h4", NAMES[name]), _list(example.lists[name], example.targets, found.titles))
        for name in names
    ]
    known = f"{example.lines:,} line{'' if example.lines == 1 else 's'} known on {iso(example.at)[:10]}, latest first: "
    return element(
        "div",
        element("h3", f"Shopper {number}"),
        element("p", element("b", known), _titles(example.known, found.titles, _SHOWN_HISTORY)),
        element("p", element("b", f"{then}: "), _titles(example.targets, found.titles, _SHOWN_TARGETS)),
        element("div", *lists, class_="lists"),
        class_="shopper",
    )


def _side_by_side(comparison: Comparison) -> list[str]:
    """Bestsellers, the item-to-item method that did better, and Endcap."""
    neighbours = [each for each in comparison.judged.plain if each.name.startswith("also")]
    best = max(neighbours, key=lambda each: each.metrics[HIT].mean, default=None)
    present = {each.name for each in comparison.judged.contestants}
    return [name for name in (POPULARITY, best.name if best else "", HYBRID) if name in present]


def _titles(rows: Rows, titles: Sequence[str], most: int) -> str:
    more = f" and {len(rows) - most:,} more" if len(rows) > most else ""
    return ", ".join(titles[row] for row in rows[:most].tolist()) + more


def _list(rows: Rows, targets: Rows, titles: Sequence[str]) -> Markup:
    if not len(rows):
        return element("p", "nothing to show", class_="empty")
    wanted = set(targets.tolist())
    places = [
        element("li", titles[row], class_="hit") if row in wanted else element("li", titles[row])
        for row in rows[:LISTED].tolist()
    ]
    return element("ol", *places)


def _missed(comparison: Comparison) -> Markup:
    words = (
        f"{percent(comparison.unavailable)} of what shoppers went on to choose could not have been shown at all: "
        f"not in the catalog then, delisted or out of stock. A further {percent(comparison.unseen)} was in the "
        "catalog, but nobody had touched it before: only its text can bring it into a list."
    )
    return element("section", element("h2", "What no method could find"), element("p", words))


def _experiment(found: Compared) -> Markup:
    outlook = found.outlook
    body = [element("p", sentence) for sentence in experiment_words(outlook)]
    if outlook.plans:
        columns = [Column("If so much of the gain carries over"), Column("rate", True)]
        columns += [Column("shoppers an arm", True), Column("takes", True)]
        rows = [
            (percent(plan.carried), percent(plan.rate), f"{plan.per_arm:,}", _weeks(plan.weeks))
            for plan in outlook.plans
        ]
        body.append(table(columns, rows))
    note = (
        "Offline gains do not carry over one to one. Past orders were made under the lists of their time, so a method "
        "is paid for repeating what shoppers found anyway and not for what they never saw; a hit may be an item that "
        "would have been bought without the list; attention is shared with search and menus; and weeks differ. Only a "
        "test with shoppers assigned by chance can tell."
    )
    size = (
        "Size for a two-sided test at 5 % with 80 % power, two equal arms, normal approximation without correction: "
        "Fleiss, Tytun & Ury, Biometrics 36 (1980) 343. Weeks assume that new shoppers keep coming at the pace of the "
        "last eight weeks."
    )
    return element(
        "section",
        element("h2", "What an experiment could see"),
        *body,
        element("p", note),
        element("p", size, class_="note"),
    )


def experiment_words(outlook: Outlook) -> Iterator[str]:
    """What a test of two weeks could see, sentence by sentence."""
    reference = f"“{NAMES[outlook.reference].lower()}”"
    yield (
        f"{outlook.shoppers:,.0f} shoppers come in two weeks (mean of the last eight weeks, or of all that there is). "
        f"As a stand-in for success, take the share whom ten items serve: {percent(outlook.base)} with {reference}."
    )
    if outlook.detectable is None:
        yield "A two-week test could see no difference at this traffic."
    else:
        relative = outlook.detectable / outlook.base - 1 if outlook.base else 0.0
        by = f"a change of {percent(relative)} of it" if outlook.base else "a difference"
        yield f"A two-week test could see {by}, to {percent(outlook.detectable)}, or more."
    if outlook.plans:
        whole, tenth = outlook.plans[0], outlook.plans[-1]
        yield (
            f"The whole offline difference, to {percent(whole.rate)}, would show in {_weeks(whole.weeks)} at "
            f"today's traffic, a tenth of it in {_weeks(tenth.weeks)}."
        )
    else:
        yield "There is no offline gain, so there is none to plan an experiment for."
    if outlook.converted:
        seen = outlook.converted_detectable
        least = f"a change of {percent(seen / outlook.converted - 1)} or more" if seen else "no change"
        yield f"{percent(outlook.converted)} of two weeks' shoppers order; a two-week test could see {least} of that."


def _weeks(weeks: float) -> str:
    if weeks < 1 or weeks > 500:
        return "less than a week" if weeks < 1 else "over 500 weeks"
    return f"{weeks:.0f} week" + ("" if round(weeks) == 1 else "s")


def _too_little() -> Markup:
    words = (
        f"To compare methods, at least {FEWEST_CASES} shoppers must have a history and come back in the last fifth of "
        "the time, and there must be enough events before that to train on. A longer history, older orders above all, "
        "and ids that stay the same between visits help most."
    )
    return element("section", element("h2", "What is needed"), element("p", words))


def _method(comparison: Comparison) -> Markup:
    cut = comparison.cut
    case = (
        "A case is each shopper with a purchase before the date: the first order after it is what must be found. All "
        "requests are made at the date itself."
        if _orders(comparison)
        else "A case is each event after the date of a shopper seen before: what was done next must be found, from "
        "what was known just before."
    )
    sample = (
        f" Of {cut.cases:,} cases a sample of {comparison.everything.cases:,} was asked, drawn by content."
        if comparison.everything.cases < cut.cases
        else ""
    )
    told = (
        f"The date, {cut.text}, is the latest with 1,000 cases after it, or the best in the last fifth. {case}{sample}",
        *_METHOD,
    )
    items = [element("li", text) for text in told]
    more = [
        element("p", f"Left out: {each.name}, because {each.because}.", class_="note") for each in comparison.left_out
    ]
    return element("section", element("h2", "How this was measured"), element("ul", *items), joined(more))
