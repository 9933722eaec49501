"""The digest of what the anomaly fold says of a fixed log; run as a program it prints it.

A program of its own, since OPENBLAS_CORETYPE and NPY_DISABLE_CPU_FEATURES are read when numpy is loaded.
"""

from __future__ import annotations

import hashlib
import random

import msgspec

import anomaly_harness as harness
import anomaly_random

SEED, SIZE = 2026, 4000


def digest() -> str:
    """sha256 over the outputs, one by one."""
    log = harness.records(anomaly_random.timeline(random.Random(SEED), SIZE), random.Random(SEED))
    return hashlib.sha256(msgspec.msgpack.encode(harness.rows(harness.fold(log)))).hexdigest()


if __name__ == "__main__":
    print(digest())
