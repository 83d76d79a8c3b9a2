"""The documentation: no dead link, nothing private, and no word of the software left out."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
import re
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from custom_components.flatpeak.api import (
    EnergyFlowDirection,
    Interval,
    PostalAddress,
    TariffDirection,
)
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.services import async_setup_services
from homeassistant.core import HomeAssistant
from homeassistant.util.yaml import load_yaml_dict, parse_yaml

from .pages import ROOT, Page, pages
from .source import functions
from .words import PACKAGE, read_words

DOCS: Final = ROOT / "docs"
PICTURES: Final = DOCS / "pictures"
PAGES: Final = {page.name: page for page in pages()}
WORDS: Final = read_words()
ACTIONS: Final = load_yaml_dict(str(PACKAGE / "services.yaml"))

# Where the documentation may lead, or says that data goes.
HOSTS: Final = {
    "api.flatpeak.com",
    "flatpeak.com",
    "github.com",
    "hacs.xyz",
    "my.home-assistant.io",
}
URL: Final = re.compile(r"https?://[^\s)`\"'>|]+")
ABSOLUTE_PATH: Final = re.compile(
    r"(?<![\w.:/}-])/(?:Users|etc|home|mnt|opt|root|srv|tmp|usr|var|work)\b"
)
PLACEHOLDER: Final = re.compile(r"\{\w+\}")
LARGEST_PICTURE: Final = 120_000
OTHER_NAMES: Final = {"earnings", "value"}


def _page(name: str) -> Page:
    """Return a page of the documentation."""
    return PAGES[f"docs/{name}.md"]


def _local(page: Page) -> Iterator[tuple[Path, str]]:
    """Yield the files that a page refers to, and the anchors in them."""
    for reference in page.references:
        parts = urlsplit(reference)
        if not parts.scheme:
            path = page.path.parent / parts.path if parts.path else page.path
            yield path.resolve(), parts.fragment


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_links(page: Page) -> None:
    """Every file, picture and heading that a page refers to is there."""
    for path, fragment in _local(page):
        assert path.is_relative_to(ROOT)
        assert path.exists(), path
        if fragment:
            assert fragment in PAGES[path.relative_to(ROOT).as_posix()].anchors


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_hosts(page: Page) -> None:
    """A page leads to nowhere but the known hosts, and tells of no one's machine."""
    urls = {urlsplit(url) for url in [*page.references, *URL.findall(page.text)]}

    assert {url.hostname for url in urls if url.scheme} <= HOSTS
    assert {url.scheme for url in urls} <= {"", "https"}
    assert ABSOLUTE_PATH.findall(page.text) == []


def test_all_pages_are_found() -> None:
    """Every page of the documentation can be reached from the first one."""
    reached: set[str] = set()
    ahead = {"README.md"}
    while ahead:
        reached |= ahead
        ahead = {
            path.relative_to(ROOT).as_posix()
            for name in ahead
            for path, _ in _local(PAGES[name])
            if path.suffix == ".md"
        } - reached

    assert PAGES.keys() == reached


def test_pictures() -> None:
    """Every picture is shown, is there for light and dark, and is small."""
    shown = {path for page in PAGES.values() for path, _ in _local(page)}
    pictures = set(PICTURES.iterdir())

    assert pictures <= shown
    for picture in pictures:
        assert picture.stat().st_size < LARGEST_PICTURE, picture.name
        name, _, scheme = picture.stem.rpartition("-")
        assert scheme in ("light", "dark")
        other = {"light": "dark", "dark": "light"}[scheme]
        assert picture.with_stem(f"{name}-{other}") in pictures


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_yaml(page: Page) -> None:
    """What can be copied can be read by Home Assistant."""
    for example in page.examples("yaml"):
        assert parse_yaml(example)


def _labels(flow: dict[str, Any]) -> set[str]:
    """Return what the fields and the menus of a flow are called on the screen."""
    steps = flow["step"].values()
    parts = [
        part for step in steps for part in (step, *step.get("sections", {}).values())
    ]
    return {
        label
        for part in parts
        for kind in ("data", "menu_options")
        for label in part.get(kind, {}).values()
    }


@pytest.mark.parametrize(
    ("flow", "text"),
    [
        (WORDS["config"], _page("installation").line + _page("configuration").line),
        (WORDS["options"], _page("configuration").section("Options")),
        (WORDS["config_subentries"]["meter"], _page("configuration").line),
    ],
    ids=["home", "options", "meter"],
)
def test_fields(flow: dict[str, Any], text: str) -> None:
    """Every field of a flow is explained, under its name on the screen."""
    assert {label for label in _labels(flow) if f"*{label}*" not in text} == set()


def test_steps() -> None:
    """Every step of the set-up has its section, and the one about sessions is named."""
    steps = WORDS["config"]["step"]
    set_up = ("user", "location", "address", "tariff", "meters")
    session = WORDS["config_subentries"]["meter"]["step"]["session"]

    assert {steps[step]["title"] for step in set_up} <= set(
        _page("installation").headings
    )
    assert f"*{session['title']}*" in _page("configuration").line


