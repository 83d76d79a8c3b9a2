"""The claims of `quality_scale.yaml`: complete, and checked as far as a test can."""

import ast
from collections.abc import Callable
import re
import tomllib
from typing import Any, Final

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.config_flow import FlatpeakConfigFlow
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.flows.meter import MeterSubentryFlow
from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EntityCategory, Platform
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.entity_registry import RegistryEntry
from homeassistant.util.yaml import load_yaml_dict

from .home import Home
from .pages import pages
from .priced import PricedHome
from .simulator import Fault
from .simulator.tariffs import Direction
from .source import calls, functions, imports, modules
from .words import PACKAGE, read_json, read_words

ROOT: Final = PACKAGE.parents[1]
SCALE: Final = PACKAGE / "quality_scale.yaml"
WORDS: Final = read_words()
MANIFEST: Final = read_json("manifest.json")
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# The Integration Quality Scale, as hassfest knows it (script/hassfest/quality_scale.py).
RULES: Final = {
    "Bronze": [
        "action-setup",
        "appropriate-polling",
        "brands",
        "common-modules",
        "config-flow",
        "config-flow-test-coverage",
        "dependency-transparency",
        "docs-actions",
        "docs-conditions",
        "docs-high-level-description",
        "docs-installation-instructions",
        "docs-removal-instructions",
        "docs-triggers",
        "entity-event-setup",
        "entity-unique-id",
        "has-entity-name",
        "runtime-data",
        "test-before-configure",
        "test-before-setup",
        "unique-config-entry",
    ],
    "Silver": [
        "action-exceptions",
        "config-entry-unloading",
        "docs-configuration-parameters",
        "docs-installation-parameters",
        "entity-unavailable",
        "integration-owner",
        "log-when-unavailable",
        "parallel-updates",
        "reauthentication-flow",
        "test-coverage",
    ],
    "Gold": [
        "devices",
        "diagnostics",
        "discovery",
        "discovery-update-info",
        "docs-data-update",
        "docs-examples",
        "docs-known-limitations",
        "docs-supported-devices",
        "docs-supported-functions",
        "docs-troubleshooting",
        "docs-use-cases",
        "dynamic-devices",
        "entity-category",
        "entity-device-class",
        "entity-disabled-by-default",
        "entity-translations",
        "exception-translations",
        "icon-translations",
        "reconfiguration-flow",
        "repair-issues",
        "stale-devices",
    ],
    "Platinum": ["async-dependency", "inject-websession", "strict-typing"],
}

# Discovery by any of these would have to be in the manifest.
DISCOVERY: Final = {
    *("bluetooth", "dhcp", "homekit", "mqtt", "ssdp", "usb", "zeroconf"),
}

# What Home Assistant shows to a user when it is raised.
SHOWN: Final = {
    "ConfigEntryAuthFailed",
    "ConfigEntryError",
    "ConfigEntryNotReady",
    "HomeAssistantError",
    "ServiceValidationError",
    "UpdateFailed",
}


def _scale() -> dict[str, dict[str, str]]:
    """Return the status of each rule, with its comment."""
    rules: dict[str, Any] = load_yaml_dict(str(SCALE))["rules"]
    return {
        rule: {"status": claim} if isinstance(claim, str) else claim
        for rule, claim in rules.items()
    }


CLAIMS: Final = _scale()


def _platforms() -> dict[str, ast.Module]:
    """Return the modules that hold entities."""
    names = {f"{platform}.py" for platform in Platform} | {"entity.py"}
    return {name: tree for name, tree in modules() if name in names}


def _called(*names: str) -> set[str]:
    """Return the modules in which something is called."""
    return {call.module for call in calls() if call.name in names}


def _docs() -> str:
    """Return what a user can read."""
    return "\n".join(page.line for page in pages())


def _has_heading(pattern: str) -> bool:
    """Return whether a heading of the documentation matches, of any level."""
    headings = [heading for page in pages() for heading in page.headings]
    return any(re.search(pattern, heading, re.IGNORECASE) for heading in headings)


