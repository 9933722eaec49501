"""Many readings of one machine in columns: raw little-endian numpy under a msgpack header.

Rules: 1..1000 readings; a missing value is a cleared validity bit, never NaN; what is not good is a run-length OPC UA status
code; strings are dictionary-encoded. A column is decoded when it is asked for, so a fold pays for the columns it reads.

Layout: u32 header length, header, then each block padded to 8 bytes: t (int64 ns), seq (int64, if any), and per column its
data (f8, i8, b1 or u4 codes) and, unless every value is there, its validity bits (LSB first).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import Scalar, Telemetry
from tailrace.schemas.instant import Instant

MAX_READINGS = 1000
DTYPES = {"f8": np.dtype("<f8"), "i8": np.dtype("<i8"), "b1": np.dtype("?"), "u4": np.dtype("<u4")}
EXACT_FLOAT = 2**53

UNCERTAIN, BAD = 0x4000_0000, 0x8000_0000
_WORDS = {"good": 0, "uncertain": UNCERTAIN, "bad": BAD}
_CODES = {0: "good", UNCERTAIN: "uncertain", BAD: "bad"}


class Column(msgspec.Struct, frozen=True, array_like=True):
    """One signal: `counter` columns are cumulative part counters. status: (code, run) pairs, [] = all good."""

    name: str
    dtype: str
    counter: bool = False
    complete: bool = True
    status: list[tuple[int, int]] = []
    words: list[str] = []


class Header(msgspec.Struct, frozen=True, array_like=True):
    """What stands before the columns. ids: one per reading, or [] where the envelope's sequence is the identity."""

    n: int
    columns: list[Column]
    has_seq: bool = False
    ids: list[str] = []


NO_IDS = msgspec.msgpack.encode([])


class _Head(msgspec.Struct, frozen=True, array_like=True):
    """A header of which only the outside was read: frames of one stream differ in ids and times, not in columns."""

    n: int
    columns: msgspec.Raw
    has_seq: bool = False
    ids: msgspec.Raw = msgspec.Raw(NO_IDS)


class Layout(msgspec.Struct, frozen=True):
    """Where the blocks of a frame's body stand, in bytes from its start; `data` and `validity` are one per column.

    counters: the columns that are cumulative counters, by name.
    """

    n: int
    columns: list[Column]
    has_seq: bool
    data: list[int]
    validity: list[int]
    size: int
    counters: dict[str, int]


_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode_columns = msgspec.msgpack.Decoder(list[Column]).decode
_decode_ids = msgspec.msgpack.Decoder(list[str]).decode
_encode_header = msgspec.msgpack.Encoder().encode


