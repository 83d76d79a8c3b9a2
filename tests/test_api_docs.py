"""The table of endpoints: every one of them, who asks it, and no claim that is not so."""

import ast
from collections import defaultdict
from collections.abc import Iterator
import json
import re
from typing import Final, NamedTuple

from .pages import ROOT, Page
from .source import Call, calls, functions

PAGE: Final = Page(ROOT / "docs" / "api.md")
DOCUMENT: Final = json.loads(
    (ROOT / "tests" / "simulator" / "openapi.json").read_text(encoding="utf-8")
)
VERBS: Final = {"get", "put", "post", "patch", "delete"}

CLIENT: Final = "api/client.py"
# What the client's own helpers send.
VERB_OF_HELPER: Final = {"_get": "GET", "_list": "GET", "_find_windows": "POST"}
# Who a step of a method belongs to.
OWNERS: Final = {"_fetch_token": "login"}


class Row(NamedTuple):
    """An endpoint, the client's methods that ask it, and what it is used for."""

    endpoint: str
    methods: set[str]
    use: str


def _rows() -> list[Row]:
    """Return the table."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.text.splitlines()
        if re.match(r"\| `[A-Z]+ /", line)
    ]
    return [
        Row(endpoint.strip("`"), set(re.findall(r"`(\w+)`", methods)), use)
        for endpoint, methods, use in cells
    ]


ROWS: Final = _rows()


def _endpoint(call: Call) -> str | None:
    """Return what a call in the client asks of Flatpeak, None where it asks nothing."""
    texts = [
        str(each.value) for each in call.node.args if isinstance(each, ast.Constant)
    ]
    if call.name == "_Request" and call.key("path"):
        return f"{call.key('method')} {call.key('path')}"
    if call.name == "_write" and len(texts) == 2:
        return " ".join(texts)
    if call.name in VERB_OF_HELPER and texts:
        return f"{VERB_OF_HELPER[call.name]} {texts[0]}"
    return None


def _asked() -> Iterator[tuple[str, str]]:
    """Yield the client's methods with the endpoints that they ask."""
    for name, function in functions(CLIENT).items():
        for call in calls(function):
            if endpoint := _endpoint(call):
                yield OWNERS.get(name, name), endpoint


def test_every_endpoint_is_listed() -> None:
    """What Flatpeak has is listed once, and nothing else is."""
    assert sorted(row.endpoint for row in ROWS) == sorted(
        f"{verb.upper()} {path}"
        for path, operations in DOCUMENT["paths"].items()
        for verb in operations.keys() & VERBS
    )


def test_every_method_is_listed() -> None:
    """What the client asks is at its endpoint, and nothing that it does not ask."""
    asked: dict[str, set[str]] = defaultdict(set)
    for method, endpoint in _asked():
        asked[endpoint].add(method)
    assert {row.endpoint: row.methods for row in ROWS if row.methods} == asked


def test_uses_are_true() -> None:
    """What is said to be used is asked by the integration, and only that."""
    used = {call.name for call in calls() if not call.module.startswith("api/")}
    for row in ROWS:
        assert row.use
        assert row.use.startswith("Not used") is not bool(row.methods & used), row


def test_no_record_is_stored_at_once() -> None:
    """Nothing calls what would count energy beside the journal."""
    assert {call.module for call in calls() if call.name == "submit_instant"} == set()
