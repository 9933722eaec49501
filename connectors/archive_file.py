"""One file of the archive: records in Parquet, a row each, and back as they were.

Rules: a row group holds consecutive positions, at most GROUP_BYTES of payload and GROUP_RECORDS, so that reading needs a bounded
memory; inside it rows are ordered by machine and stream (connectors/archive_frames.py) and then by position, because values of
one signal pack best beside each other. A frame is in the columns `t`, `seq` and `c0`, `c1`, …, with `head`, `valid` and `coding`;
any other payload stands in `payload`. An absent `id` is the one that the sequence gives. `groups` in the file's metadata says
which positions and times each row group has. Every page carries a checksum, every record the crc32 of its payload.
What SQL needs to read values and events stands beside them (connectors/archive_said.py); nothing is read back from it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tailrace.connectors import archive_frames as frames
from tailrace.connectors import archive_said as said
from tailrace.connectors.archive_frames import Parts, Stream
from tailrace.schemas import codec
from tailrace.schemas.errors import Unavailable
from tailrace.schemas.record import Record

GROUP_BYTES = 8 * 1024 * 1024
GROUP_RECORDS = 8192
LEVEL = 3

WORDS = ("type", "site", "machine", "source", "session", "clock", "trace")
NUMBERS = ("position", "version", "first_seq", "n", "t_min", "t_max", "ingested", "crc32")
ONCE = ("head", "coding")
"""Bytes that many rows have in common."""

OWN = ("id", "payload", "valid")
LISTS = ("t", "seq")
GROUPS = b"groups"

_words = msgspec.msgpack.Encoder().encode


class Group(msgspec.Struct, frozen=True, array_like=True):
    """A row group: positions first..last, event times in ns."""

    first: int
    last: int
    t_min: int
    t_max: int


_groups = msgspec.msgpack.Decoder(list[Group]).decode
_stream = msgspec.msgpack.Decoder(Stream).decode


# -- writing -------------------------------------------------------------------------------------------------------------


def write(path: Path, records: Sequence[Record]) -> None:
    """Writes records in the order of their positions; durable when it returns, the folder's entry aside."""
    slots = max(frames.width(record.payload) if _framed(record) else 0 for record in records)
    schema, groups = _schema(slots), []
    with path.open("wb") as file:
        with pq.ParquetWriter(file, schema, **_options(slots)) as writer:
            for some in _portions(records):
                columns, group = _table(some)
                table = pa.table([_array(columns.get(each.name), each, len(some)) for each in schema], schema)
                writer.write_table(table, row_group_size=len(some))
                groups.append(group)
            writer.add_key_value_metadata({GROUPS: _words(groups)})
        file.flush()
        os.fsync(file.fileno())


def _framed(record: Record) -> bool:
    return record.type == "telemetry" and record.version == 1


def _portions(records: Sequence[Record]) -> Iterator[list[Record]]:
    some: list[Record] = []
    size = 0
    for record in records:
        some.append(record)
        size += len(record.payload)
        if size >= GROUP_BYTES or len(some) == GROUP_RECORDS:
            yield some
            some, size = [], 0
    if some:
        yield some


def _table(records: Sequence[Record]) -> tuple[dict[str, Any], Group]:
    """The columns of a row group."""
    streams: dict[Any, list[tuple[Record, Any]]] = {}
    for record in records:
        frame = frames.parse(record.payload) if _framed(record) else None
        shape = (record.machine, None if frame is None else frames.shape(frame))
        streams.setdefault(shape, []).append((record, frame))
    ordered = [streams[shape] for shape in sorted(streams, key=repr)]
    rows = [record for stream in ordered for record, _ in stream]
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in (*WORDS, *NUMBERS)}
    columns["event"] = [said.event(row) for row in rows]
    columns["id"] = [None if _sequenced(row) == row.id else row.id for row in rows]
    at = 0
    for number, stream in enumerate(ordered):
        if stream[0][1] is None:
            _put(columns, "payload", len(rows), at, [record.payload for record, _ in stream])
        else:
            some = [frame for _, frame in stream]
            parts = frames.apart(some, number)
            _put_parts(columns, len(rows), at, parts)
            _put(columns, "unit", len(rows), at, [parts.stream.unit] * len(some))
            _put(columns, "signals", len(rows), at, list(said.signals(some, parts)))
        at += len(stream)
    group = Group(
        records[0].position, records[-1].position, min(r.t_min for r in records), max(r.t_max for r in records)
    )
    return columns, group


def _put(columns: dict[str, Any], name: str, rows: int, at: int, values: Sequence[Any]) -> None:
    columns.setdefault(name, [None] * rows)[at : at + len(values)] = values


def _put_parts(columns: dict[str, Any], rows: int, at: int, parts: Parts) -> None:
    many = len(parts.sizes)
    _put(columns, "head", rows, at, parts.heads)
    _put(columns, "valid", rows, at, parts.valid)
    _put(columns, "coding", rows, at, [_words(parts.stream)] * many)
    lists = {"t": parts.t} | {f"c{i}": each for i, each in enumerate(parts.columns)}
    if parts.seq is not None:
        lists["seq"] = parts.seq
    for name, values in lists.items():
        pieces, sizes = columns.setdefault(name, ([], np.zeros(rows, np.int64)))
        pieces.append(values)
        sizes[at : at + many] = parts.sizes


def _schema(slots: int) -> Any:
    lists = [*LISTS, *(f"c{i}" for i in range(slots))]
    return pa.schema(
        [pa.field(name, pa.int64(), nullable=False) for name in NUMBERS]
        + [pa.field(name, pa.string(), nullable=False) for name in WORDS]
        + [pa.field("id", pa.string())]
        + [pa.field(name, pa.binary()) for name in ("payload", "valid", *ONCE)]
        + said.FIELDS
        + [pa.field(name, _list_type(), nullable=False) for name in lists]
    )


