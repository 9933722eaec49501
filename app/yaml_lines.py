"""YAML with the line of everything in it, so that an error can say where.

Rules: a plain word is text unless it is a number, true, false or null (yes, no, on, 06:00 and 2026-11-20 stay text). A key
stands once. Nothing but the standard types is built.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from tailrace.schemas.errors import InvalidSettings

Path = tuple[str | int, ...]

NODES_MAX = 1_000_000
"""Values in a file, repeated ones (aliases) counted each time."""

_NULL, _BOOL, _INT, _FLOAT, _TEXT = (f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str"))
_PLAIN = [
    (_NULL, re.compile(r"~|null|Null|NULL|")),
    (_BOOL, re.compile(r"true|True|TRUE|false|False|FALSE")),
    (_INT, re.compile(r"[-+]?(0|[1-9]\d{0,17})", re.ASCII)),
    (_FLOAT, re.compile(r"[-+]?(0|[1-9]\d*)(\.\d*)?([eE][-+]?\d{1,3})?", re.ASCII)),
]


class Document:
    """A parsed file: its plain `value`, and `line` of any path in it."""

    def __init__(self, text: str, name: str) -> None:
        self._lines: dict[Path, int] = {(): 1}
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            self.value = self._plain(root, ()) if root is not None else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{name}:{mark.line + 1}" if mark else name
            problem = str(error.problem or error.context)
            hint = "; indent with blanks, not tabs" if "'\\t'" in problem else ""
            raise InvalidSettings(f"{where}: expected YAML, got something else: {problem}{hint}") from None
        except yaml.YAMLError as error:
            raise InvalidSettings(f"{name}: expected YAML as UTF-8 text, got something else: {error}") from None
        except RecursionError:
            raise InvalidSettings(f"{name}: expected YAML a person wrote, got hundreds of levels or a loop") from None

    def line(self, path: Sequence[str | int]) -> int:
        """The line (from 1) on which a path begins, or the nearest one above it."""
        at = tuple(path)
        while at not in self._lines:
            at = at[:-1]
        return self._lines[at]

    def _plain(self, node: yaml.Node, path: Path) -> Any:
        self._lines.setdefault(path, node.start_mark.line + 1)
        if len(self._lines) > NODES_MAX:
            raise yaml.MarkedYAMLError(problem=f"more than {NODES_MAX} values", problem_mark=node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(each, (*path, i)) for i, each in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key is a list or mapping", problem_mark=key_node.start_mark)
            key = str(key_node.value)
            if key in value:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
            self._lines[*path, key] = key_node.start_mark.line + 1
            value[key] = self._plain(value_node, (*path, key))
        return value


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style is not None:
        return text
    tag = next((tag for tag, form in _PLAIN if form.fullmatch(text)), _TEXT)
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text.lower() == "true"
    if tag == _INT:
        return int(text)
    return float(text) if tag == _FLOAT else text
