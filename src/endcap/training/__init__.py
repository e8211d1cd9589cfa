"""From the lake to a snapshot: history, fitted sources, replayed examples, a fitted ranker."""

from endcap.training.corpus import Corpus, Shop
from endcap.training.cut import Cut, cut_of
from endcap.training.fit import HYBRID, Layer, Layers, Learned, LeftOut, cases, learn, train, train_layers
from endcap.training.floors import plain_layers
from endcap.training.refresh import News, refreshed
from endcap.training.replay import Case, Protocol

__all__ = [
    "HYBRID",
    "Case",
    "Corpus",
    "Cut",
    "Layer",
    "Layers",
    "Learned",
    "LeftOut",
    "News",
    "Protocol",
    "Shop",
    "cases",
    "cut_of",
    "learn",
    "plain_layers",
    "refreshed",
    "train",
    "train_layers",
]