def _labels(step: dict[str, Any]) -> set[str]:
    """Return how the fields of a form are called."""
    parts = [step, *step.get("sections", {}).values()]
    return {label for part in parts for label in part.get("data", {}).values()}


def _steps(flow: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the forms of a flow."""
    return list(flow.get("step", {}).values())


def _services() -> set[str]:
    """Return the actions."""
    return set(load_yaml_dict(str(PACKAGE / "services.yaml")))


def _has_steps(flow: type, *names: str) -> bool:
    """Return whether a flow has steps of its own."""
    return all(
        f"async_step_{name}"
        in {
            key
            for each in flow.__mro__[:-1]
            for key in vars(each)
            if each.__module__.startswith("custom_components")
        }
        for name in names
    )


def _calls_at_set_up(function: str, name: str) -> bool:
    """Return whether something is called as the integration or a home is set up."""
    set_up = functions("__init__.py")[function]
    return name in {call.name for call in calls(set_up)}


def _reconfigures() -> bool:
    """Return whether homes and meters can be changed, and are reloaded in one way.

    Home Assistant refuses a flow that reloads what has an update listener.
    """
    return not _called("async_update_reload_and_abort") and all(
        _has_steps(flow, "reconfigure")
        for flow in (FlatpeakConfigFlow, MeterSubentryFlow)
    )


def _removes_stale_devices() -> bool:
    """Return whether devices go by themselves, or by hand where they are left."""
    return "async_remove_config_entry_device" in functions(
        "__init__.py"
    ) and _calls_at_set_up("async_setup_entry", "async_remove_stale_devices")


def _describes_all_fields() -> bool:
    """Return whether a user is told what each field is for."""
    flows = [WORDS["config"], WORDS["options"], *WORDS["config_subentries"].values()]
    parts = [
        part
        for flow in flows
        for step in _steps(flow)
        for part in (step, *step.get("sections", {}).values())
    ]
    return bool(parts) and all(
        set(part.get("data", {})) == set(part.get("data_description", {}))
        for part in parts
    )


def _covers_all() -> bool:
    """Return whether the tests must cover every line and branch, without exception."""
    run, report = (PROJECT["tool"]["coverage"][name] for name in ("run", "report"))
    sources = "".join(
        path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")
    )
    return (
        run["branch"] is True
        and run["source"] == ["custom_components/flatpeak"]
        and "omit" not in run
        and report["fail_under"] == 100
        and "pragma: no cover" not in sources
    )


def _subscribes_when_added() -> bool:
    """Return whether entities subscribe to nothing before they are added."""
    listeners = re.compile(
        r"async_(track_\w+|listen\w*|dispatcher_connect|add_listener)"
    )
    return not any(
        listeners.fullmatch(call.name)
        for tree in _platforms().values()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and function.name != "async_added_to_hass"
        for call in calls(function)
    )


def _keeps_data_with_the_entry() -> bool:
    """Return whether the entry holds what belongs to it, and is typed."""
    set_up = ast.unparse(functions("__init__.py")["async_setup_entry"])
    sources = "".join(ast.unparse(tree) for _, tree in modules())
    return "entry.runtime_data = " in set_up and "hass.data[DOMAIN]" not in sources


def _translates_exceptions(*names: str) -> bool:
    """Return whether what a user is shown has a translation key."""
    shown = [
        call
        for call in calls()
        if call.name in SHOWN and (not names or call.module in names)
    ]
    return bool(shown) and all(
        {"translation_domain", "translation_key"} <= set(call.arguments)
        for call in shown
    )


def _injects_session() -> bool:
    """Return whether Home Assistant's own session is used everywhere."""
    clients = [call for call in calls() if call.name == "FlatpeakClient"]
    return (
        bool(clients)
        and all(
            ast.unparse(call.node.args[0]).startswith("async_get_clientsession(")
            for call in clients
        )
        and not _called("ClientSession", "async_create_clientsession")
    )


def _is_typed_strictly() -> bool:
    """Return whether mypy is strict, entries are typed, and exceptions have reasons."""
    sources = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    ignored = [
        line for text in sources for line in text.splitlines() if "type: ignore" in line
    ]
    entries = [
        ast.unparse(argument.annotation)
        for tree in _platforms().values()
        for function in ast.walk(tree)
        if isinstance(function, ast.AsyncFunctionDef)
        for argument in function.args.args
        if argument.arg == "entry" and argument.annotation is not None
    ]
    return (
        PROJECT["tool"]["mypy"]["strict"] is True
        and set(entries) == {"FlatpeakConfigEntry"}
        and all(re.search(r"type: ignore\[[\w, -]+\]  # \w", line) for line in ignored)
    )


def _is_async() -> bool:
    """Return whether nothing is used that would block the event loop."""
    blocking = {"httpx", "requests", "socket", "urllib.request"}
    used = {name for _, name in imports()}
    return not any(name.startswith(tuple(blocking)) for name in used)


def _hides_what_is_rarely_wanted() -> bool:
    """Return whether some entity has to be enabled first."""
    return any(
        ast.unparse(value) == "False"
        for call in calls()
        if (value := call.arguments.get("entity_registry_enabled_default"))
    )


CHECKS: Final[dict[str, Callable[[], bool]]] = {
    "action-setup": lambda: _calls_at_set_up("async_setup", "async_setup_services"),
    # A cycle follows the recorder's hour; there is no interval to poll at.
    "appropriate-polling": lambda: (
        not any("update_interval" in call.arguments for call in calls())
    ),
    "brands": lambda: all(
        (PACKAGE / "brand" / name).is_file()
        for name in ("icon.png", "icon@2x.png", "logo.png", "logo@2x.png")
    ),
    "common-modules": lambda: {"coordinator.py", "entity.py"} <= dict(modules()).keys(),
    "config-flow": lambda: MANIFEST["config_flow"] is True and _describes_all_fields(),
    "config-flow-test-coverage": _covers_all,
    "dependency-transparency": lambda: MANIFEST["requirements"] == [],
    "docs-actions": lambda: all(f"{DOMAIN}.{name}" in _docs() for name in _services()),
    "docs-high-level-description": lambda: (
        "https://flatpeak.com"
        in (ROOT / "README.md").read_text(encoding="utf-8")[:1000]
    ),
    "docs-installation-instructions": lambda: all(
        word in _docs() for word in ("HACS", "custom_components/flatpeak")
    ),
    "docs-removal-instructions": lambda: _has_heading("remov"),
    "entity-event-setup": _subscribes_when_added,
    "runtime-data": _keeps_data_with_the_entry,
    "test-before-setup": lambda: _calls_at_set_up(
        "async_setup_entry", "async_config_entry_first_refresh"
    ),
    "unique-config-entry": lambda: bool(
        _called("async_set_unique_id") & _called("_abort_if_unique_id_configured")
    ),
    "action-exceptions": lambda: _translates_exceptions(
        "services/subject.py", "failure.py"
    ),
    "docs-configuration-parameters": lambda: all(
        label in _docs() for step in _steps(WORDS["options"]) for label in _labels(step)
    ),
    "docs-installation-parameters": lambda: all(
        label in _docs()
        for flow in (WORDS["config"], *WORDS["config_subentries"].values())
        for step in _steps(flow)
        for label in _labels(step)
    ),
    "integration-owner": lambda: bool(MANIFEST["codeowners"]),
    "parallel-updates": lambda: all(
        any(
            isinstance(node, ast.Assign)
            and ast.unparse(node).startswith("PARALLEL_UPDATES = ")
            for node in tree.body
        )
        for name, tree in _platforms().items()
        if name != "entity.py"
    ),
    "reauthentication-flow": lambda: _has_steps(
        FlatpeakConfigFlow, "reauth", "reauth_confirm"
    ),
    "test-coverage": _covers_all,
    "diagnostics": lambda: (
        {
            "async_get_config_entry_diagnostics",
            "async_get_device_diagnostics",
        }
        <= functions("diagnostics.py").keys()
    ),
    "docs-data-update": lambda: _has_heading("how it works|update"),
    "docs-examples": lambda: _has_heading("example"),
    "docs-known-limitations": lambda: _has_heading("limit"),
    "docs-supported-devices": lambda: _has_heading("which|supported|what can be"),
    "docs-supported-functions": lambda: _has_heading("what it does|entit"),
    "docs-troubleshooting": lambda: _has_heading("troubleshoot"),
    "docs-use-cases": lambda: _has_heading("use case|use it for"),
    # Meters that are added later set the home up anew, with the entities of each meter.
    "dynamic-devices": lambda: (
        "__init__.py" in _called("add_update_listener")
        and any("config_subentry_id" in call.arguments for call in calls())
    ),
    "entity-disabled-by-default": _hides_what_is_rarely_wanted,
    "exception-translations": _translates_exceptions,
    "reconfiguration-flow": _reconfigures,
    "repair-issues": lambda: (
        bool(WORDS["issues"]) and bool(_called("async_raise_issue"))
    ),
    "stale-devices": _removes_stale_devices,
    "async-dependency": _is_async,
    "inject-websession": _injects_session,
    "strict-typing": _is_typed_strictly,
}

# What is looked at in a home that runs, below.
RUNNING: Final = {
    "config-entry-unloading",
    "devices",
    "entity-category",
    "entity-device-class",
    "entity-translations",
    "entity-unavailable",
    "entity-unique-id",
    "has-entity-name",
    "icon-translations",
    "log-when-unavailable",
    "test-before-configure",
}

EXEMPTIONS: Final[dict[str, Callable[[], bool]]] = {
    "docs-conditions": lambda: not (PACKAGE / "conditions.yaml").exists(),
    "docs-triggers": lambda: not (PACKAGE / "triggers.yaml").exists(),
    "discovery": lambda: not DISCOVERY & MANIFEST.keys(),
    "discovery-update-info": lambda: not DISCOVERY & MANIFEST.keys(),
}


def test_rules() -> None:
    """Each of the 54 rules has its place under its tier, and nothing else has."""
    tiers: dict[str, list[str]] = {}
    for line in SCALE.read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"  # (\w+)", line):
            tiers[match[1]] = []
        elif match := re.match(r"  ([\w-]+):", line):
            tiers[list(tiers)[-1]].append(match[1])

    assert {tier: sorted(rules) for tier, rules in tiers.items()} == {
        tier: sorted(rules) for tier, rules in RULES.items()
    }
    assert sum(map(len, RULES.values())) == len(CLAIMS) == 54


