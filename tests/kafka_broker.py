"""A real Apache Kafka broker (KRaft, one node) on free ports of the loopback, started once a session, at its first use.

Rules: what a test writes is in topics of names of its own (`unique`). The broker flushes every message before it acknowledges
it, so `kill` loses nothing acknowledged; `start` brings it back on the same ports and folder, and returns when it takes
requests. The jars come by maven from tests/kafka_pom.xml into the user's cache, once.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4
from zlib import crc32

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from brokers import free_port, wait_until
from components import missing, program
from tailrace.connectors import kafka_topics
from tailrace.connectors.kafka_settings import KafkaSettings

T = TypeVar("T")

POM = Path(__file__).with_name("kafka_pom.xml")
READY_S = 120.0
FETCH_S = 600.0
JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Flags of a broker that is small and starts fast rather than one that runs for days."""

WATCH = "read _; kill -9 $0"
"""Ends the broker when its input is closed, as it is when the session is killed: nobody else would end it then."""

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}
log.flush.interval.messages=1
message.max.bytes=20000000
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=8
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.num.partitions=8
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.min.session.timeout.ms=1000
group.initial.rebalance.delay.ms=0
"""

CLUSTER = "dGFpbHJhY2UtdGVzdC0wMQ"
_numbers = itertools.count(1)


class KafkaBroker:
    """One broker. `kill` ends it at once, `stop` in good order, `start` brings it back.

    extra: lines of its configuration that go before those here; users: `SCRAM-SHA-512=[name=…,password=…]`.
    """

    def __init__(self, folder: Path, *, extra: str = "", users: Sequence[str] = ()) -> None:
        self.port, self._controller = free_port(), free_port()
        self._java, self._jars = program("java"), jars()
        self._folder, self._log = folder / "data", folder / "broker.log"
        self._config = folder / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._config.write_text(
            PROPERTIES.format(port=self.port, controller=self._controller, folder=self._folder)
            + extra.format(port=self.port, controller=self._controller)
        )
        known = [each for user in users for each in ("--add-scram", user)]
        done = self._run(
            "kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER, "-c", str(self._config), *known
        )
        assert done.wait(READY_S) == 0, self._log.read_text()[-4000:]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when the broker answers; one that runs is left alone."""
        if self._process is not None:
            return
        self._process = self._run("kafka.Kafka", str(self._config))
        self._watch = subprocess.Popen(["/bin/sh", "-c", WATCH, str(self._process.pid)], stdin=subprocess.PIPE)
        wait_until(self._answers, "the Kafka broker answers", READY_S)

    def kill(self) -> None:
        """As a power cut, but for what the kernel still writes."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """In good order."""
        self._end(signal.SIGTERM)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside, the broker takes connections and does nothing with them."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._process.send_signal(how)
            self._process.wait(READY_S)
            self._process = None

    def _run(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [self._java, *JVM, "-cp", f"{self._jars}/*", *arguments], stdout=log, stderr=log, start_new_session=True
            )

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()[-4000:]
        return listens(self.port) and apart(lambda: _ping(self.address))


@lru_cache(maxsize=1)
def kafka() -> KafkaBroker:
    """The session's broker, running."""
    folder = Path(tempfile.mkdtemp(prefix="tailrace-kafka-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    broker = KafkaBroker(folder)
    atexit.register(broker.kill)
    broker.start()
    return broker


def unique(what: str = "t") -> str:
    """A beginning of topic names that nobody else has."""
    return f"{what}{os.getpid()}-{next(_numbers)}"


def settings(topics: str, *, partitions: int = 1, **more: Any) -> KafkaSettings:
    """A log on the session's broker, under a name of the test's own."""
    return KafkaSettings(servers=[kafka().address], topics=topics, partitions=partitions, replication=1, **more)


def topics(name: str, *, partitions: int = 1, **more: Any) -> KafkaSettings:
    """The same, once its topics are made."""
    found = settings(name, partitions=partitions, **more)
    apart(lambda: kafka_topics.make(found))
    return found


def jars() -> Path:
    """The folder with the broker's jars, filled at first use."""
    folder, why = _fetched()
    if why:
        missing(f"the Kafka broker ({why})")
    return folder


@lru_cache(maxsize=1)
def _fetched() -> tuple[Path, str]:
    """The folder, and why it is empty; asked once, for a network that is away is away for every test."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tailrace"
    folder, kept = base / f"kafka-{uuid4().hex}", base / f"kafka-{crc32(POM.read_bytes()):08x}"
    if not kept.is_dir():
        command = [program("mvn"), "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        done = subprocess.run(
            [*command, f"-DoutputDirectory={folder}"], capture_output=True, text=True, timeout=FETCH_S, check=False
        )
        if done.returncode:
            return kept, f"mvn says: {done.stdout[-500:]}{done.stderr[-500:]}"
        try:
            folder.rename(kept)
        except OSError:  # another process was faster
            shutil.rmtree(folder, ignore_errors=True)
    return kept, ""


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


async def _ping(address: str) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=2000)
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    except KafkaError:
        return False
    finally:
        await admin.close()


def apart(what: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs a coroutine in a loop of its own, whatever loop the caller is in."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(what())).result()
