"""What each signal beside the items themselves is worth where a made-up shop's truth has its effect, and where not.

    python bench/quality/context.py --seeds 1 --items 2000 --lines 200000 --lists 1500

Shops that differ in one effect are trained on up to two weeks before their end. Then real visits go on: whenever one
of their people is about to look down a list, the recommender is asked for ten items, and truth says what a look at
each is worth to her just then; and so for strangers. Each signal is left out in turn, the ranker, a mean of three,
fitted again on the same examples. Printed is by how many per cent lists are better for having it, with a 95 % interval
over people, which does not hold the chance of the fits: differences of a few per cent need several shops.
"""

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from endcap import app
from endcap.domain.ids import keyed_hash
from endcap.domain.instants import DAY, millis
from endcap.domain.requests import Request
from endcap.features import FeatureSet
from endcap.metrics import bootstrap
from endcap.pipeline import recommend
from endcap.policy import parse_policy
from endcap.simulation import Scene, World, open_world, world, write_shop
from endcap.simulation.catalog import Period
from endcap.simulation.effects import Effects
from endcap.simulation.shop import Size
from endcap.simulation.shoppers import Shopper as Person
from endcap.simulation.visits import REFERRERS, Leg, Visit
from endcap.snapshot import Snapshot
from endcap.state import State
from endcap.training import Corpus, Learned, Shop, learn
from endcap.training.profile import SESSIONS
from endcap.training.ranker import fit_trees
from endcap.training.replay import shopper_at

END: Final = date(2026, 11, 1)
HELD_BACK: Final = 14 * DAY
K: Final = 10
SIGNALS: Final = ("Looks",)
FIRST, LATER, STRANGER = "first lists of visits", "later lists", "strangers' first lists"
SHOPS: Final = {
    "all effects": Effects(),
    "without appeal and taste": Effects(appeal=False, taste=False),
}


class Asked(NamedTuple):
    """A list that a person is about to look down, what she is about, and of which kind it is."""

    person: Person
    scene: Scene
    kind: str


class Watched(Visit):
    """A visit that keeps what its person is about before each list."""

    asked: ClassVar[list[Asked]] = []

    def _walk(self, leg: Leg) -> None:
        scene = self._scene(leg.leaf)._replace(owned=dict(self.memory.owned))
        self.asked.append(Asked(self.shopper, scene, LATER if self.lines else FIRST))
        super()._walk(leg)


class Made(NamedTuple):
    """A shop that people went through: what it can learn from, and the lists they looked down at the end."""

    world: World
    corpus: Corpus
    asked: list[Asked]
    secret: bytes
    split: int


def _untold(done: int, of: int | None) -> None:
    """Nobody is told how far it has come."""


def made(folder: Path, seed: int, size: Size, effects: Effects) -> Made:
    """A shop as its files are read in."""
    Watched.asked.clear()
    vars(world)["Visit"] = Watched
    written = write_shop(folder / "files", seed, END, size, effects)
    app.initialise(folder, "EUR", "UTC")
    shop = app.open_shop(folder, {})
    for feed in written.feeds:
        app.import_catalog(shop, feed, written.catalog_mapping, _untold)
    app.import_events(shop, written.events, written.events_mapping, _untold)
    end = datetime.combine(END, time.min, UTC)
    simulated = open_world(seed, size.items, Period(end), effects)
    split = millis(end) - HELD_BACK
    asked = sorted(
        (each for each in Watched.asked if split <= each.scene.at < millis(end)), key=lambda each: each.scene.at
    )
    return Made(simulated, app.corpus(shop), asked, shop.secret(), split)


def strangers(shop: Made, number: int) -> list[Asked]:
    """Lists asked for by people whom the shop does not know, who have nothing in particular in mind, by time."""
    ways, shares = list(REFERRERS), np.array(list(REFERRERS.values()))
    rng = np.random.Generator(np.random.Philox(shop.split))
    times = np.sort(rng.integers(shop.split, shop.split + HELD_BACK, number)).tolist()
    drawn = rng.choice(len(ways), number, p=shares / shares.sum()).tolist()
    people = (shop.world.shopper(1_000_000 + place) for place in range(number))
    return [
        Asked(me, Scene(at, "browse", referrer=ways[way]), STRANGER)
        for me, at, way in zip(people, times, drawn, strict=True)
    ]


