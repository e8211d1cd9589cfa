"""The wire format: bodies of calls and answers as msgspec structs, from which OpenAPI's schemas are derived too.

Knows names, types and bounds. Does not know rows, hashes or what becomes of a call.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from endcap.serving.problems import FieldProblem

MAX_EVENTS = 1_000
MAX_REQUESTS = 20
MAX_SESSION = 200
MAX_ANCHORS = 100
MAX_EXCLUDED = 10_000

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256, description="the shop's own id")]
Name: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]*$", max_length=64)]
Price: TypeAlias = Annotated[
    str | float, Meta(description='decimal text such as "12.99", or a number, in the shop\'s currency')
]
Time: TypeAlias = Annotated[
    str | int | float,
    Meta(description="ISO 8601 (read in the shop's time zone where it has no offset) or milliseconds UTC"),
]


class ItemCall(Struct, frozen=True):
    """One item of an event, by its GA4 parameters; others are ignored."""

    item_id: Id
    quantity: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    price: Price | None = None


class EventCall(Struct, frozen=True):
    """One GA4 e-commerce event; parameters that are not listed are ignored."""

    name: Annotated[str, Meta(max_length=64, description="GA4 event name such as view_item, purchase, login")]
    time: Time
    items: Annotated[
        list[ItemCall], Meta(max_length=200, description="at least one, but for login and logout, which need none")
    ] = []
    event_id: Annotated[str, Meta(max_length=256, description="the same id twice is one event")] = ""
    visitor_id: Annotated[str, Meta(max_length=256)] = ""
    user_id: Annotated[str, Meta(max_length=256)] = ""
    session_id: Annotated[str, Meta(max_length=256)] = ""
    transaction_id: Annotated[str, Meta(max_length=256)] = ""
    currency: Annotated[str, Meta(max_length=3)] = ""
    recommendation_id: Name = ""
    placement: Name = ""


class EventsCall(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/events`; events are read one by one, so that a wrong one does not stop the others."""

    events: Annotated[list[msgspec.Raw], Meta(max_length=MAX_EVENTS)]


class EventsSchema(Struct):
    """Events in the order in which they happened, at most 1,000 a call."""

    events: Annotated[list[EventCall], Meta(max_length=MAX_EVENTS)]


class RowProblem(Struct, frozen=True):
    """What is wrong with the entry at `index` (from 0) of a list; the others were taken in."""

    index: int
    errors: list[FieldProblem]


class EventsAnswer(Struct, frozen=True):
    """How many events are stored now, how many stood there already, and what is wrong with the others."""

    accepted: int
    duplicates: int
    problems: list[RowProblem]