def _list_type() -> Any:
    return pa.list_(pa.field("element", pa.int64(), nullable=False))


def _array(values: Any, field: Any, rows: int) -> Any:
    if field.name in said.NAMES or not pa.types.is_list(field.type):
        return pa.array([None] * rows if values is None else values, field.type)
    pieces, sizes = ([], np.zeros(rows, np.int64)) if values is None else values
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))
    flat = pa.array(np.concatenate([*pieces, np.zeros(0, np.int64)]), pa.int64())
    return pa.ListArray.from_arrays(offsets, flat, type=field.type)


def _options(slots: int) -> dict[str, Any]:
    lists = [f"{name}.list.element" for name in (*LISTS, *(f"c{i}" for i in range(slots)))]
    return {
        "compression": "zstd",
        "compression_level": LEVEL,
        "use_dictionary": [*WORDS, *ONCE, *said.ONCE],
        "column_encoding": dict.fromkeys((*NUMBERS, *lists, said.BASE), "DELTA_BINARY_PACKED"),
        "write_statistics": False,
        "write_page_checksum": True,
        "store_schema": False,
    }


# -- reading -------------------------------------------------------------------------------------------------------------


class ArchiveFile:
    """A file of the archive, open for reading. Raises Unavailable where it cannot be read, with the reason."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _in_words(path):
            self._file = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
            self.groups: list[Group] = _groups(self._file.metadata.metadata[GROUPS])
            self._needed = [name for name in self._file.schema_arrow.names if name not in said.NAMES]

    def records(self, group: int) -> list[Record]:
        """The records of a row group, in order. Raises Unavailable where one is not what was written."""
        with _in_words(self.path):
            table = self._file.read_row_group(group, columns=self._needed, use_threads=False)
            found = _Rows(table).records()
        for record in found:
            if zlib.crc32(record.payload) != record.crc32:
                raise Unavailable(
                    f"{self.path}: position {record.position}: the payload is damaged: expected crc32 {record.crc32:#010x}, "
                    f"got {zlib.crc32(record.payload):#010x}; restore the file from a backup"
                )
        return found

    def machines(self, group: int) -> set[str]:
        """The machines that have a record in a row group."""
        with _in_words(self.path):
            table = self._file.read_row_group(group, columns=["machine"], use_threads=False)
            return set(table["machine"].unique().to_pylist())

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()


class _Rows:
    """The rows of a group, as they become records."""

    def __init__(self, table: Any) -> None:
        self._columns = {name: _whole(table[name]) for name in table.column_names}
        self._count = len(table)

    def records(self) -> list[Record]:
        c = self._columns
        numbers = [c[name].to_numpy().tolist() for name in NUMBERS]
        words = [_interned(c[name]) for name in WORDS]
        payloads = self._payloads()
        rows = zip(*numbers, *words, c["id"].to_pylist(), payloads, strict=True)
        found = [
            Record(
                type=kind, payload=payload, version=version, id=_named(source, session, first) if id_ is None else id_,
                site=site, machine=machine, source=source, session=session, first_seq=first, n=n, clock=clock, t_min=t_min,
                t_max=t_max, ingested=ingested, trace=trace, crc32=crc32, position=position,
            )
            for position, version, first, n, t_min, t_max, ingested, crc32, kind, site, machine, source, session, clock,
            trace, id_, payload in rows
        ]  # fmt: skip
        return [found[i] for i in np.argsort(c["position"].to_numpy()).tolist()]

    def _payloads(self) -> list[bytes]:
        payloads: list[bytes] = self._columns["payload"].to_pylist()
        codings = self._columns["coding"].to_pylist()
        heads = self._columns["head"].to_pylist()
        valid = self._columns["valid"].to_pylist()
        start = 0
        for stop in range(1, self._count + 1):
            if stop < self._count and codings[stop] == codings[start]:
                continue
            if codings[start] is not None:
                parts = self._parts(_stream(codings[start]), start, stop, heads[start:stop], valid[start:stop])
                payloads[start:stop] = frames.together(parts)
            start = stop
        return payloads

    def _parts(self, stream: Stream, start: int, stop: int, heads: list[bytes], valid: list[bytes]) -> Parts:
        offsets = self._columns["t"].offsets.to_numpy()[start : stop + 1]
        columns = [self._flat(f"c{i}", start, stop) for i in range(len(stream.columns))]
        seq = self._flat("seq", start, stop) if stream.has_seq else None
        return Parts(stream, np.diff(offsets).tolist(), heads, valid, self._flat("t", start, stop), seq, columns)

    def _flat(self, name: str, start: int, stop: int) -> Any:
        column = self._columns[name]
        offsets = column.offsets
        return column.values.to_numpy()[offsets[start].as_py() : offsets[stop].as_py()]


def _whole(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _interned(column: Any) -> list[str]:
    encoded = column.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    return [words[i] for i in encoded.indices.to_numpy().tolist()]


def _named(source: str, session: str, first: int) -> str:
    return f"{codec.SEQUENCED}{source}:{session}:{first}"


def _sequenced(record: Record) -> str | None:
    return _named(record.source, record.session, record.first_seq) if record.first_seq else None


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turns whatever the bytes of a file make Parquet's reader raise into Unavailable."""
    try:
        yield
    except Exception as error:  # which one depends on where the damage is
        raise Unavailable(
            f"{path}: expected a file of the archive as it was written, got: {error}; restore it"
        ) from error