@lru_cache(maxsize=4096)
def _layout(columns: bytes, n: int, has_seq: bool) -> Layout:
    """The layout of n readings; a stream's frames share it, so it is worked out once."""
    if not 1 <= n <= MAX_READINGS:
        raise InvalidEvent(f"expected 1 to {MAX_READINGS} readings in a frame, got {n}")
    decoded = _decode_columns(columns)
    at = 8 * n * (2 if has_seq else 1)
    data, validity = [], []
    for column in decoded:
        if column.dtype not in DTYPES:
            raise InvalidEvent(f"expected a column of {sorted(DTYPES)}, got {column.dtype!r} for {column.name!r}")
        if column.status and sum(run for _, run in column.status) != n:
            raise InvalidEvent(f"expected {n} status codes for {column.name!r}, got runs {column.status[:5]}")
        data.append(at)
        at += _pad(n * DTYPES[column.dtype].itemsize)
        validity.append(at)
        at += 0 if column.complete else _pad((n + 7) // 8)
    counters = {column.name: i for i, column in enumerate(decoded) if column.counter}
    return Layout(n, decoded, has_seq, data, validity, at, counters)


HEADERS_MAX = 1024
"""Headers that are kept decoded: those without ids, for a stream's live frames have one header."""

_headers: dict[bytes, tuple[Layout, msgspec.Raw]] = {}


def _opened(header: bytes) -> tuple[Layout, msgspec.Raw]:
    """What a frame's header says: its layout, and its ids as they stand there."""
    found = _headers.get(header)
    if found is None:
        head = _decode_head(header)
        found = _layout(bytes(head.columns), head.n, head.has_seq), head.ids
        if bytes(head.ids) == NO_IDS:
            if len(_headers) >= HEADERS_MAX:
                _headers.clear()
            _headers[header] = found
    return found


class Frame:
    """A decoded frame over the bytes of its payload; columns are views, made on demand. body: where the columns begin.

    Raises InvalidEvent where the bytes are no frame, or not all of one.
    """

    __slots__ = ("_ids", "body", "header", "payload")

    def __init__(self, payload: bytes) -> None:
        length = int.from_bytes(payload[:4], "little")
        try:
            self.header, self._ids = _opened(payload[4 : 4 + length])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidEvent(f"expected a frame header, got {payload[:16]!r}… ({error})") from None
        self.body = _pad(4 + length)
        self.payload = payload
        if len(payload) != self.body + self.header.size:
            raise InvalidEvent(f"expected a frame of {self.body + self.header.size} bytes, got {len(payload)}")

    def __len__(self) -> int:
        return self.header.n

    @property
    def ids(self) -> list[str]:
        """One id per reading, or none where the envelope's sequence is the identity."""
        try:
            ids = _decode_ids(self._ids)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidEvent(f"expected ids in a frame's header ({error})") from None
        if ids and len(ids) != self.header.n:
            raise InvalidEvent(f"expected {self.header.n} ids in a frame, got {len(ids)}")
        return ids

    @property
    def t(self) -> NDArray[np.int64]:
        """Event times, int64 ns UTC, shape (n,)."""
        return np.frombuffer(self.payload, np.int64, self.header.n, self.body)

    @property
    def seq(self) -> NDArray[np.int64] | None:
        """Order among equal t, shape (n,), or None."""
        if not self.header.has_seq:
            return None
        return np.frombuffer(self.payload, np.int64, self.header.n, self.body + 8 * self.header.n)

    def index(self, name: str, *, counter: bool = False) -> int | None:
        """Which column carries a signal (or a counter), or None."""
        for i, column in enumerate(self.header.columns):
            if column.name == name and column.counter is counter:
                return i
        return None

    def data(self, i: int) -> NDArray[Any]:
        """Raw data of column i, shape (n,); where valid(i) is False the value means nothing."""
        header = self.header
        dtype = DTYPES[header.columns[i].dtype]
        return np.frombuffer(self.payload, dtype, header.n, self.body + header.data[i])

    def valid(self, i: int) -> NDArray[np.bool_] | None:
        """Which readings have a value in column i, shape (n,); None = all."""
        header = self.header
        if header.columns[i].complete:
            return None
        bits = np.frombuffer(self.payload, np.uint8, (header.n + 7) // 8, self.body + header.validity[i])
        return np.unpackbits(bits, count=header.n, bitorder="little").astype(np.bool_)

    def status(self, i: int) -> NDArray[np.int64] | None:
        """The OPC UA status code of each reading in column i, shape (n,); None = all good."""
        runs = self.header.columns[i].status
        if not runs:
            return None
        return np.repeat([code for code, _ in runs], [run for _, run in runs]).astype(np.int64)

    def readings(self, machine: str, clock: str, ids: Sequence[str], ingested: int) -> Iterator[Telemetry]:
        """The readings as events, in the frame's order."""
        seq = self.seq
        cells = [self._cells(i) for i in range(len(self.header.columns))]
        columns = self.header.columns
        for row, t in enumerate(self.t.tolist()):
            values: dict[str, Scalar] = {}
            quality: dict[str, str | int] = {}
            counters: dict[Any, int] = {}
            for column, (data, status) in zip(columns, cells, strict=True):
                if data[row] is not None:
                    (counters if column.counter else values)[column.name] = data[row]
                if status[row]:
                    quality[column.name] = quality_word(status[row])
            yield Telemetry(
                machine=machine, t=Instant(t), id=ids[row], clock=clock, values=values, quality=quality,
                seq=None if seq is None or seq[row] < 0 else int(seq[row]),
                counters=counters, ingested=Instant(ingested),
            )  # fmt: skip

    def _cells(self, i: int) -> tuple[list[Any], list[int]]:
        column = self.header.columns[i]
        data: list[Any] = self.data(i).tolist()
        if column.dtype == "u4":
            data = _spelled(data, column)
        valid = self.valid(i)
        if valid is not None:
            data = [value if there else None for value, there in zip(data, valid.tolist(), strict=True)]
        status = [code for code, run in column.status for _ in range(run)] or [0] * self.header.n
        return data, status


def encode(
    t: NDArray[np.int64],
    columns: Sequence[tuple[Column, NDArray[Any], NDArray[np.bool_] | None]],
    *,
    seq: NDArray[np.int64] | None = None,
    ids: Sequence[str] = (),
) -> bytes:
    """Bytes of a frame from times (n,) and columns (n,), each with its validity (None = all there)."""
    n = len(t)
    if not 1 <= n <= MAX_READINGS:
        raise InvalidEvent(f"expected 1 to {MAX_READINGS} readings in a frame, got {n}")
    header = _encode_header(Header(n, [column for column, _, _ in columns], seq is not None, list(ids)))
    blocks = [len(header).to_bytes(4, "little") + header, np.ascontiguousarray(t, "<i8").tobytes()]
    if seq is not None:
        blocks.append(np.ascontiguousarray(seq, "<i8").tobytes())
    for column, data, valid in columns:
        blocks.append(np.ascontiguousarray(data, DTYPES[column.dtype]).tobytes())
        if not column.complete:
            assert valid is not None
            blocks.append(np.packbits(valid, bitorder="little").tobytes())
    return b"".join(block.ljust(_pad(len(block)), b"\0") for block in blocks)


def from_readings(readings: Sequence[Telemetry], *, ids: bool) -> bytes:
    """Bytes of a frame of these readings; with ids it carries their ids, else the envelope's sequence is the identity.

    Raises InvalidEvent where a signal is a number in one reading and text in another: such readings go in two frames.
    """
    names: dict[tuple[str, bool], None] = {}
    for reading in readings:
        names.update(((name, False), None) for name in reading.values)
        names.update(((name, False), None) for name in reading.quality if name not in reading.counters)
        names.update(((name, True), None) for name in reading.counters)
    columns = [_column(readings, name, counter) for name, counter in sorted(names)]
    seq = None
    if any(reading.seq is not None for reading in readings):
        seq = np.array([-1 if r.seq is None else r.seq for r in readings], np.int64)
    t = np.array([reading.t for reading in readings], np.int64)
    return encode(t, columns, seq=seq, ids=[reading.id for reading in readings] if ids else ())


def kind_of(value: Scalar) -> str:
    """The dtype that holds a value exactly: b1, u4 (text), i8 (integers beyond 2**53) or f8."""
    if isinstance(value, bool):
        return "b1"
    if isinstance(value, str):
        return "u4"
    return "i8" if isinstance(value, int) and abs(value) > EXACT_FLOAT else "f8"


def status_code(quality: str | int) -> int:
    """The OPC UA status code of a quality word or code; raises InvalidEvent."""
    if isinstance(quality, int):
        if 0 <= quality < 2**32:
            return quality
    elif quality in _WORDS:
        return _WORDS[quality]
    raise InvalidEvent(f"expected quality good, uncertain, bad or a 32-bit OPC UA status code, got {quality!r}")


def quality_word(status: int) -> str | int:
    """good, uncertain or bad where a status code says just that, else the code."""
    return _CODES.get(status, status)


def _column(
    readings: Sequence[Telemetry], name: str, counter: bool
) -> tuple[Column, NDArray[Any], NDArray[np.bool_] | None]:
    cells: list[Any] = [(r.counters if counter else r.values).get(name) for r in readings]  # type: ignore[call-overload]
    kinds = {"i8"} if counter else {kind_of(cell) for cell in cells if cell is not None} or {"f8"}
    if len(kinds) > 1:
        raise InvalidEvent(f"expected one type of value for signal {name!r} in a frame, got {sorted(kinds)}")
    kind = kinds.pop()
    words: list[str] = []
    if kind == "u4":
        words = sorted({cell for cell in cells if cell is not None})
        codes = {word: i for i, word in enumerate(words)}
        cells = [None if cell is None else codes[cell] for cell in cells]
    complete = None not in cells
    data = np.array([0 if cell is None else cell for cell in cells], DTYPES[kind])
    valid = None if complete else np.array([cell is not None for cell in cells], np.bool_)
    codes_ = [status_code(r.quality.get(name, 0)) if (name in r.counters) is counter else 0 for r in readings]
    return Column(name, kind, counter, complete, _runs(codes_), words), data, valid


def _spelled(codes: list[int], column: Column) -> list[str]:
    words = column.words or [""]
    if max(codes) >= len(words):
        raise InvalidEvent(f"expected codes below {len(words)} for the words of {column.name!r}, got {max(codes)}")
    return [words[code] for code in codes]


def _runs(codes: list[int]) -> list[tuple[int, int]]:
    if not any(codes):
        return []
    runs: list[tuple[int, int]] = []
    for code in codes:
        if runs and runs[-1][0] == code:
            runs[-1] = (code, runs[-1][1] + 1)
        else:
            runs.append((code, 1))
    return runs


def _pad(length: int) -> int:
    return (length + 7) & ~7