class ContextCall(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the list will be shown. Of the referrer only the host is kept."""

    region: Annotated[str, Meta(max_length=64)] = ""
    device: Literal["", "desktop", "mobile", "tablet", "tv", "app"] = ""
    locale: Annotated[str, Meta(pattern=r"^([A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*)?$", max_length=35)] = ""
    referrer: Annotated[str, Meta(max_length=2_048)] = ""


class RecommendationCall(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/recommendations`."""

    placement: Annotated[str, Meta(max_length=64, description="a placement of the shop's policy")]
    visitor_id: Annotated[str, Meta(max_length=256)] = ""
    user_id: Annotated[str, Meta(max_length=256)] = ""
    anchors: Annotated[
        list[Id], Meta(max_length=MAX_ANCHORS, description="ids of the page's item, or of the cart's items")
    ] = []
    session: Annotated[
        list[EventCall], Meta(max_length=MAX_SESSION, description="recent events that are sent along")
    ] = []
    context: ContextCall = ContextCall()
    exclude: Annotated[list[Id], Meta(max_length=MAX_EXCLUDED, description="ids that must not be shown")] = []
    k: Annotated[int, Meta(ge=1, le=200, description="places to fill")] = 10
    consent: Annotated[
        bool,
        Meta(
            description="false: nothing stored about this person is read, and the decision is stored without them; "
            "session lines that are sent along and the coarse context are kept with it, for replay"
        ),
    ] = True


class FieldsAnswer(Struct, frozen=True, omit_defaults=True):
    """An item as the shop knows it now; what is unknown is left out."""

    title: str = ""
    price: Annotated[str, Meta(description="decimal text, what a shopper pays now")] = ""
    currency: str = ""
    brand: str = ""
    category: Annotated[str, Meta(description="path, parted by ' > '")] = ""
    link: str = ""
    image_link: str = ""


class ReasonAnswer(Struct, frozen=True, omit_defaults=True):
    """Why an item is shown; `anchor_id` is the item it relates to."""

    code: str
    text: str
    anchor_id: str = ""


class ItemAnswer(Struct, frozen=True):
    """One place of the list; positions count from 1."""

    id: str
    score: float
    position: int
    reason: ReasonAnswer
    fields: FieldsAnswer


class VersionsAnswer(Struct, frozen=True):
    """What was learned and what was decided, by version."""

    snapshot: str
    policy: str


class RecommendationAnswer(Struct, frozen=True):
    """The answer of `POST /v1/recommendations`; send `recommendation_id` with the events that the list leads to."""

    recommendation_id: str
    items: list[ItemAnswer]
    versions: VersionsAnswer
    as_of: Annotated[str, Meta(description="the instant of the answer, ISO 8601 UTC")]
    rung: Annotated[str, Meta(description="R0 full, R2 no ranker, R3 no stored state, R4 popularity")]
    degraded: Annotated[list[str], Meta(description="codes of what was missing")]
    short_because: Annotated[str, Meta(description="why there are fewer than k items; empty if there are k")]


class OfferCall(Struct, frozen=True, forbid_unknown_fields=True):
    """The new price, stock or both of one item."""

    id: Id
    price: Price | None = None
    stock: (
        Annotated[int, Meta(ge=-1, le=2_000_000_000, description="units; 0 does not sell, -1 is unknown and sells")]
        | None
    ) = None


class OffersCall(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `PATCH /v1/catalog/offers`, read one by one like events."""

    offers: Annotated[list[msgspec.Raw], Meta(max_length=MAX_EVENTS)]


class OffersSchema(Struct):
    """Offers of items that the catalog knows, at most 1,000 a call."""

    offers: Annotated[list[OfferCall], Meta(max_length=MAX_EVENTS)]


class OffersAnswer(Struct, frozen=True):
    """How many offers changed, and what is wrong with the others."""

    accepted: int
    problems: list[RowProblem]


class FeatureAnswer(Struct, frozen=True, omit_defaults=True):
    """A vote or feature value by its name; `effect` is by how much the score would fall if it were unknown."""

    name: str
    value: float
    effect: float | None = None


class ShownAnswer(Struct, frozen=True):
    """One shown item with what spoke for it: votes of sources and feature values."""

    id: str
    title: str
    position: int
    score: float
    propensity: float
    reason: ReasonAnswer
    votes: list[FeatureAnswer]
    features: list[FeatureAnswer]


class DroppedAnswer(Struct, frozen=True):
    """An item that might have been shown, and the rule that forbade it."""

    id: str
    rule: str


class DecisionAnswer(Struct, frozen=True):
    """One decision as it is recorded, with ids instead of rows and without the shopper."""

    recommendation_id: str
    placement: str
    at: str
    k: int
    seed: int
    anchors: list[str]
    exclude: list[str]
    consent: bool
    known_shopper: bool
    versions: VersionsAnswer
    offsets: dict[str, int]
    rung: str
    degraded: list[str]
    short_because: str
    pool_size: int
    items: list[ShownAnswer]
    dropped: list[DroppedAnswer]


class StatusAnswer(Struct, frozen=True):
    """`status` in one word, `because` in a sentence."""

    status: str
    because: str = ""
