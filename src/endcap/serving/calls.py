"""The wire format: bodies of calls and answers as msgspec structs, from which OpenAPI's schemas are derived too.

Knows names, types and bounds. Does not know rows, hashes or what becomes of a call.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from endcap.backends.log import Entry
from endcap.domain.decisions import Recovered
from endcap.domain.ids import ItemKey
from endcap.serving.problems import FieldProblem

MAX_EVENTS = 1_000
MAX_NEW_ITEMS = 1_000
MAX_REQUESTS = 20
MAX_K = 200
MAX_RECORDS = 1_000
MAX_RECORDS_BYTES = 32_000_000
RECORDS = "/v1/admin/records"
ERASURES = "/v1/admin/erasures"
EXPORTS = "/v1/admin/exports"
MESSAGE_PACK = "application/msgpack"
MAX_SESSION = 200
MAX_ANCHORS = 100
MAX_EXCLUDED = 10_000
MAX_QUERY = 1_000
MAX_SUGGESTIONS = 20

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


Referrer: TypeAlias = Annotated[str, Meta(max_length=2_048, description="kept as its kind or host alone")]
Word: TypeAlias = Annotated[str, Meta(max_length=64)]


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
    user_agent: Annotated[
        str, Meta(max_length=1_000, description="the browser's; says whether a robot called, and is not stored")
    ] = ""
    region: Word = ""
    device: Word = ""
    page_referrer: Referrer = ""
    search_term: Annotated[str, Meta(max_length=2_048, description="words that no title holds are not kept")] = ""
    engagement_time_msec: Annotated[float, Meta(ge=0, description="on the item's page; of leave_item or view_item")] = 0
    percent_scrolled: Annotated[float, Meta(ge=0, le=100)] = 0


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
    results: Annotated[
        list[Literal["accepted", "duplicate", "refused"]],
        Meta(description="what became of each event, in the order of the call"),
    ]


class ContextCall(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the list will be shown. Of the referrer only the host is kept."""

    region: Word = ""
    device: Literal["", "desktop", "mobile", "tablet", "tv", "app"] = ""
    locale: Annotated[str, Meta(pattern=r"^([A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*)?$", max_length=35)] = ""
    referrer: Referrer = ""


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
    filter: Annotated[
        str, Meta(max_length=2_000, description="what must be true of an item, such as price < 20 AND brand = 'Arda'")
    ] = ""
    k: Annotated[int, Meta(ge=1, le=MAX_K, description="places to fill")] = 10
    query: Annotated[
        str, Meta(max_length=MAX_QUERY, description="what is searched for: only what it finds is listed")
    ] = ""
    consent: Annotated[
        bool,
        Meta(
            description="false: nothing stored about this person is read, and the decision is stored without them; "
            "session lines that are sent along and the coarse context are kept with it, for replay"
        ),
    ] = True


class BatchCall(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/recommendations:batch`: the lists of one page, the most important first."""

    requests: Annotated[list[RecommendationCall], Meta(min_length=1, max_length=MAX_REQUESTS)]


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
    recovered: Annotated[
        Recovered, Meta(description="by what a search found something where nothing has all its words as typed")
    ] = ""
    corrected: Annotated[str, Meta(description="the words that were looked for instead of misspelled ones")] = ""


class SearchCall(Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of `GET /v1/search`."""

    q: Annotated[str, Meta(max_length=MAX_QUERY, description="what is searched for")] = ""
    k: Annotated[int, Meta(ge=1, le=MAX_K, description="places to fill")] = 10
    filter: Annotated[
        str, Meta(max_length=2_000, description="what must be true of an item, as in a call for a list")
    ] = ""
    facets: Annotated[bool, Meta(description="count what is found by category, brand, price, colour and size")] = False
    placement: Annotated[str, Meta(max_length=64, description="a placement of the shop's policy")] = "search"
    visitor_id: Annotated[str, Meta(max_length=256)] = ""
    user_id: Annotated[str, Meta(max_length=256)] = ""
    consent: Annotated[bool, Meta(description="false: as in a call for a list")] = True


class SuggestionsCall(Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of `GET /v1/search/suggestions`."""

    q: Annotated[str, Meta(max_length=MAX_QUERY, description="what is typed so far")] = ""
    k: Annotated[int, Meta(ge=1, le=MAX_SUGGESTIONS, description="at most so many")] = 8


class SuggestionAnswer(Struct, frozen=True):
    """What to search for: a brand, a category or a phrase, and how many items it finds."""

    text: str
    items: int


class SuggestionsAnswer(Struct, frozen=True):
    """What goes on from what is typed, each leading to items that can be sold."""

    suggestions: list[SuggestionAnswer]
    corrected: Annotated[str, Meta(description="what a misspelled beginning was taken for")] = ""


class FacetValueAnswer(Struct, frozen=True):
    """One value, how many of what is found have it, and the filter that narrows to them."""

    value: str
    count: int
    filter: str


class FacetAnswer(Struct, frozen=True):
    """The most frequent values of one column of filters, or bands of the price in rising order."""

    name: str
    values: list[FacetValueAnswer]


class SearchAnswer(RecommendationAnswer, frozen=True, kw_only=True):
    """The answer of `GET /v1/search`: a list, how many items are found in all, and what they divide into."""

    found: int
    facets: list[FacetAnswer] = []


class BatchAnswer(Struct, frozen=True):
    """One answer a request, in their order; no item stands in two of them."""

    answers: list[RecommendationAnswer]


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


class ItemsAnswer(Struct, frozen=True):
    """How many items were taken in, and what is wrong with the others."""

    accepted: int
    problems: list[RowProblem]


class RecordsCall(Struct, frozen=True):
    """The body of `POST /v1/admin/records`, in MessagePack: items and groups that need rows, and records to append.

    It is how an import works beside the server that has the shop open; the two are of one release.
    """

    rows: Annotated[list[ItemKey], Meta(max_length=MAX_RECORDS)] = []
    entries: Annotated[list[Entry], Meta(max_length=MAX_RECORDS)] = []


class RecordsAnswer(Struct, frozen=True):
    """The row of each of `rows`; for each entry its offset and whether it was new. All is durable and folded."""

    rows: list[int]
    offsets: list[int]
    fresh: list[bool]


class PersonCall(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/admin/erasures` and `POST /v1/admin/exports`: one person, by one of the shop's own ids."""

    user_id: Annotated[str, Meta(max_length=256)] = ""
    visitor_id: Annotated[str, Meta(max_length=256)] = ""


class ErasureAnswer(Struct, frozen=True):
    """What is gone, from every file: records of events and decisions, lines of the lake; rows up to `at` are refused.

    `visitors` counts the visitors who were this person.
    """

    at: str
    records: int
    lines: int
    visitors: int


class ExportAnswer(Struct, frozen=True):
    """Everything that is held about one person, by plain names and the shop's item ids; nobody else's."""

    format: int
    exported_at: str
    logins: list[dict[str, Any]]
    events: list[dict[str, Any]]
    lists_shown: list[dict[str, Any]]
    profile: dict[str, Any]


class StatusAnswer(Struct, frozen=True):
    """`status` in one word, `because` in a sentence."""

    status: str
    because: str = ""
