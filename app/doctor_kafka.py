"""What `tailrace doctor` looks at of a log on Kafka: brokers, topics, whether an acknowledgement is power-safe, workers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from tailrace.app.doctor_check import Check, judged
from tailrace.app.kafka_health import health
from tailrace.connectors.kafka_settings import KafkaSettings


def looks(log: KafkaSettings) -> Iterator[Check]:
    """Every check of a log. Raises InvalidSettings where a file or password for it is not to be had."""
    found = asyncio.run(health(log))
    shown = f"{', '.join(found.brokers) or 'nobody'} answers for {', '.join(found.servers)}"
    yield judged(
        "kafka", bool(found.brokers), shown if found.brokers else found.trouble,
        "start the brokers, or put their addresses, and who Tailrace is there, in plant.yaml",
    )  # fmt: skip
    if not found.brokers:
        return
    topics = ", ".join(f"{each.topic}: {each.partitions} partitions, {each.replicas} replicas" for each in found.topics)
    yield judged("topics", not found.trouble, found.trouble or topics, "do what is said, then look again")
    if found.trouble:
        return
    yield judged(
        "power", found.power_safe, found.risk or "what is acknowledged outlives a power cut",
        "three brokers with replication: 3, or flush.messages=1 on the topics",
    )  # fmt: skip
    silent = [str(each.partition) for each in found.lag if each.lag_records is None and each.records]
    lag = f"{found.lag_records} records behind" + (
        f"; of partitions {', '.join(silent)} nothing is known" if silent else ""
    )
    yield Check("workers", "ok", f"{found.workers} in group {found.group}, {lag}")
