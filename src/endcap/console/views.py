"""The pages as HTML: the key that is asked for, the form, what a list is made of, and two side by side."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from endcap.console.asked import FIELDS, SIDES, Asked, Field
from endcap.console.comparison import Difference, differences, features_that_differ, moves
from endcap.console.pool import Seen, members, shares
from endcap.console.sessions import PATH
from endcap.pages import STYLE, Column, Markup, element, page, table
from endcap.serving.answers import DecisionAnswer, FeatureAnswer, Showcase, ShownAnswer
from endcap.serving.lists import Explored

LOOK: Final = (
    STYLE
    + """
main { max-width: 92rem; }
form.ask fieldset { border: 1px solid var(--line); border-radius: 6px; padding: .9rem 1.1rem 1.2rem; margin: 0 0 1rem; }
legend { font-weight: 650; padding: 0 .4rem; }
.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .6rem 1rem;
  align-items: end; }
label { display: block; color: var(--soft); font-size: .86rem; }
input, select { display: block; width: 100%; margin-top: .15rem; padding: .42rem .55rem; font: inherit;
  color: var(--ink); background: var(--paper); border: 1px solid #7a858e; border-radius: 4px; }
button { font: inherit; font-weight: 600; padding: .5rem 1.4rem; border: 0; border-radius: 4px; color: #fff;
  background: var(--accent); cursor: pointer; }
button.quiet { background: none; color: var(--accent); padding: .2rem 0; text-decoration: underline; }
:focus-visible { outline: 3px solid var(--warm); outline-offset: 2px; }
summary { cursor: pointer; color: var(--accent); font-weight: 600; padding: .3rem 0; }
.problem { border-left: 5px solid var(--warm); background: var(--warmtint); padding: .7rem 1.1rem; max-width: none; }
.sides { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 2.5rem; }
.sides.one { grid-template-columns: minmax(0, 1fr); }
.votes { color: var(--soft); font-size: .84rem; }
.sign-out { float: right; }
@media (max-width: 60rem) { .sides { grid-template-columns: minmax(0, 1fr); } }
"""
)
MOST_MEMBERS: Final = 60
MOST_IDS: Final = 12
STRONGEST: Final = 4


class Side(NamedTuple):
    """What was found for one side; `explored` and `seen` are None where the decision is a recorded one."""

    name: str
    answer: DecisionAnswer
    explored: Explored | None
    seen: Seen | None


def sign_in_page(problem: str) -> str:
    """Asks for an admin key."""
    field = element("input", type="password", name_="key", autocomplete="current-password", required="")
    return page(
        "Explore: sign in",
        _head("Explore", "Sign in with an admin key; `endcap keys create --scope admin` makes one."),
        _problem(problem),
        element(
            "form", element("label", "Admin key", field), element("p", element("button", "Sign in", type="submit")),
            method="post", action=f"{PATH}/key", class_="ask",
        ),
        style=LOOK, forms=True,
    )  # fmt: skip


def explore_page(
    placements: Sequence[str], asked: Sequence[Asked], sides: Sequence[Side], showcase: Showcase | None, problem: str
) -> str:
    """The form, filled with what was asked, and below it what was found."""
    body = [
        element(
            "form", element("button", "Sign out", type="submit", class_="quiet"),
            method="post", action=f"{PATH}/out", class_="sign-out",
        ),
        _head("Explore", "What a list is made of. Nothing that is looked at here counts as shown."),
        _problem(problem),
        _form(placements, asked),
    ]  # fmt: skip
    if len(sides) > 1:
        body += _compared(asked, sides[0], sides[1])
    if showcase is not None and sides:
        columns = [element("section", *_side(side, showcase)) for side in sides]
        body.append(element("div", *columns, class_="sides" if len(sides) > 1 else "sides one"))
    return page("Explore", *body, style=LOOK, forms=True)


def _head(title: str, lead: str) -> Markup:
    kicker = element("p", "Endcap console", class_="kicker")
    return element("header", kicker, element("h1", title), element("p", lead, class_="byline"), class_="top")


def _problem(text: str) -> Markup:
    return element("p", text, class_="problem", role="alert") if text else Markup("")


def _form(placements: Sequence[str], asked: Sequence[Asked]) -> Markup:
    left, right = (*asked, Asked({}), Asked({}))[:2]
    second = {"open": ""} if right else {}
    return element(
        "form",
        _fieldset(SIDES[0], "A list", placements, left),
        element(
            "details", element("summary", "Beside another"),
            _fieldset(SIDES[1], "The other list", ("", *placements), right), **second,
        ),
        element("p", element("button", "Look", type="submit")),
        method="post", action=PATH, class_="ask",
    )  # fmt: skip


def _fieldset(side: str, legend: str, placements: Sequence[str], asked: Asked) -> Markup:
    options = [
        element("option", name or "none", value=name, **({"selected": ""} if name == asked["placement"] else {}))
        for name in placements
    ]
    chooser = element("label", "Placement", element("select", *options, name_=f"{side}_placement"))
    fields = (_field(side, field, asked) for field in FIELDS)
    return element("fieldset", element("legend", legend), element("div", chooser, *fields, class_="fields"))


def _field(side: str, field: Field, asked: Asked) -> Markup:
    name = f"{side}_{field.name}"
    given = element("input", name_=name, value=asked[field.name], placeholder=field.example, autocomplete="off")
    return element("label", field.label, given)


def _side(side: Side, showcase: Showcase) -> list[Markup]:
    answer, explored = side.answer, side.explored
    parts = [element("h2", side.name), _facts(answer)]
    if side.seen is not None:
        parts += _seen(side.seen)
    parts += [element("h3", "Slate"), _slate(answer.items)]
    if explored is None:
        parts.append(element("p", "Of a recorded decision the pool's size is kept, not its members.", class_="note"))
    else:
        parts += [element("h3", "Pool by source"), _sources(explored, showcase)]
    parts += [element("h3", "Dropped, by rule"), _drops(answer)]
    if explored is not None:
        parts += [
            _folded(f"The pool's best {MOST_MEMBERS}, in the ranker's order", _members(explored, showcase)),
            _folded("Time by stage", _times(explored)),
        ]
    return parts


def _folded(summary: str, inner: Markup) -> Markup:
    return element("details", element("summary", summary), inner)


def _facts(answer: DecisionAnswer) -> Markup:
    facts = {
        "placement": answer.placement,
        "shopper": "known" if answer.known_shopper else "a newcomer",
        "at": answer.at,
        "rung": ", ".join((answer.rung, *answer.degraded)),
        "snapshot, policy": f"{answer.versions.snapshot}, {answer.versions.policy}",
        "log offsets": ", ".join(f"{name} {offset:,}" for name, offset in answer.offsets.items()),
        "pool, asked, shown": f"{answer.pool_size:,}, {answer.k}, {len(answer.items)}",
        "short because": answer.short_because,
    }
    return table([Column(""), Column("")], [[name, value] for name, value in facts.items() if value])


def _slate(items: Sequence[ShownAnswer]) -> Markup:
    columns = [Column("", True), Column("item"), Column("why"), Column("score", True), Column("what weighs most")]
    return table(
        columns,
        [
            [
                str(item.position),
                _item(item.id, item.title),
                item.reason.text,
                f"{item.score:.3f}",
                element("span", _weighed(item.features), class_="votes"),
            ]
            for item in items
        ],
    )


def _item(number: str, title: str) -> Markup:
    return element("span", title, " ", element("span", number, class_="votes"))


def _weighed(features: Sequence[FeatureAnswer]) -> str:
    strong = [feature for feature in features if feature.effect][:STRONGEST]
    return ", ".join(f"{each.name} {each.value:.4g} ({each.effect:+.3f})" for each in strong)


def _sources(explored: Explored, showcase: Showcase) -> Markup:
    columns = [
        Column("source"),
        Column("in the pool", True),
        Column("alone", True),
        Column("shown", True),
        Column("first"),
    ]
    rows = [[each.source, *map(str, each[1:4]), each.best] for each in shares(explored, showcase)]
    return table(columns, rows)


def _members(explored: Explored, showcase: Showcase) -> Markup:
    columns = [Column("", True), Column("item"), Column("score", True), Column("outcome"), Column("votes: rank (vote)")]
    return table(
        columns,
        [
            [
                str(member.place),
                _item(member.id, member.title),
                f"{member.score:.3f}",
                member.outcome,
                element("span", _votes(member.votes), class_="votes"),
            ]
            for member in members(explored, showcase, MOST_MEMBERS)
        ],
    )


def _votes(votes: Iterable[tuple[str, int, float]]) -> str:
    return ", ".join(f"{source} {rank} ({vote:.3g})" for source, rank, vote in votes)


def _seen(seen: Seen) -> list[Markup]:
    title = f"{seen.id}: {seen.because}"
    if seen.member is None:
        return [element("h3", title)]
    values = [[feature.name, f"{feature.value:.5g}"] for feature in seen.features]
    lead = f"Place {seen.member.place} with a score of {seen.member.score:.3f}. Votes: {_votes(seen.member.votes)}."
    details = element(
        "details", element("summary", "Its features"), table([Column("feature"), Column("", True)], values)
    )
    return [element("h3", title), element("p", lead), details]


def _drops(answer: DecisionAnswer) -> Markup:
    counts = Counter(drop.rule for drop in answer.dropped)
    if not counts:
        return element("p", "Nothing was dropped.", class_="note")
    ids = {rule: [drop.id for drop in answer.dropped if drop.rule == rule][:MOST_IDS] for rule in counts}
    rows = [[rule, str(count), ", ".join(ids[rule])] for rule, count in counts.most_common()]
    return table([Column("rule"), Column("items", True), Column("the first of them")], rows)


def _times(explored: Explored) -> Markup:
    rows = [[stage, f"{1_000 * seconds:.3f}"] for stage, seconds in explored.took]
    return table([Column("stage"), Column("ms", True)], rows)


def _compared(asked: Sequence[Asked], left: Side, right: Side) -> list[Markup]:
    sides = (Column("left", True), Column("right", True))
    order = [
        [_item(move.id, move.title), _place(move.left), _place(move.right)] for move in moves(left.answer, right.answer)
    ]
    features = [
        [each.item, each.feature, _value(each.left), _value(each.right)]
        for each in features_that_differ(left.answer, right.answer)
    ]
    differing = [*_asked_differently(*asked), *_pools(left, right), *differences(left.answer, right.answer)]
    parts = [
        element("h2", "What differs"),
        table([Column(""), Column("left"), Column("right")], differing),
        _folded("Order", table([Column("item"), *sides], order)),
    ]
    if features:
        shared = table([Column("item"), Column("feature"), *sides], features)
        parts.append(_folded("Features of items that both show", shared))
    return parts


def _asked_differently(left: Asked, right: Asked) -> list[Difference]:
    both = [Difference(field.label, left[field.name], right[field.name]) for field in FIELDS if field.name != "item"]
    return [each for each in both if each.left != each.right]


def _pools(left: Side, right: Side) -> list[Difference]:
    if left.explored is None or right.explored is None:
        return []
    mine, others = (set(side.ranking.rows.tolist()) for side in (left.explored, right.explored))
    alone = (f"{len(each - other):,} of {len(each):,}" for each, other in ((mine, others), (others, mine)))
    return [Difference("in this pool alone", *alone)] if mine != others else []


def _place(position: int) -> str:
    return str(position) if position else "–"


def _value(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.5g}"
