"""The words, the icons and the manifest: whole, well-formed, and nothing left over."""

import ast
from collections import defaultdict
from collections.abc import Iterator
import re
import tomllib
from typing import Any, Final

import pytest

from custom_components.flatpeak import config_flow, const
from custom_components.flatpeak.api import FlatpeakError
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.failure import failure_key
from custom_components.flatpeak.flows import forms
from custom_components.flatpeak.flows.meter import MeterSubentryFlow
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.config_validation import string_with_no_html
from homeassistant.loader import Manifest, async_get_integration
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict

from .home import CAR, EXPORT, GRID_SOURCE, HOUR, IMPORT, SOLAR, SOLAR_SOURCE, Home
from .source import calls, modules
from .words import PACKAGE, placeholders, read_json, read_words, texts

# The rules are hassfest's (script/hassfest/translations.py).
URL: Final = re.compile(r"(\w+://|www\.)[a-z0-9]", re.IGNORECASE)
QUOTED_PLACEHOLDER: Final = re.compile(r"'{\w+}'")
KEY: Final = re.compile(r"(?!.+[_-]{2})(?![_-])[a-z0-9_-]+(?<![_-])")

WORDS: Final = read_words()
ICONS: Final = read_json("icons.json")
MANIFEST: Final = read_json("manifest.json")


def _translation_keys() -> dict[str, set[str]]:
    """Return the translation keys that the code spells out, by what is called."""
    keys = defaultdict(set)
    for call in calls():
        if key := call.key("translation_key"):
            keys[call.name].add(key)
    return keys


