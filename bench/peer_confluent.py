"""The fold of bench/minutes.py in a loop over confluent-kafka: `peer_confluent.py HOST:PORT FROM TO GROUP BATCH`, until SIGTERM.

A transaction per batch holds the minutes that are over, the new state of each machine that the batch read, and the offsets, so
that a crash neither loses nor repeats anything: exactly once, if nobody else is in the group. The state is read again at the
start from its topic, TO.state, which is compacted. A batch is what has come, up to BATCH messages,
within WAIT_S.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from minutes import Fold, Reading, kept, restored

WAIT_S = 0.05
STEPS_S = 30.0
Commons = dict[str, Any]


def folds(common: Commons, topic: str) -> dict[str, Fold]:
    """What the state's topic says, to its end."""
    consumer = Consumer(
        {**common, "group.id": "state", "isolation.level": "read_committed", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    found: dict[str, Fold] = {}
    while (message := consumer.poll(STEPS_S)) is not None and not message.error():
        found[message.key().decode()] = restored(msgspec.msgpack.decode(message.value()), 0)
    consumer.close()
    return found


def main(address: str, source: str, out: str, group: str, batch: str) -> None:
    common: Commons = {"bootstrap.servers": address}
    consumer = Consumer({
        **common, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
        "fetch.message.max.bytes": 2**22, "isolation.level": "read_committed",
    })  # fmt: skip
    producer = Producer({**common, "transactional.id": group, "linger.ms": 5})
    producer.init_transactions(STEPS_S)
    consumer.subscribe([source])
    state = f"{out}.state"
    machines = folds(common, state)
    encode, decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(list[Reading]).decode
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    while not ended:
        messages = consumer.consume(int(batch), WAIT_S)
        if not messages:
            continue
        producer.begin_transaction()
        touched = set()
        for message in messages:
            if message.error():
                raise RuntimeError(str(message.error()))
            for reading in decode(message.value()):
                machine = reading.machine
                fold = machines.get(machine)
                if fold is None:
                    fold = machines[machine] = Fold(reading.t)
                touched.add(machine)
                for minute in fold.take(reading.t, reading.said) or ():
                    producer.produce(out, encode((machine, *minute)), machine)
        for machine in touched:
            producer.produce(state, encode(kept(machines[machine])), machine)
        offsets = consumer.position(consumer.assignment())
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), STEPS_S)
        producer.commit_transaction(STEPS_S)
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:6])
