"""Plain files on a recorded disk: what any code, in any language, does to the files of a folder, seen where it matters.

Rules
1. A write is not caught when it is made but when something that orders writes follows: `os.fsync`, a rename, a removal, or
   `look`. What changed since is then pending, and a power loss keeps any part of it; so it does not matter who wrote, or how.
2. A file is synced by `os.fsync` of its descriptor, a folder by that of the folder's. Nothing else makes anything safe.
3. Only names of this module's `os` functions are replaced, and only while `watched` is open; files elsewhere are left alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from power_disk import SECTORS, Disk


@contextmanager
def watched(disk: Disk, root: Path, only: Callable[[str], bool] = lambda _: True) -> Iterator[Watch]:
    """While this is open, files under a root are recorded on a disk; only: of these names."""
    watch = Watch(disk, root, only)
    with pytest.MonkeyPatch.context() as patch:
        for name, instead in (("fsync", watch.fsync), ("fdatasync", watch.fsync)):
            patch.setattr(os, name, instead)
        for name in ("rename", "replace"):
            patch.setattr(os, name, watch.renaming(getattr(os, name)))
        for name in ("unlink", "remove"):
            patch.setattr(os, name, watch.removing(getattr(os, name)))
        yield watch
        watch.look()


class Watch:
    """What is known of the files of a root."""

    def __init__(self, disk: Disk, root: Path, only: Callable[[str], bool]) -> None:
        self._disk, self._root, self._only = disk, root.resolve(), only
        self._known = {name: bytes(content) for name, content in disk.image.items() if only(name)}

    def look(self) -> None:
        """Records what was written since the last look."""
        for path in sorted(self._root.rglob("*")):
            name = path.relative_to(self._root).as_posix()
            if path.is_file() and self._only(name):
                self._disk.create(name)
                self._compare(name, path.read_bytes())

    def fsync(self, descriptor: int | Any) -> None:
        """Stands in for os.fsync."""
        self.look()
        path = Path(os.readlink(f"/proc/self/fd/{descriptor if isinstance(descriptor, int) else descriptor.fileno()}"))
        if path == self._root or self._root in path.parents:
            name = "" if path == self._root else path.relative_to(self._root).as_posix()
            if path.is_dir():
                self._disk.sync_folder(name)
            elif self._only(name):
                self._disk.sync(name)

    def renaming(self, real: Callable[..., None]) -> Callable[..., None]:
        """Stands in for os.rename and os.replace."""

        def rename(old: Any, new: Any, **more: Any) -> None:
            self.look()
            real(old, new, **more)
            names = self._name(old), self._name(new)
            if names[0] and names[1]:
                self._disk.rename(*names)
                self._known[names[1]] = self._known.pop(names[0])

        return rename

    def removing(self, real: Callable[..., None]) -> Callable[..., None]:
        """Stands in for os.unlink and os.remove."""

        def remove(path: Any, **more: Any) -> None:
            self.look()
            real(path, **more)
            name = self._name(path)
            if name and self._known.pop(name, None) is not None:
                self._disk.remove(name)

        return remove

    def _name(self, path: Any) -> str:
        """The name of a file under the root; nothing for any other."""
        full = Path(os.fsdecode(path)).absolute()
        full = full.parent.resolve() / full.name
        name = full.relative_to(self._root).as_posix() if self._root in full.parents else ""
        return name if name and self._only(name) else ""

    def _compare(self, name: str, now: bytes) -> None:
        """Records the sectors that are not as they were."""
        was = self._known.get(name, b"")
        if len(now) < len(was):
            self._disk.truncate(name, len(now))
        size = max(SECTORS)
        for low in range(0, len(now), size):
            if now[low : low + size] != was[low : low + size]:
                self._disk.write(name, low, now[low : low + size])
        self._known[name] = now
