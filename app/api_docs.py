"""The description of the REST API as a page that needs no network: each question with its parameters, answers and words.

Rules: it is made of the OpenAPI 3.1 document alone, which stands beside it as `openapi.json`; types are named as there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from litestar.connection import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin
from markupsafe import Markup

from tailrace.app.ui_style import TOKENS
from tailrace.app.ui_text import html, joined

STYLE = """
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #0e141a; --surface: #161f28; --line: #26323e; --text: #e7ecf1; --muted: #a0adba; --accent: #62bce0;
  }
}
body {
  margin: 0 auto; max-width: 920px; padding: 32px 20px 64px; background: var(--bg); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif;
}
h1 { font-size: 24px; margin: 32px 0 0; } h2 b, a { color: var(--accent); }
h2 { font: 600 15px ui-monospace, monospace; margin: 0; overflow-wrap: anywhere; }
section {
  background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: 16px 20px; margin-top: 16px;
}
p { margin: 6px 0; white-space: pre-line; } small, .muted { color: var(--muted); } code { font: 13px ui-monospace, monospace; }
dl { display: grid; grid-template-columns: minmax(110px, auto) 1fr; gap: 2px 16px; margin: 8px 0 0; } dd { margin: 0; }
"""


class ApiPage(OpenAPIRenderPlugin):
    """The page at the root of the description."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return page(openapi_schema).encode()


def page(document: Mapping[str, Any]) -> str:
    """The whole of a document."""
    info = document["info"]
    questions = joined([_question(path, method, said) for path, method, said in _questions(document)])
    schemas = document.get("components", {}).get("schemas", {})
    types = joined([_type(name, said) for name, said in sorted(schemas.items())])
    title = html("{} REST API <small>{}</small>", info["title"], info["version"])
    return html(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>REST API · {}</title><style>{}{}</style></head><body><h1>{}</h1>"
        '<p class="muted">OpenAPI {}: <a href="/api/docs/openapi.json">openapi.json</a>. An error is problem+json.</p>'
        "{}<h1>Types</h1>{}</body></html>",
        info["title"], Markup(TOKENS), Markup(STYLE), title, document["openapi"], questions, types,
    )  # fmt: skip


def _questions(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in sorted(document["paths"].items()):
        for method, said in methods.items():
            if isinstance(said, Mapping):
                yield path, method, said


def _question(path: str, method: str, said: Mapping[str, Any]) -> Markup:
    lines = [_field(each["name"], each, each.get("schema", {})) for each in said.get("parameters", [])]
    body = said.get("requestBody", {}).get("content", {})
    lines += [_field("body", {}, each.get("schema", {})) for each in body.values()]
    answers = said.get("responses", {})
    lines += [_field(code, each, _content(each)) for code, each in answers.items()]
    return html(
        "<section><h2><b>{}</b> /api{}</h2><p>{}</p><dl>{}</dl></section>",
        method.upper(), path, said.get("description", ""), joined(lines),
    )  # fmt: skip


def _type(name: str, said: Mapping[str, Any]) -> Markup:
    fields = joined([_field(field, each, each) for field, each in said.get("properties", {}).items()])
    words = said.get("description", "")
    return html('<section id="{}"><h2>{}</h2><p>{}</p><dl>{}</dl></section>', name, name, words, fields)


def _field(name: str, said: Mapping[str, Any], schema: Mapping[str, Any]) -> Markup:
    words = said.get("description", "")
    return html("<dt><code>{}</code></dt><dd>{} <small>{}</small></dd>", name, words, _kind(schema))


def _content(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of an answer; of several the first."""
    for each in answer.get("content", {}).values():
        found: Mapping[str, Any] = each.get("schema", {})
        return found
    return {}


def _kind(schema: Mapping[str, Any]) -> str:
    """The type in a few words."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        item = re.fullmatch(r"Page_(?:.*\.)?(\w+?)_", name)
        return f"page of {item[1]}" if item else name.rsplit(".", 1)[-1]
    several = schema.get("oneOf") or schema.get("anyOf")
    if several:
        return " | ".join(_kind(each) for each in several)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    kind = schema.get("type", "")
    return " | ".join(kind) if isinstance(kind, list) else str(kind)
