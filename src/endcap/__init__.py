"""Endcap: a hybrid recommender for e-commerce, from a product feed and a click stream to ranked lists."""

__version__ = "0.1.0"