def _spelled() -> set[str]:
    """Return every text that the code spells out."""
    return {
        node.value
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _failure_keys() -> set[str]:
    """Return the keys of all failures of Flatpeak."""
    kinds = {FlatpeakError}
    while below := {each for kind in kinds for each in kind.__subclasses__()} - kinds:
        kinds |= below
    return {
        failure_key(kind()) for kind in kinds if kind.__module__.startswith("custom")
    }


def _steps(flow: type) -> set[str]:
    """Return the steps of a flow that show something: all but those where it only passes."""
    steps = {
        name.removeprefix("async_step_")
        for kind in flow.__mro__
        if kind.__module__.startswith("custom_components")
        for name in vars(kind)
        if name.startswith("async_step_")
    }
    return steps - {"connected", "reauth"}


def _services() -> dict[str, Any]:
    """Return the actions that are described, with their fields."""
    path = PACKAGE / "services.yaml"
    return load_yaml_dict(str(path)) if path.exists() else {}


def _selectors(node: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield the translated selects of the actions, with their options."""
    if isinstance(node, dict):
        if select := node.get("select"):
            yield select["translation_key"], select["options"]
        for value in node.values():
            yield from _selectors(value)


@pytest.mark.parametrize(("key", "text"), texts(WORDS))
def test_text(key: str, text: str) -> None:
    """A text is one that Home Assistant takes."""
    assert text
    assert text == text.strip()
    assert "  " not in text
    assert string_with_no_html(text) == text
    assert not URL.search(text)
    assert not QUOTED_PLACEHOLDER.search(text)
    assert all(name.isidentifier() for name in placeholders(text))
    assert all(KEY.fullmatch(part) for part in key.split("."))


def test_words_are_in_order() -> None:
    """A word is found where the alphabet puts it."""

    def check(words: dict[str, Any]) -> None:
        assert list(words) == sorted(words)
        for value in words.values():
            if isinstance(value, dict):
                check(value)

    check(WORDS)
    check(ICONS)


def test_steps() -> None:
    """Each form has its words; that those are its fields', the flows' tests check."""
    assert set(WORDS["config"]["step"]) == _steps(config_flow.FlatpeakConfigFlow)
    meter = WORDS["config_subentries"]["meter"]
    assert set(meter["step"]) == _steps(MeterSubentryFlow)
    assert set(meter["initiate_flow"]) == {"user", "reconfigure"}
    for step in (*WORDS["config"]["step"].values(), *meter["step"].values()):
        for part in (step, *step.get("sections", {}).values()):
            assert (
                part.get("data", {}).keys() == part.get("data_description", {}).keys()
            )


@pytest.mark.parametrize(
    "flow",
    [WORDS["config"], WORDS["config_subentries"]["meter"]],
    ids=["home", "meter"],
)
def test_errors_and_aborts(flow: dict[str, Any]) -> None:
    """A flow has words for all failures of Flatpeak, and for its own and no others."""
    own = set(flow["error"]) - _failure_keys()
    # Core raises it where a unique id is there already.
    own |= set(flow["abort"]) - {"already_configured"}

    assert _failure_keys() <= set(flow["error"])
    assert own <= _spelled()


def test_selectors() -> None:
    """A choice has words for what can be chosen."""
    options = dict(_selectors(_services()))
    names = vars(const) | vars(forms)
    selects = {
        names[ast.unparse(call.arguments["translation_key"])]
        for call in calls()
        if call.name == "SelectSelectorConfig" and "translation_key" in call.arguments
    }

    assert set(WORDS["selector"]) == selects | set(options)
    for key, values in options.items():
        assert set(WORDS["selector"][key]["options"]) == set(values)


def test_exceptions() -> None:
    """What is raised has its words, and each of them is raised."""
    raised = {
        key
        for name, keys in _translation_keys().items()
        if name.endswith(("Error", "Failed", "NotReady"))
        for key in keys
    }

    assert _failure_keys() | raised <= set(WORDS["exceptions"])
    assert set(WORDS["exceptions"]) - _failure_keys() <= _spelled()


def test_issues() -> None:
    """What is for the user to repair has its words, and each of them is used."""
    assert _translation_keys()["async_create_issue"] <= set(WORDS["issues"])
    assert set(WORDS["issues"]) <= _spelled()
    for issue in WORDS["issues"].values():
        assert set(issue) in ({"title", "description"}, {"title", "fix_flow"})


def test_services() -> None:
    """Actions and their fields have their words."""
    words = {
        name: set(service.get("fields", {}))
        for name, service in WORDS.get("services", {}).items()
    }

    assert words == {
        name: set((service or {}).get("fields", {}))
        for name, service in _services().items()
    }
    for service in WORDS.get("services", {}).values():
        for part in (service, *service.get("fields", {}).values()):
            assert part["name"]
            assert part["description"]


@pytest.fixture
async def entry(home: Home) -> ConfigEntry[Any]:
    """Return a home with a meter of each flow."""
    start = dt_util.utcnow().replace(minute=0, second=0, microsecond=0) - 3 * HOUR
    for sensor in (IMPORT, EXPORT, SOLAR, CAR):
        home.add_sensor(sensor)
        await home.async_record(sensor, start, [100, 200, 300])
    await home.async_show(GRID_SOURCE, SOLAR_SOURCE, devices=[CAR])
    entry = await home.async_set_up(history="30_days")
    names = [meter.name for meter in entry.runtime_data.meters]
    await home.async_follow_sessions(entry, "switch.charger", *names)
    return entry


async def test_entities(home: Home, entry: ConfigEntry[Any]) -> None:
    """Every entity has a name of its own, and there is no name without an entity."""
    entries = er.async_entries_for_config_entry(er.async_get(home.hass), entry.entry_id)
    used: dict[str, set[str]] = defaultdict(set)
    for each in entries:
        assert each.translation_key
        used[each.domain].add(each.translation_key)

    assert {domain: set(names) for domain, names in WORDS["entity"].items()} == used
    assert set(used) <= set(Platform)


async def test_attributes(home: Home, entry: ConfigEntry[Any]) -> None:
    """Named attributes are there."""
    for each in er.async_entries_for_config_entry(
        er.async_get(home.hass), entry.entry_id
    ):
        words = WORDS["entity"][each.domain][each.translation_key]
        state = home.hass.states.get(each.entity_id)
        if state is not None:
            assert set(words.get("state_attributes", {})) <= set(state.attributes)


def test_icons() -> None:
    """Icons are those of entities that exist."""
    for domain, entities in ICONS["entity"].items():
        assert set(entities) <= set(WORDS["entity"][domain])


async def test_manifest_is_loaded(
    hass: HomeAssistant, enable_custom_integrations: None
) -> None:
    """Home Assistant knows every key, and finds what it needs."""
    assert set(MANIFEST) <= set(Manifest.__annotations__)

    integration = await async_get_integration(hass, DOMAIN)

    assert integration.version == MANIFEST["version"]
    assert integration.requirements == []
    assert await integration.resolve_dependencies()


def test_version() -> None:
    """The project and the integration are one version."""
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text("utf-8"))

    assert MANIFEST["version"] == project["project"]["version"]
