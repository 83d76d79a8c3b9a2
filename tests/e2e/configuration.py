"""The configuration directory of the demo's Home Assistant."""

import json
from pathlib import Path
import shutil
from typing import Any, Final

from .process import LOOPBACK, ROOT

TIME_ZONE: Final = "Europe/Berlin"
CURRENCY: Final = "EUR"
COUNTRY: Final = "DE"

CONFIGURATION: Final = f"""\
# Written by scripts/demo at every start.
homeassistant:
  name: Home
  latitude: 47.9959
  longitude: 7.8494
  elevation: 280
  currency: {CURRENCY}
  country: {COUNTRY}
  time_zone: {TIME_ZONE}
  unit_system: metric
  language: en
config:
energy:
frontend:
history:
input_boolean:
  heat_pump_session:
    name: Heat pump session
recorder:
"""

# Tells when the heat pump is in session.
IN_SESSION: Final = "input_boolean.heat_pump_session"

INTEGRATIONS: Final = (
    ROOT / "custom_components" / "flatpeak",
    ROOT / "tests" / "e2e" / "custom_components" / "household",
)
HOUSEHOLD_DATA: Final = ROOT / "tests" / "data" / "household-2016.csv.gz"

# What the onboarding asks after the first user; the demo knows the answers.
ONBOARDED: Final = ["core_config", "analytics", "integration"]


def prepare(directory: Path, port: int) -> bool:
    """Make a configuration directory fit for a start, return whether it is new."""
    storage = directory / ".storage"
    storage.mkdir(parents=True, exist_ok=True)
    (directory / "configuration.yaml").write_text(CONFIGURATION, encoding="utf-8")
    _copy_integrations(directory / "custom_components")
    # In configuration.yaml an address would hold for five minutes only.
    _write(storage, "http", {"server_host": [LOOPBACK], "server_port": port})
    if (storage / "onboarding").exists():
        _forget_flatpeak(storage)
        return False
    _write(storage, "onboarding", {"done": ONBOARDED}, version=4)
    _write(storage, "core.config_entries", {"entries": [_disabled("marketplace")]})
    return True


def _copy_integrations(destination: Path) -> None:
    """Install the integrations as they are now."""
    shutil.rmtree(destination, ignore_errors=True)
    for source in INTEGRATIONS:
        shutil.copytree(
            source,
            destination / source.name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    shutil.copy(HOUSEHOLD_DATA, destination / "household")


def _forget_flatpeak(storage: Path) -> None:
    """Let the home begin anew with Flatpeak, for the simulated one forgets when it ends."""
    path = storage / "core.config_entries"
    content = json.loads(path.read_text(encoding="utf-8"))
    for entry in content["data"]["entries"]:
        if entry["domain"] == "flatpeak":
            entry["disabled_by"] = "user"
    path.write_text(json.dumps(content), encoding="utf-8")
    for journal in storage.glob("flatpeak*"):
        journal.unlink()


def _write(storage: Path, key: str, data: dict[str, Any], version: int = 1) -> None:
    """Write one of Home Assistant's stores."""
    content = {"version": version, "minor_version": 1, "key": key, "data": data}
    (storage / key).write_text(json.dumps(content), encoding="utf-8")


def _disabled(domain: str) -> dict[str, Any]:
    """Return a config entry that keeps an integration from setting itself up and calling out."""
    return {
        "entry_id": domain,
        "domain": domain,
        "title": domain,
        "version": 1,
        "minor_version": 1,
        "source": "user",
        "unique_id": domain,
        "disabled_by": "user",
        "data": {},
        "options": {},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
    }
