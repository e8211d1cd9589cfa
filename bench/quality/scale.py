"""Train on a large synthetic data set through `endcap evaluate`; print seconds and memory beside the target.

    python bench/quality/scale.py --interactions 10000000 --items 100000

Almost nothing is asked of what was learned, so time and memory are those of reading and training.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from convert import OUT, SHARED
from product import Failed, evaluate
from synthetic import write

LEARNED_S: Final = 15 * 60
PEAK_MB: Final = 8 * 1_024


def main() -> None:
    """Draw where it is not drawn yet, then train once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interactions", type=int, default=10_000_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--work", type=Path, default=OUT, help="where the data set is written (%(default)s)")
    parser.add_argument("--shared", type=Path, default=SHARED, help="the public data sets (%(default)s)")
    given = parser.parse_args()
    directory = given.work / f"synthetic-{given.interactions}-{given.items}"
    if not (directory / "events.parquet").exists():
        write(directory, given.shared, given.interactions, given.items)
    try:
        found = evaluate(directory, "synthetic", ("--protocol", "next-item"), given.work / "results" / directory.name)
    except Failed as error:
        sys.exit(f"scale.py: {error}")
    print(f"{given.interactions:,} interactions, {given.items:,} items")
    print(f"  read and trained in {found.learned_s:.0f} s, target {LEARNED_S}: {_word(found.learned_s <= LEARNED_S)}")
    print(f"  at most {found.peak_mb:,.0f} MB, target {PEAK_MB:,}: {_word(found.peak_mb <= PEAK_MB)}")


def _word(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    main()
