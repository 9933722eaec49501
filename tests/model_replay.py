"""Tells one schedule of the model test, or finds those of many that fail.

    python tests/model_replay.py SEED [FAULT]
    python tests/model_replay.py FIRST..LAST [FAULT]

FAULT is a name in model_faults.py: the schedule is run with that mistake put into the engine.
"""

from __future__ import annotations

import sys

from model_faults import FAULTS
from model_schedule import REAL, failure


def main(seeds: str, fault: str = "") -> int:
    """Prints what happens; gives 1 where a schedule fails."""
    engine = FAULTS[fault] if fault else REAL
    first, _, last = seeds.partition("..")
    if not last:
        failed = [failure(int(first), engine, print)]
    else:
        failed = [failure(seed, engine) for seed in range(int(first), int(last) + 1)]
    print("\n".join(filter(None, failed)) or "every reader got exactly the reference")
    return int(any(failed))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
