"""Tailrace's OEE fold in a loop over confluent-kafka: `peer_confluent_oee.py HOST:PORT FROM TO GROUP BATCH`, until SIGTERM.

What such a loop is with our worker's way of being exactly once taken out and transactions put in its place: the records, their
decoding, the fold and its outputs are ours; the client, and what makes it exactly once, are its own. A transaction per
batch holds the outputs, every page of state that the batch changed, and the offsets. Pages are read again at the start from
their topic, TO.state, which is compacted. It drops no repeats and checks no crc32, as ours does: nothing in it parks anything.
A batch is what has come, up to BATCH messages, within WAIT_S.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

sys.path.insert(0, str(Path(__file__).parent.parent / "typings"))

from tailrace.connectors.kafka_records import message_of_derived, records_of
from tailrace.topologies.oee import Oee, OeeState

WAIT_S = 0.05
STEPS_S = 30.0
MARKS = "\tmarks"
"""The page that says how many outputs each machine has; no page of a topology begins with a tab."""

Commons = dict[str, Any]


class Read(NamedTuple):
    """A message with the names that ours has."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    offset: int


def pages_of(common: Commons, topic: str) -> dict[str, bytes]:
    """What the state's topic says, to its end."""
    consumer = Consumer(
        {**common, "group.id": "state", "isolation.level": "read_committed", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    pages: dict[str, bytes] = {}
    while (message := consumer.poll(STEPS_S)) is not None and not message.error():
        pages[message.key().decode()] = message.value()
    consumer.close()
    return pages


def read(message: Any) -> Read:
    if message.error():
        raise RuntimeError(str(message.error()))
    return Read(message.key(), message.value(), message.headers() or [], message.offset())


def main(address: str, source: str, out: str, group: str, batch: str) -> None:
    common: Commons = {"bootstrap.servers": address}
    consumer = Consumer({
        **common, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
        "fetch.message.max.bytes": 2**22, "isolation.level": "read_committed",
    })  # fmt: skip
    producer = Producer({
        **common, "transactional.id": group, "linger.ms": 5, "message.max.bytes": 2**24,
    })  # fmt: skip
    producer.init_transactions(STEPS_S)
    consumer.subscribe([source])
    topic = f"{out}.state"
    pages = pages_of(common, topic)
    state: OeeState = Oee().restore(msgspec.msgpack.decode(pages.get(MARKS, b"\x80")), pages.get)
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    while not ended:
        messages = consumer.consume(int(batch), WAIT_S)
        if not messages:
            continue
        producer.begin_transaction()
        for output in state.fold(records_of(list(map(read, messages)))):
            sent = message_of_derived(output, 0)
            producer.produce(out, sent.value, sent.key, headers=list(sent.headers))
        changed = {**state.dirty(), MARKS: msgspec.msgpack.encode(state.marks)}
        pages |= changed
        for page, body in changed.items():
            producer.produce(topic, body, page)
        offsets = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), STEPS_S)
        producer.commit_transaction(STEPS_S)
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:6])