def test_claims() -> None:
    """A rule is done, or does not apply for a reason."""
    assert {claim["status"] for claim in CLAIMS.values()} == {"done", "exempt"}
    for claim in CLAIMS.values():
        assert claim["status"] != "exempt" or claim["comment"].endswith(".")


def test_every_claim_is_checked() -> None:
    """No rule is claimed that nothing looks at."""
    exempt = {rule for rule, claim in CLAIMS.items() if claim["status"] == "exempt"}

    assert CHECKS.keys() | RUNNING == CLAIMS.keys() - exempt
    assert EXEMPTIONS.keys() == exempt


@pytest.mark.parametrize("rule", sorted(CHECKS))
def test_done(rule: str) -> None:
    """What is claimed is so."""
    assert CHECKS[rule]()


@pytest.mark.parametrize("rule", sorted(EXEMPTIONS))
def test_exempt(rule: str) -> None:
    """What is said not to apply does not."""
    assert EXEMPTIONS[rule]()


@pytest.fixture
async def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home that runs."""
    priced = PricedHome(home, freezer)
    await priced.async_begin(history="30_days")
    return priced


def _entities(priced: PricedHome) -> list[RegistryEntry]:
    """Return the entities of a home."""
    registry = er.async_get(priced.hass)
    return er.async_entries_for_config_entry(registry, priced.entry.entry_id)


async def test_entities(priced: PricedHome) -> None:
    """Names, ids, categories and classes of entities are as is claimed.

    Those are entity-unique-id, has-entity-name, entity-translations, entity-category,
    entity-device-class and icon-translations.
    """
    entities = _entities(priced)
    owners = {
        priced.location_id,
        *(each.device_id for each in priced.entry.runtime_data.meters),
    }
    icons = read_json("icons.json")["entity"]
    diagnostic = {
        "last_upload",
        "last_priced_hour",
        "records_waiting",
        "history_progress",
    }
    found = set()
    for each in entities:
        owner = next(one for one in owners if each.unique_id.startswith(f"{one}_"))
        key = each.unique_id.removeprefix(f"{owner}_")
        device_class = each.original_device_class
        assert each.has_entity_name
        assert each.translation_key in WORDS["entity"][each.domain]
        if key in diagnostic:
            assert each.entity_category is EntityCategory.DIAGNOSTIC
            found.add(key)
        else:
            assert each.entity_category is None
        if "cost" in key:
            assert device_class == SensorDeviceClass.MONETARY
        assert device_class in (None, *SensorDeviceClass)
        # The icon of a device class says enough, and is not to be replaced.
        assert device_class or each.translation_key in icons[each.domain]
        assert each.original_icon is None

    assert found == diagnostic
    assert len({each.unique_id for each in entities}) == len(entities) > 20


async def test_devices(priced: PricedHome) -> None:
    """The home is a device, and each meter one that is reached by way of it."""
    registry = dr.async_get(priced.hass)
    devices = dr.async_entries_for_config_entry(registry, priced.entry.entry_id)
    home = registry.async_get_device_by_identifier(
        (DOMAIN, priced.location_id), priced.entry.entry_id
    )
    assert home is not None

    assert len(devices) == 3
    for device in devices:
        assert device.manufacturer and device.name
        assert device.entry_type is dr.DeviceEntryType.SERVICE
        assert device.via_device_id == (None if device.id == home.id else home.id)
    assert {each.device_id for each in _entities(priced)} == {
        each.id for each in devices
    }


async def test_unavailable(
    priced: PricedHome, caplog: pytest.LogCaptureFixture
) -> None:
    """Entities are unavailable while Flatpeak is, which is logged once, and its end too.

    Those are entity-unavailable and log-when-unavailable.
    """
    caplog.clear()
    priced.simulator.faults.next(
        "GET /locations/{id}/status", *[Fault.SERVER_ERROR] * 9
    )
    await priced.async_use()
    for _ in range(3):
        await priced.async_cycle()
        assert priced.state("cost_today", Direction.IMPORT) == "unavailable"
        priced.tick()
    priced.simulator.faults.clear()
    await priced.async_cycle()
    assert priced.state("cost_today", Direction.IMPORT) != "unavailable"

    lines = [
        record.levelname
        for record in caplog.records
        if record.name == "custom_components.flatpeak" and record.levelname != "DEBUG"
    ]
    assert lines == ["ERROR", "INFO"]


async def test_unloading(priced: PricedHome) -> None:
    """A home is taken down and set up again while Home Assistant runs."""
    entries = priced.hass.config_entries
    price = priced.entity_id("import_price")
    assert await entries.async_unload(priced.entry.entry_id)
    assert priced.entry.state is ConfigEntryState.NOT_LOADED
    state = priced.hass.states.get(price)
    assert state is not None and state.state == "unavailable"
    assert await entries.async_setup(priced.entry.entry_id)
    await priced.home.async_settle()
    assert priced.state("import_price") != "unavailable"


async def test_before_configure(home: Home) -> None:
    """The key is tried before anything is set up."""
    flow = await home.async_begin_flow(api_key="sk_test_wrong")

    assert flow["step_id"] == "user"
    assert flow["errors"] == {"api_key": "invalid_auth"}
