"""What is sent and answered, as structs. Written by `make client` from the OpenAPI document, not by hand."""

from typing import Any, Literal

from msgspec import Struct, field

__all__ = [
    "BatchAnswer", "BatchCall", "CatalogItemCall", "CatalogItemsSchema", "ContextCall", "DecisionAnswer",
    "DroppedAnswer", "ErasureAnswer", "EventCall", "EventsAnswer", "EventsSchema", "ExportAnswer", "FacetAnswer",
    "FacetValueAnswer", "FeatureAnswer", "FieldProblem", "FieldsAnswer", "ItemAnswer", "ItemCall", "ItemsAnswer",
    "OfferCall", "OffersSchema", "PersonCall", "Problem", "ReasonAnswer", "RecommendationAnswer",
    "RecommendationCall", "RowProblem", "SearchAnswer", "SearchCall", "ShownAnswer", "StatusAnswer",
    "SuggestionAnswer", "SuggestionsAnswer", "SuggestionsCall", "VersionsAnswer",
]  # fmt: skip


class ItemCall(Struct, frozen=True, omit_defaults=True):
    """One item of an event, by its GA4 parameters; others are ignored."""

    item_id: str
    quantity: int = 1
    price: str | float | None = None


class EventCall(Struct, frozen=True, omit_defaults=True):
    """One GA4 e-commerce event; parameters that are not listed are ignored."""

    name: str
    time: str | int | float
    items: list[ItemCall] = field(default_factory=list)
    event_id: str = ""
    visitor_id: str = ""
    user_id: str = ""
    session_id: str = ""
    transaction_id: str = ""
    currency: str = ""
    recommendation_id: str = ""
    placement: str = ""
    user_agent: str = ""
    region: str = ""
    device: str = ""
    page_referrer: str = ""
    search_term: str = ""
    engagement_time_msec: float = 0
    percent_scrolled: float = 0


class ContextCall(Struct, frozen=True, omit_defaults=True):
    """Where the list will be shown. Of the referrer only the host is kept."""

    region: str = ""
    device: Literal["", "app", "desktop", "mobile", "tablet", "tv"] = ""
    locale: str = ""
    referrer: str = ""


class RecommendationCall(Struct, frozen=True, omit_defaults=True):
    """The body of `POST /v1/recommendations`."""

    placement: str
    visitor_id: str = ""
    user_id: str = ""
    anchors: list[str] = field(default_factory=list)
    session: list[EventCall] = field(default_factory=list)
    context: ContextCall = field(default_factory=ContextCall)
    exclude: list[str] = field(default_factory=list)
    filter: str = ""
    k: int = 10
    query: str = ""
    consent: bool = True


class ReasonAnswer(Struct, frozen=True, omit_defaults=True):
    """Why an item is shown; `anchor_id` is the item it relates to."""

    code: str
    text: str
    anchor_id: str = ""


class FieldsAnswer(Struct, frozen=True, omit_defaults=True):
    """An item as the shop knows it now; what is unknown is left out."""

    title: str = ""
    price: str = ""
    currency: str = ""
    brand: str = ""
    category: str = ""
    link: str = ""
    image_link: str = ""


class ItemAnswer(Struct, frozen=True, omit_defaults=True):
    """One place of the list; positions count from 1."""

    id: str
    score: float
    position: int
    reason: ReasonAnswer
    fields: FieldsAnswer


class VersionsAnswer(Struct, frozen=True, omit_defaults=True):
    """What was learned and what was decided, by version."""

    snapshot: str
    policy: str


class RecommendationAnswer(Struct, frozen=True, omit_defaults=True):
    """The answer of `POST /v1/recommendations`; send `recommendation_id` with the events that the list leads to."""

    recommendation_id: str
    items: list[ItemAnswer]
    versions: VersionsAnswer
    as_of: str
    rung: str
    degraded: list[str]
    short_because: str
    recovered: Literal["", "meaning", "popular", "spelling", "words"] = ""
    corrected: str = ""


class BatchCall(Struct, frozen=True, omit_defaults=True):
    """The body of `POST /v1/recommendations:batch`: the lists of one page, the most important first."""

    requests: list[RecommendationCall]


class BatchAnswer(Struct, frozen=True, omit_defaults=True):
    """One answer a request, in their order; no item stands in two of them."""

    answers: list[RecommendationAnswer]


class FacetValueAnswer(Struct, frozen=True, omit_defaults=True):
    """One value, how many of what is found have it, and the filter that narrows to them."""

    value: str
    count: int
    filter: str


class FacetAnswer(Struct, frozen=True, omit_defaults=True):
    """The most frequent values of one column of filters, or bands of the price in rising order."""

    name: str
    values: list[FacetValueAnswer]


class SearchAnswer(Struct, frozen=True, omit_defaults=True):
    """The answer of `GET /v1/search`: a list, how many items are found in all, and what they divide into."""

    recommendation_id: str
    items: list[ItemAnswer]
    versions: VersionsAnswer
    as_of: str
    rung: str
    degraded: list[str]
    short_because: str
    found: int
    recovered: Literal["", "meaning", "popular", "spelling", "words"] = ""
    corrected: str = ""
    facets: list[FacetAnswer] = field(default_factory=list)


class SearchCall(Struct, frozen=True, omit_defaults=True):
    """The parameters of `GET /v1/search`."""

    q: str = ""
    k: int = 10
    filter: str = ""
    facets: bool = False
    placement: str = "search"
    visitor_id: str = ""
    user_id: str = ""
    consent: bool = True


