"""The digest of what the folds `rollup` and `shifts` say of fixed logs; run as a program it prints it.

A program of its own, since OPENBLAS_CORETYPE and NPY_DISABLE_CPU_FEATURES are read when numpy is loaded.
"""

from __future__ import annotations

import hashlib
import random

import msgspec

import oee_harness as harness
import oee_random
import rollup_reference as reference
from tailrace.schemas.shift import decode
from tailrace.topologies.rollup import Rollup
from tailrace.topologies.shifts import Shifts

SEED = 2026


def digest() -> str:
    """sha256 over the rows, in the order in which they are said."""
    rng = random.Random(SEED)
    _, rolled = harness.fold(harness.records(reference.timeline(rng, 600), rng), rng, Rollup())
    _, scheduled = harness.fold(harness.records(oee_random.timeline(rng, 2000)), rng, Shifts())
    shifts = [(each.key, each.first_n, each.cause, decode(each.body)) for each in scheduled]
    return hashlib.sha256(msgspec.msgpack.encode([reference.rows(rolled), shifts])).hexdigest()


if __name__ == "__main__":
    print(digest())