def test_choices() -> None:
    """Everything that can be chosen in a flow is explained."""
    text = _page("installation").line + _page("configuration").line
    chosen_in_actions = {
        field["selector"]["select"]["translation_key"]
        for action in ACTIONS.values()
        for field in action["fields"].values()
        if "select" in field["selector"]
    }
    choices = {
        label
        for key, selector in WORDS["selector"].items()
        if key not in chosen_in_actions
        for label in selector["options"].values()
    }

    assert {label for label in choices if f"*{label}*" not in text} == set()


def _entity_words() -> Iterator[str]:
    """Yield how entities, their attributes and their states are called, and the keys."""
    for entities in WORDS["entity"].values():
        for entity_key, entity in entities.items():
            yield f"*{entity['name']}*"
            # What is earned is a cost under another name.
            if not OTHER_NAMES & set(entity_key.split("_")):
                yield f"`{entity_key}`"
            for key, attribute in entity.get("state_attributes", {}).items():
                yield from (f"*{attribute['name']}*", f"`{key}`")
            for part in (entity, *entity.get("state_attributes", {}).values()):
                for key, state in part.get("state", {}).items():
                    yield f"*{state}* (`{key}`)"


def test_entities() -> None:
    """Every entity is explained, with its attributes and states."""
    text = _page("entities").line

    assert {word for word in _entity_words() if word not in text} == set()


@pytest.mark.parametrize("name", ACTIONS)
def test_actions(name: str) -> None:
    """Every action has its section with each field, and an example."""
    section = _page("actions").section(f"`{DOMAIN}.{name}`")

    assert {
        field for field in ACTIONS[name]["fields"] if f"`{field}`" not in section
    } == set()
    assert f"action: {DOMAIN}.{name}\n" in section


def _calls(example: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the actions that an example calls, with their data."""
    if isinstance(example, list):
        for each in example:
            yield from _calls(each)
    elif isinstance(example, dict):
        if str(example.get("action")).startswith(f"{DOMAIN}."):
            yield example["action"].removeprefix(f"{DOMAIN}."), example.get("data", {})
        for each in example.values():
            yield from _calls(each)


def test_examples(hass: HomeAssistant) -> None:
    """The examples call actions as these want to be called."""
    async_setup_services(hass)
    registered = hass.services.async_services_for_domain(DOMAIN)
    found = [
        call
        for page in PAGES.values()
        for example in page.examples("yaml")
        for call in _calls(parse_yaml(example))
    ]

    assert {name for name, _ in found} == ACTIONS.keys()
    for name, data in found:
        schema = registered[name].schema
        assert schema is not None and schema(data)


def _first_sentence(text: str) -> str:
    """Return what a text begins with, as the documentation quotes it."""
    return re.split(r"(?<=\.) |\n", PLACEHOLDER.sub("…", text))[0]


def test_repairs() -> None:
    """Every repair has its section."""
    headings = set(_page("troubleshooting").headings)
    titles = {_first_sentence(issue["title"]) for issue in WORDS["issues"].values()}

    assert titles - headings == set()


def test_messages() -> None:
    """Every message that a user can meet is listed with what to do."""
    flows = [
        WORDS["config"],
        *WORDS["config_subentries"].values(),
        *(issue.get("fix_flow", {}) for issue in WORDS["issues"].values()),
    ]
    texts = [
        *(
            text
            for flow in flows
            for kind in ("error", "abort")
            for text in flow.get(kind, {}).values()
        ),
        *(each["message"] for each in WORDS["exceptions"].values()),
    ]
    section = _page("troubleshooting").section("Messages")

    assert {
        sentence
        for sentence in map(_first_sentence, texts)
        if f"\n| {sentence} |" not in section
    } == set()


def _sent() -> set[str]:
    """Return where the client sends something, and the names of what it sends."""
    nodes = [
        node
        for function in functions("api/client.py").values()
        for node in ast.walk(function)
    ]
    paths = {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and re.match(r"/\w", str(node.value))
    }
    fields = {
        key.value
        for node in nodes
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    record = Interval(
        location_id="loc_1",
        device_id="dev_1",
        start=datetime(2026, 1, 1, tzinfo=UTC),
        end=datetime(2026, 1, 2, tzinfo=UTC),
        energy_wh=1,
        energy_flow_direction=EnergyFlowDirection.INBOUND,
        tariff_direction=TariffDirection.LOCAL,
        record_reference_id="1",
        session_reference_id="1",
        confidence=1,
    )
    sent = paths | fields | record.as_dict().keys() | {*PostalAddress.__slots__}
    return {str(each) for each in sent}


def test_privacy() -> None:
    """Nothing is sent that the documentation does not tell of."""
    text = _page("privacy").line

    assert {name for name in _sent() if f"`{name}`" not in text} == set()


def test_rooms() -> None:
    """Every room of the code is described."""
    text = _page("development").line
    rooms = {
        f"`{path.name}/`" if path.is_dir() else f"`{path.name}`"
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    assert {room for room in rooms if room not in text} == set()