class SuggestionAnswer(Struct, frozen=True, omit_defaults=True):
    """What to search for: a brand, a category or a phrase, and how many items it finds."""

    text: str
    items: int


class SuggestionsAnswer(Struct, frozen=True, omit_defaults=True):
    """What goes on from what is typed, each leading to items that can be sold."""

    suggestions: list[SuggestionAnswer]
    corrected: str = ""


class SuggestionsCall(Struct, frozen=True, omit_defaults=True):
    """The parameters of `GET /v1/search/suggestions`."""

    q: str = ""
    k: int = 8


class EventsSchema(Struct, frozen=True, omit_defaults=True):
    """Events in the order in which they happened, at most 1,000 a call."""

    events: list[EventCall]


class FieldProblem(Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with a body; `field` is a path such as `items[0].price`."""

    field: str
    given: Any
    expected: str
    remedy: str = ""


class RowProblem(Struct, frozen=True, omit_defaults=True):
    """What is wrong with the entry at `index` (from 0) of a list; the others were taken in."""

    index: int
    errors: list[FieldProblem]


class EventsAnswer(Struct, frozen=True, omit_defaults=True):
    """How many events are stored now, how many stood there already, and what is wrong with the others."""

    accepted: int
    duplicates: int
    problems: list[RowProblem]
    results: list[Literal["accepted", "duplicate", "refused"]]


class OfferCall(Struct, frozen=True, omit_defaults=True):
    """The new price, stock or both of one item."""

    id: str
    price: str | float | None = None
    stock: int | None = None


class OffersSchema(Struct, frozen=True, omit_defaults=True):
    """Offers of items that the catalog knows, at most 1,000 a call."""

    offers: list[OfferCall]


class ItemsAnswer(Struct, frozen=True, omit_defaults=True):
    """How many items were taken in, and what is wrong with the others."""

    accepted: int
    problems: list[RowProblem]


class CatalogItemCall(Struct, frozen=True, omit_defaults=True):
    """One item under its Merchant names. What is not given stays as it was; an empty text clears one.

    Prices are decimal text with or without a currency, such as "12.99 EUR", or numbers in the shop's currency.
    """

    id: str
    title: str | None = None
    description: str | None = None
    link: str | None = None
    image_link: str | None = None
    additional_image_link: str | None = None
    item_group_id: str | None = None
    brand: str | None = None
    product_type: str | None = None
    google_product_category: str | None = None
    price: str | float | None = None
    sale_price: str | float | None = None
    sale_price_effective_date: str | None = None
    cost_of_goods_sold: str | float | None = None
    availability: str | None = None
    quantity: int | None = None
    condition: str | None = None
    age_group: str | None = None
    gender: str | None = None
    color: str | None = None
    size: str | None = None
    material: str | None = None
    pattern: str | None = None
    gtin: str | None = None
    mpn: str | None = None
    availability_date: str | None = None
    custom_label_0: str | None = None
    custom_label_1: str | None = None
    custom_label_2: str | None = None
    custom_label_3: str | None = None
    custom_label_4: str | None = None


class CatalogItemsSchema(Struct, frozen=True, omit_defaults=True):
    """Items of the catalog, at most 1,000 a call; an unknown id is a new item."""

    items: list[CatalogItemCall]


class FeatureAnswer(Struct, frozen=True, omit_defaults=True):
    """A vote or feature value by its name; `effect` is by how much the score would fall if it were unknown."""

    name: str
    value: float
    effect: float | None = None


class ShownAnswer(Struct, frozen=True, omit_defaults=True):
    """One shown item with what spoke for it: votes of sources and feature values.

    `chances` says how likely it is what the shopper takes next, by action (view, cart, purchase), where that is known.
    """

    id: str
    title: str
    position: int
    score: float
    propensity: float
    reason: ReasonAnswer
    votes: list[FeatureAnswer]
    features: list[FeatureAnswer]
    chances: dict[str, float]


class DroppedAnswer(Struct, frozen=True, omit_defaults=True):
    """An item that might have been shown, and the rule that forbade it."""

    id: str
    rule: str


class DecisionAnswer(Struct, frozen=True, omit_defaults=True):
    """One decision as it is recorded, with ids instead of rows and without the shopper."""

    recommendation_id: str
    placement: str
    at: str
    k: int
    seed: int
    anchors: list[str]
    exclude: list[str]
    query: str
    recovered: Literal["", "meaning", "popular", "spelling", "words"]
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


class StatusAnswer(Struct, frozen=True, omit_defaults=True):
    """`status` in one word, `because` in a sentence."""

    status: str
    because: str = ""


class PersonCall(Struct, frozen=True, omit_defaults=True):
    """The body of `POST /v1/admin/erasures` and `POST /v1/admin/exports`: one person, by one of the shop's own ids."""

    user_id: str = ""
    visitor_id: str = ""


class ErasureAnswer(Struct, frozen=True, omit_defaults=True):
    """What is gone, from every file: records of events and decisions, lines of the lake; rows up to `at` are refused.

    `visitors` counts the visitors who were this person.
    """

    at: str
    records: int
    lines: int
    visitors: int


class ExportAnswer(Struct, frozen=True, omit_defaults=True):
    """Everything that is held about one person, by plain names and the shop's item ids; nobody else's."""

    format: int
    exported_at: str
    logins: list[dict[str, Any]]
    events: list[dict[str, Any]]
    lists_shown: list[dict[str, Any]]
    profile: dict[str, Any]


class Problem(Struct, frozen=True, omit_defaults=True):
    """The body of every answer that is no success (RFC 9457, `type` a URN of Endcap's)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = field(default_factory=list)
