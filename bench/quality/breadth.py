"""What a home page's `breadth`, its cap per category and its diversity cost in a simulated shop's truth.

    endcap demo --once --shop demo-shop
    python bench/quality/breadth.py --shop demo-shop --days 6

The hybrid is trained on all but the last days and asked for ten items at each case of these. A hit is that the list
holds something of what is opened next, on the mean of 200 redraws of the case; purchases are those expected of one look
at each of the ten. One fit: two fits of the demo's shop differ by about .01.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from endcap import app, pipeline
from endcap.app.truth import Beyond
from endcap.domain.instants import DAY
from endcap.policy import Policy
from endcap.training import cases, train_layers

K: Final = 10
PAGES: Final = (
    (0.0, 0, 0.0),
    (0.0, 6, 0.05),
    (0.35, 6, 0.05),
    (0.3, 8, 0.0),
    (0.35, 8, 0.0),
    (0.4, 8, 0.0),
    (0.45, 8, 0.0),
)
"""Breadth, most per category (0: no cap) and diversity of each home page that is tried."""


def arranged(policy: Policy) -> Iterator[Policy]:
    """`policy` with each of PAGES as its home page."""
    for breadth, most, diversity in PAGES:
        home = replace(policy.placements["home"], breadth=breadth, most_per_category=most, diversity=diversity)
        yield replace(policy, placements={**policy.placements, "home": home})


def main() -> None:
    """Print a line for each home page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, default=Path("demo-shop"), help="a shop that `endcap demo` made")
    parser.add_argument("--days", type=int, default=6, help="days at the end that are asked")
    given = parser.parse_args()
    shop = app.open_shop(given.shop, {})
    corpus = app.corpus(shop)
    since = int(corpus.history().time.max()) + 1 - given.days * DAY
    snapshot = train_layers(corpus, since, "time-split", print).layers[-1].snapshot
    truth = Beyond(given.shop / "files" / "world.json", shop.secret(), corpus, since)
    policies, found = list(arranged(shop.policy())), list[list[tuple[float, float]]]()
    for case in cases(corpus, since, "time-split"):
        outcomes = truth(case)
        if outcomes is None:
            continue
        ranking = pipeline.rank(replace(case.request, placement="home", k=K), case.state, snapshot, policies[0])
        figures = []
        for policy in policies:
            slate = pipeline.arrange(ranking, snapshot, policy).slate
            rows = case.state.shelf.group[[shown.row for shown in slate]]
            hits = outcomes.taken[:, np.isin(outcomes.groups, rows)].any(axis=1)
            figures.append((float(hits.mean()), float(outcomes.worth(rows)[0])))
        found.append(figures)
    print(f"{len(found):,} cases")
    for page, (hit, purchases) in zip(PAGES, np.mean(found, axis=0).tolist(), strict=True):
        print("breadth {}, at most {} of a category, diversity {}:".format(*page), f"{hit:.3f} {purchases:.3f}")


if __name__ == "__main__":
    main()
