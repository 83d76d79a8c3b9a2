"""The pages of the documentation, as GitHub shows them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
import re
from typing import Final, override

from markdown_it import MarkdownIt
from markdown_it.token import Token

from .words import PACKAGE

ROOT: Final = PACKAGE.parents[1]
MARKDOWN: Final = MarkdownIt("commonmark").enable("table")

# What a heading's anchor leaves out.
NOT_IN_ANCHOR: Final = re.compile(r"[^\w\- ]")


class _References(HTMLParser):
    """Collects what HTML refers to."""

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__()
        self.found: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the references of an element."""
        self.found += [
            value
            for name, value in attrs
            if name in {"href", "src", "srcset"} and value
        ]


@dataclass(frozen=True)
class Page:
    """A page in Markdown."""

    path: Path

    @property
    def name(self) -> str:
        """Return the path within the project."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """Return the text as it is written."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def line(self) -> str:
        """Return the text in one line, as words may be wrapped anywhere."""
        return " ".join(self.text.split())

    @cached_property
    def tokens(self) -> list[Token]:
        """Return the parsed text, with what is inside paragraphs after them."""
        blocks = MARKDOWN.parse(self.text)
        return [each for block in blocks for each in (block, *(block.children or ()))]

    @property
    def references(self) -> Iterator[str]:
        """Yield what the page links to or shows."""
        html = _References()
        for token in self.tokens:
            if token.type in {"link_open", "image"}:
                yield str(token.attrs.get("href", token.attrs.get("src")))
            elif token.type in {"html_block", "html_inline"}:
                html.feed(token.content)
        yield from html.found

    @property
    def headings(self) -> Iterator[str]:
        """Yield the headings without their markup."""
        for token, inline in zip(self.tokens, self.tokens[1:], strict=False):
            if token.type == "heading_open":
                yield "".join(each.content for each in inline.children or ())

    @cached_property
    def anchors(self) -> set[str]:
        """Return where a link into the page may lead, by GitHub's rules."""
        anchors, seen = set(), Counter[str]()
        for heading in self.headings:
            anchor = NOT_IN_ANCHOR.sub("", heading.lower()).replace(" ", "-")
            anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
            seen[anchor] += 1
        return anchors

    def examples(self, language: str) -> list[str]:
        """Return the blocks of code in a language."""
        return [
            token.content
            for token in self.tokens
            if token.type == "fence" and token.info == language
        ]

    def section(self, heading: str) -> str:
        """Return the text from a heading to the next one, empty where there is none."""
        pattern = rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)"
        found = re.search(pattern, self.text, re.MULTILINE | re.DOTALL)
        return found[1] if found else ""


def pages() -> list[Page]:
    """Return all pages of the project."""
    return [
        Page(path)
        for path in (
            *sorted(ROOT.glob("*.md")),
            *sorted((ROOT / "docs").rglob("*.md")),
            *sorted((ROOT / "tests").rglob("*.md")),
        )
    ]