def gains(shop: Made, snapshots: list[Snapshot], asked: list[Asked]) -> NDArray[np.float64]:
    """[asked, snapshots, 2]: the clicks and the purchases that a look at an item of a list brings, on the mean."""
    corpus, products = shop.corpus, shop.world.truth.stock.products
    history = corpus.history(people_at=shop.split, groups_at=shop.split)
    places = {key: place for place, key in enumerate(history.keys)}
    known, policy = Shop(corpus, history), parse_policy("[placements.home]\n")
    product = {sold.item(place): at for at, sold in enumerate(products) for place in range(len(sold.variants))}
    found, truth = np.zeros((len(asked), len(snapshots), 2)), shop.world.truth
    for number, each in enumerate(asked):
        me, at = each.person, each.scene.at
        known.advance(at)
        keys = [keyed_hash(shop.secret, "user", me.user)] * bool(me.user)
        keys += [keyed_hash(shop.secret, "visitor", me.visitor)]
        lines = next((history.lines(places[key]) for key in keys if key in places), slice(0, 0))
        upto = lines.start + int(np.searchsorted(history.time[lines], at))
        state = State(shopper_at(history, slice(lines.start, upto)), known.shelf)
        request = Request(
            "home", at, number, K, shopper=keys[0], region=me.region, device=me.device, referrer=each.scene.referrer
        )
        for column, snapshot in enumerate(snapshots):
            shown = recommend(request, state, snapshot, policy).slate
            rows = np.array([product[corpus.keys[place.row].id] for place in shown], np.int64)
            found[number, column, 0] = truth.click(me, each.scene, rows).sum() / K
            found[number, column, 1] = truth.true_gain(me, each.scene, rows).purchases.sum() / K
    return found


def learned_with(learned: Learned, names: tuple[str, ...]) -> Snapshot:
    """The snapshot of `learned` with those of SIGNALS alone that are in `names`, its ranker fitted again."""
    snapshot, examples, schema = learned.snapshot, learned.examples, learned.snapshot.features.schema
    gone = set(SIGNALS) - set(names)
    families = tuple(each for each in snapshot.features.families if type(each).__name__ not in gone)
    features = FeatureSet(families)
    kept = [schema.index(name) for name in features.schema]
    fewer = examples._replace(features=np.ascontiguousarray(examples.features[:, kept]))
    return replace(
        snapshot, features=features, ranker=fit_trees(fewer, features.schema, replace(SESSIONS.ranker, models=3))
    )


def measured(given: argparse.Namespace) -> None:
    """Print a table for each shop and each kind of list."""
    chosen = [SIGNALS, *(tuple(each for each in SIGNALS if each != name) for name in SIGNALS)]
    for label in given.shop or SHOPS:
        values, asked, people = list[NDArray[np.float64]](), list[Asked](), list[int]()
        for seed in range(1, given.seeds + 1):
            with tempfile.TemporaryDirectory() as folder:
                shop = made(Path(folder) / "shop", seed, Size(given.items, given.lines), SHOPS[label])
                learned = learn(shop.corpus, shop.split, "time-split", lambda _: None)
                some = np.linspace(0, len(shop.asked) - 1, given.lists).astype(np.int64)
                snapshots = [learned_with(learned, names) for names in chosen]
                for each in ([shop.asked[place] for place in np.unique(some)], strangers(shop, given.lists)):
                    values.append(gains(shop, snapshots, each))
                    asked += each
                    people += [seed * 10**7 + one.person.number for one in each]
        told(label, np.concatenate(values), [each.kind for each in asked], np.array(people))


def told(label: str, gain: NDArray[np.float64], kinds: list[str], people: NDArray[np.int64]) -> None:
    """Print what each signal adds, in per cent of what lists are worth without it."""
    for kind in (FIRST, LATER, STRANGER):
        kept = np.array(kinds) == kind
        for place, unit in enumerate(("clicks", "purchases")):
            worth = gain[kept, :, place]
            print(f"\n{label}, {kind}: {kept.sum():,} lists, {worth[:, 0].mean() * 1e3:.2f} {unit} per 1,000 looks")
            for column, name in enumerate(SIGNALS, 1):
                print(f"  {name:14s} {_share(worth, people[kept], column)}", flush=True)


def _share(worth: NDArray[np.float64], people: NDArray[np.int64], left_out: int) -> str:
    """By how many per cent all are better than without one, with its interval."""
    gain = (worth[:, 0] - worth[:, left_out]) / worth[:, left_out].mean() * 100
    mean, low, high = bootstrap(gain[:, None], people)[0]
    return f"{mean:+6.2f} % [{low:+6.2f}, {high:+6.2f}]"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--items", type=int, default=2_000)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--lists", type=int, default=1_500, help="of people of a shop, and of strangers")
    parser.add_argument("--shop", action="append", default=[], choices=list(SHOPS))
    measured(parser.parse_args())
