"""Where each peer of bench/workers.py runs: a venv or a folder of jars of its own in the user's cache, made at its first use.

A folder is named by a sum over what it is made of, so that other versions make another one. Raises Unmade where a peer does not
install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from zlib import crc32

BENCH = Path(__file__).parent
CONSTRAINTS = BENCH.parent / "constraints.txt"
STREAMS = BENCH / "peer_kafka_streams"
GIVE_UP_S = 600.0


class Unmade(Exception):
    """What a peer needs is not to be had, and why."""


def python(peer: str) -> str:
    """The Python of a venv with bench/requirements-<peer>.txt; what that does not name has the version of constraints.txt."""
    wanted = (BENCH / f"requirements-{peer}.txt").read_text()
    named = {_name(line) for line in wanted.splitlines()}
    rest = [line for line in CONSTRAINTS.read_text().splitlines() if _name(line) not in named]

    def make(folder: Path) -> None:
        _run(sys.executable, "-m", "venv", str(folder))
        (folder / "wanted.txt").write_text(wanted)
        (folder / "rest.txt").write_text("\n".join(rest))
        pip = (
            str(folder / "bin/python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--prefer-binary",
        )
        _run(*pip, "-r", str(folder / "wanted.txt"), "-c", str(folder / "rest.txt"))

    return str(_made(f"bench-{peer}", "\n".join([sys.version, wanted, *rest]), make) / "bin/python")


def java() -> Sequence[str]:
    """The command of Kafka Streams: Java with its class path."""
    sources = [STREAMS / "pom.xml", *sorted(STREAMS.glob("src/**/*.java"))]

    def make(folder: Path) -> None:
        shutil.copytree(STREAMS, folder)
        _run("mvn", "-q", "-B", "-f", str(folder / "pom.xml"), "package", "dependency:copy-dependencies")

    target = _made("bench-streams", "".join(each.read_text() for each in sources), make) / "target"
    return "java", "-Xmx512m", "-cp", f"{target}/minutes-1.jar:{target}/dependency/*", "Minutes"


def _made(name: str, made_of: str, make: Callable[[Path], None]) -> Path:
    """A venv cannot be moved, so a mark says that a folder is whole."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tailrace"
    folder = base / f"{name}-{crc32(made_of.encode()):08x}"
    if not (folder / ".made").is_file():
        base.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        make(folder)
        (folder / ".made").touch()
    return folder


def _run(*command: str) -> None:
    with tempfile.TemporaryFile("w+") as said:
        try:
            subprocess.run(command, stdout=said, stderr=said, timeout=GIVE_UP_S, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            said.seek(0)
            raise Unmade(f"{error}: {said.read()[-500:]}") from None


def _name(line: str) -> str:
    return line.partition("==")[0].strip().lower().replace("_", "-")
