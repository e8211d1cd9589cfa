"""From the lake to a snapshot: history, fitted sources, replayed examples, a fitted ranker."""

from endcap.training.corpus import Corpus, Shop
from endcap.training.fit import Layer, Layers, Learned, LeftOut, cases, learn, train, train_layers
from endcap.training.refresh import News, refreshed
from endcap.training.replay import Case, Protocol

__all__ = [
    "Case",
    "Corpus",
    "Layer",
    "Layers",
    "Learned",
    "LeftOut",
    "News",
    "Protocol",
    "Shop",
    "cases",
    "learn",
    "refreshed",
    "train",
    "train_layers",
]
