"""What an error of SQL Server means: try again, or say what is wrong and what to do.

Rules
1. Worth another try of the whole transaction: a deadlock, a key that another one inserted, a lock that was not had in time, a
   lost snapshot, a cut connection. Nothing else is tried again here.
2. The error that is raised may hide the one that counts: after a deadlock the server has no transaction left, so ROLLBACK fails
   with 3903, and 1205 is in its `__context__`. So the whole chain is looked at.
3. A message names server and database, never a password.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import msgspec

from tailrace.schemas.errors import InvalidSettings, TailraceError, Unavailable

NUMBERS = {
    1205: "chosen as the victim of a deadlock",
    1222: "a lock was not to be had in time",
    2601: "another writer inserted the same key",
    2627: "another writer inserted the same key",
    3960: "another writer changed a row of this snapshot",
}
"""Error numbers of the server after which the transaction is tried again."""

WORDS = {"due to lock timeout": 1222, "could not serialize access": 3960, "deadlock detected": 1205}
"""What Babelfish says of the same in the words of PostgreSQL, with no number of its own."""

CUT = "08S01"
"""SQLSTATE of a connection that was cut."""

_NUMBER = re.compile(r"\((\d+)\) \(SQL\w+\)")
_UNTRUSTED = re.compile(
    r"certificate verify failed|self.signed certificate|certificate chain|unable to get (local )?issuer", re.I
)


class Ladder(msgspec.Struct, frozen=True):
    """How often and when a transaction is tried again: full jitter below a bound that doubles."""

    tries: int = 8
    base_s: float = 0.05
    bound_s: float = 2.0

    def wait_s(self, attempt: int, dice: random.Random) -> float:
        """Seconds to wait after the attempt of this number, from 0."""
        return dice.uniform(0, min(self.bound_s, self.base_s * 2**attempt))


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what it wraps, and what it came on top of; each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__context__, each.__cause__, getattr(each, "orig", None)]


def transient(error: BaseException) -> str | None:
    """Why the transaction is worth another try, or None."""
    for each in chain(error):
        state, numbers = _said(each)
        for number in numbers:
            if number in NUMBERS:
                return f"{number}: {NUMBERS[number]}"
        if state == CUT:
            return f"{CUT}: the connection was cut"
    return None


def numbers_of(error: BaseException) -> set[int]:
    """The numbers of the server in an error and in what it came on top of."""
    return {number for each in chain(error) for number in _said(each)[1]}


def explained(error: BaseException, where: str) -> TailraceError:
    """The error for whoever waits for the store; where: server and database."""
    text = "; ".join(str(each) for each in chain(error))
    states = {_said(each)[0] for each in chain(error)}
    words = _words(error)
    if _UNTRUSTED.search(text):
        return Unavailable(
            f"{where}: expected a certificate that this machine trusts, got another ({words}); install the authority that signed "
            "it, or where the network is yours alone say TrustServerCertificate=yes in the URL"
        )
    if "28000" in states or "(18456)" in text:
        return InvalidSettings(
            f"{where}: expected a log-in that the server takes, got: {words}; look at user, password and how it logs in"
        )
    if "IM002" in states or "Can't open lib" in text:
        return InvalidSettings(
            f"{where}: expected a driver that is installed, got: {words}; docs/sql-server.md says where one is from, and the URL "
            "names it: driver=<name or path>"
        )
    if "(4060)" in text:
        return InvalidSettings(f"{where}: expected a database that is there and open to this log-in, got: {words}")
    return Unavailable(f"{where}: expected SQL Server to answer, got: {words}")


def _said(error: BaseException) -> tuple[str, list[int]]:
    """SQLSTATE and error numbers of a driver's error."""
    arguments = error.args
    if len(arguments) != 2 or not all(isinstance(each, str) for each in arguments):
        return "", []
    numbers = [int(number) for number in _NUMBER.findall(arguments[1])]
    return arguments[0], numbers + [number for words, number in WORDS.items() if words in arguments[1]]


def _words(error: BaseException) -> str:
    """What the server said, in one line without the names of who passed it on."""
    said = [each.args[1] for each in chain(error) if _said(each)[0]]
    text = str(said[0]) if said else f"{type(error).__name__}: {error}"
    return re.sub(r"\s+", " ", re.sub(r"\[[\w ]+\]", "", text.splitlines()[0])).strip()
