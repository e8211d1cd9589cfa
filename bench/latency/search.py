"""Measure what a search costs in one process: its words, what is found, the whole list, its facets and suggestions.

    python bench/latency/search.py --shop SHOP

Asks a trained shop for its own phrases, the frequent and the rare, as they are and with two letters swapped.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as every command does

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from endcap import app
from endcap.domain.requests import Query, Request
from endcap.pipeline import matching, recommend
from endcap.retrieval.search import heard
from endcap.retrieval.suggestions import suggest
from endcap.simulation.visits import mistyped
from endcap.slate import facets
from endcap.state import NEWCOMER, State

PHRASES: Final = 300


def main() -> None:
    """Print a table: median and 99th percentile of each step in milliseconds of CPU, which other work changes less."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, required=True)
    given = parser.parse_args()
    with closing(app.open_floor(app.open_shop(given.shop, {}), readonly=True)) as floor:
        snapshot, policy, shelf = floor.current(), floor.ground.policy(), floor.shelf
        if snapshot.search is None or snapshot.suggestions is None:
            raise SystemExit("the shop's snapshot knows no words; train it")
        search, known, suggestions = snapshot.search, Query(), snapshot.suggestions
        every = len(suggestions.shown) / PHRASES
        phrases = [suggestions.shown[int(place * every)] for place in range(PHRASES)]
        wrong = [
            next(filter(phrase.__ne__, (mistyped(phrase, str(key)) for key in range(99))), phrase) for phrase in phrases
        ]
        queries = [floor.query(phrase, known, snapshot) for phrase in phrases]
        requests = [Request("search", snapshot.until, 1, 24, query=query) for query in queries]
        state, placement = State(NEWCOMER, shelf), policy.placement("search")
        found = [matching(request, state, snapshot, policy) for request in requests]
        matches = np.array([len(rows) for rows in found])
        size = (
            f"{len(shelf):,} rows, {len(search.index.vocabulary):,} words, {len(search.index.postings.rows):,} postings"
        )
        print(f"{size}; matches: median {np.median(matches):.0f}, most {matches.max():,}")
        steps: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
            "words heard": (lambda text: heard(text, search.index.vocabulary), phrases),
            "misspelled words heard": (lambda text: heard(text, search.index.vocabulary), wrong),
            "words heard, and their vector": (lambda text: floor.query(text, known, snapshot), phrases),
            "found": (lambda query: search.find(query, shelf), queries),
            "found by meaning alone": (lambda query: search.find(replace(query, words=()), shelf), queries),
            "the list of 24": (lambda request: recommend(request, state, snapshot, policy), requests),
            "facets": (
                lambda each: facets(placement, *each),
                [(request, shelf, rows) for request, rows in zip(requests, found, strict=True)],
            ),
            "suggestions": (lambda text: suggest(suggestions, search, shelf, text[: len(text) // 2], 8), phrases),
        }
        print("| step | median | p99 |\n|---|---|---|")
        for name, (step, given_to) in steps.items():
            took = timed(step, given_to)
            print(f"| {name} | {np.median(took):.2f} ms | {np.percentile(took, 99):.2f} ms |")


def timed(step: Callable[[Any], object], given_to: Sequence[Any]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Milliseconds of CPU of each call of the second round; the first one warms."""
    for each in given_to:
        step(each)
    took = []
    for each in given_to:
        begin = time.process_time()
        step(each)
        took.append(1e3 * (time.process_time() - begin))
    return np.array(took)


if __name__ == "__main__":
    main()
