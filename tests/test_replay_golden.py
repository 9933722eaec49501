"""The rows of a fixed plant: the same on every CPU, and never others under an unchanged version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tailrace.projections.digest import MODELS
from test_anomaly_golden import FEATURES

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""Of no rows."""

GOLDEN = {
    "anomaly": "3973a9c2c111b336ed1513afc471fa720d7ce79983ed6ea40b0f0fced10e2a5c",
    "command": "80f38caf5ac7c274db1b9a8f72e5974a2aae2862f3f728d5339e62d595965492",
    "machine": "51bd87c0b47a33eabd61c547056df5edb64adc535f82ef856a91f3e2adf0ef88",
    "machine_now": "1733ef28abcaa8b98616dbc4b4b331f7139d3ded858a63ba07133e637aeaf34c",
    "oee_bucket": "330c1c9af4b404308a27722a611fe5fd150edf8f8265df924ef6bde4e163bc8d",
    "oee_history": "1dc9b6a7f9c4fd4e5e834a47ed1215a69f0d8e1fadbc5c17c0a1cdd35250237c",
    "oee_hour": "e4241dfc0aa72e50498c87550f43fab4269174e9a63904d686c68731ca98ba36",
    "oee_shift": "08d389b429bfcca5ba2bdee3c7010eabcc28587ade4a127bca44b5fef1449061",
    "parked": "0d2ce432feb0fe2a3a95b7fd4c75913ba6b82d701b96726d16e145ad446f3d1e",
    "quarantine": "ed899d1443dad08c49da672d48f5214b41b8817ad0fff20064df0f7eedc5ec49",
    "reason": "033c63f4df60a08da532223f3d6fe4e366145c2a5071349b138682b87076f356",
    "relation": "97a65f1027e65010f48f53df8b61702067633985e0c5fb6d82ce022d86718c1b",
    "score_rollup": "6956d67291dfe39d14789507602ecf19ea742d5ed80847d4c17b15b6bababa37",
    "shift": "616247aeecb953eae4112433161ef341e7e4fffee03966f2e264a9d159b204cf",
    "signal_clock": "078d441e46e0d0c4835396ac0d14506763650a4407a81c95db7f003e62c15068",
    "signal_rollup": "c9b4a51a65e4437151796fec86c4e8cd5fb4aad5cef3039403744f194b901284",
    "signal_unit": "c2b803271bb2ca514b6f71c36f31ae6038aba43e43171e28f0bf77e55a9ba6b6",
    "source_audit": "80cbdd1effc941e02cf4a3d83aadde193be8e79189ed0823b483bd3f203e397b",
    "state_interval": "8c2ed031aedee84cab3013985bc476a48d5afe17aab97ba0e681ac1a9f46c5df",
    "stop": "c22140da4da940c1aacafc95f903a87e0726f9e65d81f45f6d1d71a08ad9b520",
}
"""Changes only together with the version of a topology, or with what a read model holds."""


@pytest.mark.parametrize("disabled", ["", " ".join(FEATURES)], ids=["all of the CPU", "numpy's baseline"])
@pytest.mark.parametrize("core", ["Haswell", "Prescott"])
def test_rows_are_the_golden_ones(core: str, disabled: str) -> None:
    settings = {"OPENBLAS_CORETYPE": core, "NPY_DISABLE_CPU_FEATURES": disabled}
    program = Path(__file__).with_name("replay_golden.py")
    done = subprocess.run(
        [sys.executable, str(program)], env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == GOLDEN


def test_every_read_model_has_rows_there() -> None:
    assert GOLDEN.keys() == set(MODELS)
    assert EMPTY not in GOLDEN.values()
