"""The composition root: the only package that names concrete adapters and reads settings.

Knows a shop's folder, opens what a command needs of it, and hands it to the code that does the work. Adapters are
imported where they are opened, so that serving loads no training library.
"""

from endcap.app.audit import Files, Terms, Told, audit
from endcap.app.imports import Options, import_catalog, import_events, importing
from endcap.app.keys import create_key, list_keys, relabelled, revoke_key, rotate_key, running
from endcap.app.learning import Outputs, Sampled, corpus, evaluate, evaluate_data, profile_of, train
from endcap.app.lists import GUESTS, Listed, explain, open_floor, pages_of, recommend, serve
from endcap.app.privacy import Named, erase, export
from endcap.app.refresh import refresh
from endcap.app.reports import Pages, health
from endcap.app.shop import (
    API_KEYS,
    CURRENT,
    PUBLIC_KEY,
    SETTINGS,
    SHOPPER_KEY,
    SIGNING_KEY,
    Shop,
    initialise,
    now_ms,
    open_shop,
    settings_of,
)
from endcap.app.tuning import Found, Sought, tune, tune_data

__all__ = [
    "API_KEYS",
    "CURRENT",
    "GUESTS",
    "PUBLIC_KEY",
    "SETTINGS",
    "SHOPPER_KEY",
    "SIGNING_KEY",
    "Files",
    "Found",
    "Listed",
    "Named",
    "Options",
    "Outputs",
    "Pages",
    "Sampled",
    "Shop",
    "Sought",
    "Terms",
    "Told",
    "audit",
    "corpus",
    "create_key",
    "erase",
    "evaluate",
    "evaluate_data",
    "explain",
    "export",
    "health",
    "import_catalog",
    "import_events",
    "importing",
    "initialise",
    "list_keys",
    "now_ms",
    "open_floor",
    "open_shop",
    "pages_of",
    "profile_of",
    "recommend",
    "refresh",
    "relabelled",
    "revoke_key",
    "rotate_key",
    "running",
    "serve",
    "settings_of",
    "train",
    "tune",
    "tune_data",
]
