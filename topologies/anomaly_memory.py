"""What is kept of one machine: what was said, where its counters and its alarm stand, and its models; one page.

Rules: the page stays below 10 KB. Models of other products are kept while there is room, the one used last the longest; one
that was let go is learned again. Whether there is room hangs on the log alone, never on when a page is written.
"""

from __future__ import annotations

import msgspec

from tailrace.topologies import anomaly_model
from tailrace.topologies.anomaly_alarm import Alarm, Watch
from tailrace.topologies.anomaly_flow import Flow
from tailrace.topologies.anomaly_learning import BYTES_MAX
from tailrace.topologies.anomaly_model import Model
from tailrace.topologies.anomaly_said import Said


class _Page(msgspec.Struct, array_like=True):
    n: int
    learned: int
    product: str
    learning: int
    said: Said
    flow: Flow
    alarm: Alarm
    watch: list[float]
    models: list[anomaly_model.Page]


class Memory:
    """n: outputs so far; learned: models so far; product, learning: those of the latest reading."""

    def __init__(self, page: bytes | None = None) -> None:
        kept = _decode(page) if page else _Page(0, 0, "", 0, Said(), Flow(), Alarm(), [], [])
        self.n, self.learned = kept.n, kept.learned
        self.product, self.learning = kept.product, kept.learning
        self.said, self.flow, self.alarm, self.watch = kept.said, kept.flow, kept.alarm, Watch(kept.watch)
        self._models = {page.product: Model(page.product, page.learning, page) for page in kept.models}

    def page(self) -> bytes:
        """Everything, as bytes."""
        models = [model.page() for model in self._models.values()]
        return _encode(
            _Page(
                self.n,
                self.learned,
                self.product,
                self.learning,
                self.said,
                self.flow,
                self.alarm,
                self.watch.numbers(),
                models,
            )
        )

    def model(self) -> Model:
        """The model of the product that is made now, a new one where there is none."""
        known = self._models.pop(self.product, None)
        if known is None or known.learning != self.learning:
            known = Model(self.product, self.learning)
        self._models[self.product] = known
        return known

    def former(self, product: str) -> Model | None:
        """The model of another product, if it is still known and was learned."""
        model = self._models.get(product)
        return model if model and model.number else None

    def fit(self) -> None:
        """Lets models go, the one used longest ago first, until there is room for what is left."""
        while len(self._models) > 1 and sum(model.size for model in self._models.values()) > BYTES_MAX:
            del self._models[next(iter(self._models))]

    def switch(self, product: str, learning: int) -> None:
        """Another product is made, or everything is learned again, from now on."""
        self.product, self.learning = product, learning
        self.flow.restart()
        self.alarm.restart()
        self.watch = Watch()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Page).decode
