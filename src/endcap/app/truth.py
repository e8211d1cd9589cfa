"""What is true of a simulated shop, for its evaluation: what could have come of cases, and what lists are worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from endcap.domain.arrays import Rows
from endcap.domain.ids import ItemKey, keyed_hash
from endcap.domain.people import visitor_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from endcap.evaluation import Outcomes
    from endcap.simulation import Choice
    from endcap.training import Case, Corpus

REDRAWS: Final = 200
"""How often what came of a case is drawn anew."""
_STREAM: Final = 8


class Beyond:
    """The truth behind a shop's files: a callable that says of a case what could have come of it.

    `secret` is the key of the shop's people; `since` the instant (ms UTC) after which cases are asked.
    """

    def __init__(self, world: Path, secret: bytes, corpus: "Corpus", since: int) -> None:
        from endcap.simulation import read_world

        self._world, people = read_world(world)
        self._secret, self._since = secret, since
        self._numbers = {key: number for number in range(people) for key in self._keys(number)}
        rows = {key: row for row, key in enumerate(corpus.keys)}
        group, products = corpus.groups(), self._world.truth.stock.products
        items = [rows[ItemKey("item", product.item(0))] for product in products]
        self._group: Rows = group[items]
        self._product = np.full(len(group), -1)
        self._product[self._group] = np.arange(len(products))
        self._choices: dict[int, dict[int, Choice]] = {}

    def __call__(self, case: "Case") -> "Outcomes | None":
        """What could have come of `case`; None where it is of nobody of this world."""
        from endcap.evaluation import Outcomes

        number = self._numbers.get(case.request.shopper)
        choice = None if number is None else self._of(number).get(case.opened)
        if number is None or choice is None:
            return None
        rng = np.random.Generator(np.random.Philox([self._world.seed, _STREAM, number, case.opened]))
        me = self._world.shopper(number)

        def worth(groups: Rows) -> "NDArray[np.float64]":
            gain = self._world.truth.true_gain(me, choice.scene, self._product[groups])
            return np.array([gain.purchases.sum(), gain.revenue.sum()])

        return Outcomes(self._group[choice.products], choice.redraws(rng, REDRAWS), worth)

    def _of(self, number: int) -> "dict[int, Choice]":
        if number not in self._choices:
            self._choices[number] = {each.opened: each for each in self._world.choices(number, self._since)}
        return self._choices[number]

    def _keys(self, number: int) -> tuple[bytes, ...]:
        me = self._world.shopper(number)
        return visitor_key(self._secret, me.visitor), *((keyed_hash(self._secret, "user", me.user),) if me.user else ())
