"""Topology `anomaly`: how unusual each reading of a machine is, and alarms with their reasons.

Rules:
1. A machine's readings are taken one by one in the order of the log; nothing is ever restated. Every reading gives a score once
   its product's model is learned; what it has no good value of is left out of its score.
2. The model is that of the product made at the reading's time. A late reading of a former product is scored where that one's
   model is still known, and takes no part in alarms, drift or learning.
3. Outputs of a reading come after its score: drift, then an alarm raised or cleared; so their n hang on the readings alone,
   not on how these were framed. Scores of consecutive n share a body.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import pairwise
from operator import itemgetter

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.engine.topology import Load
from tailrace.schemas import anomaly, codec
from tailrace.schemas.anomaly import Settings, Why
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import MachineRegistered, ModelSet, ProductChanged
from tailrace.schemas.frame import Frame
from tailrace.schemas.record import Record
from tailrace.topologies import anomaly_flow as flow
from tailrace.topologies.anomaly_alarm import Drift, Standing
from tailrace.topologies.anomaly_distance import Floats
from tailrace.topologies.anomaly_memory import Memory
from tailrace.topologies.anomaly_model import Model
from tailrace.topologies.anomaly_rows import Rows, rows_of
from tailrace.topologies.anomaly_said import valid_from
from tailrace.topologies.anomaly_told import Told
from tailrace.topologies.cells import Cells, Output
from tailrace.topologies.facts import ROW_BITS
from tailrace.topologies.machine import Machine

FOLDED = frozenset({"telemetry", "product.changed", "model.set", "machine.registered"})

TAKEN_MAX = 4000
"""Readings that wait to be taken together."""


class Anomaly:
    """The topology: name, version, and a state from its pages."""

    name = anomaly.TOPOLOGY
    version = 1

    def restore(self, marks: Mapping[str, int], load: Load) -> AnomalyState:
        """The state whose pages `load` gives; marks: highest n by machine."""
        return Cells(self.name, self.version, FOLDED, _Cell, marks, load)


class _Cell:
    """A machine's memory, readings that wait to be taken, and outputs that wait to be given out."""

    def __init__(self, machine: Machine, load: Load) -> None:
        self.machine = machine
        self._memory = Memory(load("anomaly"))
        self._frames: list[tuple[Record, Frame]] = []
        self._waiting = 0
        self._told = Told(self._memory)

    def take(self, records: Sequence[Record]) -> None:
        """Records of this machine, or one of the site."""
        for record in records:
            self._one(record)

    def _one(self, record: Record) -> None:
        if record.type == "telemetry":
            self._frames.append((record, Frame(record.payload)))
            self._waiting += record.n
            if self._waiting >= TAKEN_MAX:
                self._drain()
            return
        self._drain()
        for said in codec.events_of(record):
            if isinstance(said, ProductChanged):
                self._memory.said.change(said, record.position)
            elif isinstance(said, MachineRegistered):
                self._memory.said.register(said, record.position)
            elif isinstance(said, ModelSet) and said.name == anomaly.TOPOLOGY:
                self._configure(said, record.position)

    def flush(self) -> Sequence[Output]:
        """Everything that is decided now."""
        self._drain()
        return self._told.all()

    def pages(self) -> Mapping[str, bytes]:
        """The machine's memory."""
        return {"anomaly": self._memory.page()}

    def _configure(self, said: ModelSet, position: int) -> None:
        refused = ""
        try:
            self._memory.said.ask(said, anomaly.settings_of(said.settings), position)
        except InvalidEvent as error:
            refused = str(error)
        judged = anomaly.Configured(
            event=said.id, t=int(said.t), valid_from=valid_from(said), version=said.version, refused=refused
        )
        self._told.event(anomaly.CONFIGURED, position, judged)

    # -- readings ------------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        frames, self._frames, self._waiting = self._frames, [], 0
        if not frames:
            return
        rows = rows_of(frames)
        latest = np.maximum.accumulate(np.concatenate([[self._memory.flow.t], rows.t]))[1:]
        names, (own, now) = self._memory.said.products(rows.t, latest)
        asked, which = self._memory.said.settings(latest)
        for part in _alike(own, now, which):
            a = part.start
            self._switch(names[now[a]], asked[which[a]].learning, rows, a)
            self._take(rows.part(part), names[own[a]], asked[which[a]])

    def _switch(self, product: str, learning: int, rows: Rows, i: int) -> None:
        memory = self._memory
        if (product, learning) == (memory.product, memory.learning):
            return
        if memory.alarm.raised:
            self._clear(memory.alarm.raised, rows, i, "learning" if product == memory.product else "product")
        memory.switch(product, learning)

    def _take(self, rows: Rows, product: str, settings: Settings) -> None:
        """Readings of one product under the same settings."""
        memory = self._memory
        rows = rows.joined(flow.NAMES, *memory.flow.take(rows.t, rows.counts, memory.said.counters))
        for i in [i for i, name in enumerate(rows.names) if name in settings.ignore]:
            rows.present[i] = False
        if product == memory.product:
            self._live(rows, memory.model(), settings)
        elif former := memory.former(product):
            score, scored = former.score(rows.names, rows.values, rows.present, settings)
            self._tell(rows, np.flatnonzero(scored), score, former)

    def _live(self, rows: Rows, model: Model, settings: Settings) -> None:
        """Readings of the product that is made now."""
        if not model.number:
            end = model.warm(rows.names, rows.values, rows.present, settings)
            self._memory.fit()
            if end is None:
                return
            self._learned(model, rows, end - 1, settings)
            rows = rows.part(slice(end, None))
        score, scored = model.score(rows.names, rows.values, rows.present, settings)
        index = np.flatnonzero(scored)
        times, scores = rows.t[index].tolist(), score[index].tolist()
        drifts = ((drift.place, drift) for drift in self._memory.watch.take(scores, settings.drift_limit))
        alarms = self._memory.alarm.steps(times, scores, settings)
        told = 0
        for k, what in merge(drifts, alarms, key=itemgetter(0)):
            self._tell(rows, index[told : k + 1], score, model)
            told = k + 1
            if isinstance(what, Drift):
                self._drifted(rows, int(index[k]), model, what.mean)
            else:
                self._alarm(rows, int(index[k]), scores[k], model, settings)
        self._tell(rows, index[told:], score, model)

    # -- outputs -------------------------------------------------------------------------------------------------------

    def _tell(self, rows: Rows, index: NDArray[np.intp], score: Floats, model: Model) -> None:
        self._told.scores(rows.t[index], score[index], rows.place[index] >> ROW_BITS, model.number)

    def _event(self, kind: str, rows: Rows, i: int, body: msgspec.Struct) -> None:
        self._told.event(kind, int(rows.place[i]) >> ROW_BITS, body)

    def _learned(self, model: Model, rows: Rows, i: int, settings: Settings) -> None:
        self._memory.learned += 1
        model.number = self._memory.learned
        limits = model.limits(settings)
        learned = anomaly.Learned(
            model=model.number, event=rows.event(i), t=int(rows.t[i]), product=model.product, rows=model.rows,
            features=model.features, left_out=model.left_out, full=model.full, z_limit=limits.z,
            distance_limit=limits.distance,
        )  # fmt: skip
        model.left_out = []
        self._event(anomaly.LEARNED, rows, i, learned)

    def _drifted(self, rows: Rows, i: int, model: Model, mean: float) -> None:
        drifted = anomaly.Drifted(
            event=rows.event(i), t=int(rows.t[i]), product=model.product, model=model.number, mean=mean
        )
        self._event(anomaly.DRIFTED, rows, i, drifted)

    def _alarm(self, rows: Rows, i: int, score: float, model: Model, settings: Settings) -> None:
        alarm = self._memory.alarm
        if alarm.raised:
            self._clear(alarm.raised, rows, i, "calm")
            return
        event, t = rows.event(i), int(rows.t[i])
        reasons, missing = model.reasons(rows.names, rows.values[:, [i]], rows.present[:, [i]], settings)
        raised = anomaly.Raised(
            id=anomaly.record_id(event, Anomaly.name, Anomaly.version, self._memory.n + 1), event=event, t=t,
            since=alarm.since, score=score, severity=anomaly.severity_of(score), product=model.product,
            model=model.number, reasons=reasons, missing=missing,
        )  # fmt: skip
        alarm.stand(raised.id, t, score)
        self._event(anomaly.RAISED, rows, i, raised)

    def _clear(self, standing: Standing, rows: Rows, i: int, why: Why) -> None:
        t = int(rows.t[i])
        cleared = anomaly.Cleared(
            id=standing.id, event=rows.event(i), t=t, raised=standing.t, peak=standing.peak,
            severity=anomaly.severity_of(standing.peak), why=why,
        )  # fmt: skip
        self._memory.alarm.clear(t)
        self._event(anomaly.CLEARED, rows, i, cleared)


AnomalyState = Cells[_Cell]
"""Every machine's memory."""


def _alike(*codes: NDArray[np.int64]) -> Iterator[slice]:
    """Stretches of readings over which no code changes; each code is of shape (n,)."""
    changes = [np.flatnonzero(code[1:] != code[:-1]) + 1 for code in codes]
    edges = [0, *sorted({i for change in changes for i in change.tolist()}), len(codes[0])]
    return (slice(a, b) for a, b in pairwise(edges))
