"""What hassfest and HACS ask of a custom integration, without asking them.

The facts are those of script/hassfest of Home Assistant and of HACS's validation; their
own actions run where the project is published. Texts are looked at in
`test_translations.py`.
"""

import ast
import json
from pathlib import Path
import re
import subprocess
import sys
from typing import Any, Final
from zipfile import ZipFile

from awesomeversion import AwesomeVersion, AwesomeVersionStrategy
from PIL import Image
import pytest
import voluptuous as vol

from custom_components.flatpeak.const import DOMAIN
from homeassistant.const import Platform
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.selector import validate_selector
from homeassistant.util.yaml import load_yaml_dict

from .source import calls, imports, modules
from .words import PACKAGE, read_json

ROOT: Final = PACKAGE.parents[1]
MANIFEST: Final = read_json("manifest.json")
LANGUAGES: Final = sorted((PACKAGE / "translations").glob("*.json"))

# What may be imported of Home Assistant without being named in the manifest.
INTERNAL: Final = {
    *Platform,
    *("automation", "conversation", "device_automation", "frontend", "group"),
    *("homeassistant", "media_source", "onboarding", "persistent_notification"),
    *("person", "script", "sun", "system_health", "system_log", "timer", "webhook"),
    *("websocket_api", "zone"),
}

TEXT: Final = cv.string_with_no_html
TEXTS: Final = {str: TEXT}


def _https(value: str) -> str:
    """Return an address, raise Invalid unless it is a secure one."""
    if not value.startswith("https://"):
        raise vol.Invalid("not https")
    return value


def _version(value: str) -> str:
    """Return a version, raise AwesomeVersionException unless it is one."""
    AwesomeVersion(
        value,
        ensure_strategy=[AwesomeVersionStrategy.SEMVER, AwesomeVersionStrategy.CALVER],
    )
    return value


MANIFEST_SCHEMA: Final = vol.Schema(
    {
        vol.Required("domain"): vol.All(str, PACKAGE.name),
        vol.Required("name"): str,
        vol.Optional("after_dependencies"): [str],
        vol.Required("codeowners"): vol.All([vol.Match("^@")], vol.Length(min=1)),
        vol.Optional("config_flow"): bool,
        vol.Optional("dependencies"): [str],
        vol.Required("documentation"): vol.All(vol.Url(), _https),
        vol.Optional("integration_type"): vol.In(
            ["device", "entity", "hardware", "helper", "hub", "service", "system"]
        ),
        vol.Required("iot_class"): vol.In(
            [
                *("assumed_state", "calculated", "cloud_polling", "cloud_push"),
                *("local_polling", "local_push"),
            ]
        ),
        # HACS wants it.
        vol.Required("issue_tracker"): vol.All(vol.Url(), _https),
        vol.Optional("loggers"): [str],
        vol.Optional("requirements"): [vol.Match(r"^[\w.-]+==[\w.]+$")],
        vol.Optional("single_config_entry"): bool,
        vol.Required("version"): _version,
    }
)

SECTION: Final = {
    vol.Optional("name"): TEXT,
    vol.Optional("description"): TEXT,
    vol.Optional("data"): TEXTS,
    vol.Optional("data_description"): TEXTS,
}
STEP: Final = {
    vol.Optional("title"): TEXT,
    vol.Optional("description"): TEXT,
    vol.Optional("data"): TEXTS,
    vol.Optional("data_description"): TEXTS,
    vol.Optional("menu_options"): TEXTS,
    vol.Optional("menu_option_descriptions"): TEXTS,
    vol.Optional("submit"): TEXT,
    vol.Optional("sections"): {str: SECTION},
}
FLOW: Final = {
    vol.Optional("flow_title"): TEXT,
    vol.Required("step"): {str: STEP},
    vol.Optional("error"): TEXTS,
    vol.Optional("abort"): TEXTS,
    vol.Optional("progress"): TEXTS,
    vol.Optional("create_entry"): TEXTS,
}
SUBENTRY_FLOW: Final = FLOW | {
    vol.Required("entry_type"): TEXT,
    vol.Required("initiate_flow"): {vol.Required("user"): TEXT, str: TEXT},
}
ENTITY: Final = {
    vol.Optional("name"): TEXT,
    vol.Optional("state"): TEXTS,
    vol.Optional("state_attributes"): {
        str: {vol.Optional("name"): TEXT, vol.Optional("state"): TEXTS}
    },
    vol.Optional("unit_of_measurement"): TEXT,
}
SERVICE: Final = {
    vol.Required("name"): TEXT,
    vol.Required("description"): TEXT,
    vol.Optional("fields"): {
        str: {
            vol.Required("name"): TEXT,
            vol.Required("description"): TEXT,
            vol.Optional("example"): TEXT,
        }
    },
    vol.Optional("sections"): {
        str: {vol.Required("name"): TEXT, vol.Optional("description"): TEXT}
    },
}
TRANSLATION_SCHEMA: Final = vol.Schema(
    {
        vol.Optional("title"): TEXT,
        vol.Optional("config"): FLOW,
        vol.Optional("config_subentries"): {cv.slug: SUBENTRY_FLOW},
        vol.Optional("options"): FLOW,
        vol.Optional("selector"): {cv.slug: {vol.Optional("options"): TEXTS}},
        vol.Optional("system_health"): {vol.Optional("info"): TEXTS},
        vol.Optional("entity"): {vol.In(list(Platform)): {str: ENTITY}},
        vol.Optional("exceptions"): {cv.slug: {vol.Optional("message"): TEXT}},
        vol.Optional("issues"): {
            str: vol.Any(
                {vol.Required("title"): TEXT, vol.Required("description"): TEXT},
                {vol.Required("title"): TEXT, vol.Required("fix_flow"): FLOW},
            )
        },
        vol.Optional("services"): {cv.slug: SERVICE},
    }
)

ICON: Final = vol.Match(r"^mdi:[a-z0-9-]+$")
ICONS_SCHEMA: Final = vol.Schema(
    {
        vol.Optional("entity"): {
            vol.In(list(Platform)): {
                str: {
                    vol.Optional("default"): ICON,
                    vol.Optional("range"): {str: ICON},
                    vol.Optional("state"): {str: ICON},
                    vol.Optional("state_attributes"): {
                        str: {
                            vol.Optional("default"): ICON,
                            vol.Optional("state"): {str: ICON},
                        }
                    },
                }
            }
        },
        vol.Optional("services"): {
            cv.slug: {
                vol.Required("service"): ICON,
                vol.Optional("sections"): {str: ICON},
            }
        },
    }
)

FIELD: Final = {
    vol.Optional("example"): vol.NotIn([None]),
    vol.Optional("default"): vol.NotIn([None]),
    vol.Optional("required"): bool,
    vol.Optional("selector"): validate_selector,
}
SERVICES_SCHEMA: Final = vol.Schema(
    {
        cv.slug: vol.Any(
            None,
            {
                vol.Optional("fields"): {
                    str: vol.Any(
                        FIELD,
                        {
                            vol.Optional("collapsed"): bool,
                            vol.Required("fields"): {str: FIELD},
                        },
                    )
                }
            },
        )
    }
)

HACS_SCHEMA: Final = vol.Schema(
    {
        vol.Required("name"): str,
        vol.Optional("filename"): str,
        vol.Optional("hide_default_branch"): bool,
        vol.Optional("homeassistant"): vol.All(str, _version),
        vol.Optional("zip_release"): bool,
    }
)


def _services() -> dict[str, Any]:
    """Return the described actions."""
    return load_yaml_dict(str(PACKAGE / "services.yaml"))


def _fields(service: dict[str, Any] | None) -> set[str]:
    """Return the fields of an action, those in sections too."""
    names = set()
    for name, field in ((service or {}).get("fields") or {}).items():
        names |= set(field["fields"]) if "fields" in (field or {}) else {name}
    return names


def test_manifest() -> None:
    """The manifest has all that is wanted, and in the wanted order."""
    MANIFEST_SCHEMA(MANIFEST)

    first, rest = list(MANIFEST)[:2], list(MANIFEST)[2:]
    assert first == ["domain", "name"]
    assert rest == sorted(rest)
    assert not MANIFEST["documentation"].startswith("https://www.home-assistant.io/")
    assert not set(MANIFEST["dependencies"]) & set(MANIFEST["after_dependencies"])


def test_imports() -> None:
    """What is used of other integrations is named in the manifest, and only that."""
    named = {*MANIFEST["dependencies"], *MANIFEST["after_dependencies"]}
    used = set()
    for module, name in imports():
        if match := re.match(r"homeassistant\.components\.(\w+)", name):
            # A platform may import whose platform it is.
            if match[1] != Path(module).stem and match[1] not in INTERNAL:
                used.add(match[1])

    assert used == named


def test_config_flow() -> None:
    """There is a flow, and nothing to be configured elsewhere."""
    names = dict(modules())
    assert (MANIFEST["config_flow"] is True) == ("config_flow.py" in names)
    assigned = [
        ast.unparse(node)
        for node in names["__init__.py"].body
        if isinstance(node, ast.Assign)
    ]
    assert "CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)" in assigned


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_translations(path: Path) -> None:
    """A language has only what Home Assistant knows, and describes fields that are there."""
    words = json.loads(path.read_text(encoding="utf-8"))
    TRANSLATION_SCHEMA(words)

    flows = [words["config"], words["options"], *words["config_subentries"].values()]
    for step in (step for flow in flows for step in flow["step"].values()):
        for part in (step, *step.get("sections", {}).values()):
            assert set(part.get("data_description", {})) <= set(part.get("data", {}))
        # An integration is called by its name: there is nothing to translate.
        assert step.get("title") != MANIFEST["name"]


def test_no_strings() -> None:
    """The words of a custom integration are in `translations` alone."""
    assert not (PACKAGE / "strings.json").exists()
    assert not (PACKAGE / ".translations").exists()


def test_icons() -> None:
    """Icons are of the design that the frontend has, and say something by their state."""
    icons = read_json("icons.json")
    ICONS_SCHEMA(icons)

    for entities in icons["entity"].values():
        for icon in entities.values():
            assert icon.get("default") not in icon.get("state", {}).values()


def test_services() -> None:
    """Every action that is registered is described, has its words and an icon."""
    services = _services()
    SERVICES_SCHEMA(services)
    words = read_json("translations/en.json")

    registered = [
        call
        for call in calls()
        if call.name == "async_register" and call.module.startswith("services/")
    ]
    assert len(registered) == len(services)
    assert set(services) == set(words["services"])
    assert set(services) == set(read_json("icons.json")["services"])
    for name, service in services.items():
        assert _fields(service) == set(words["services"][name].get("fields", {}))


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.json")), ids=lambda path: path.name
)
def test_json(path: Path) -> None:
    """No key is there twice, of which one would be lost."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Return an object."""
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)


def test_hacs() -> None:
    """HACS finds one integration with a name, a page and a licence."""
    hacs = json.loads((ROOT / "hacs.json").read_text(encoding="utf-8"))
    HACS_SCHEMA(hacs)
    integrations = [
        path.parent.name for path in ROOT.glob("custom_components/*/manifest.json")
    ]

    assert integrations == [DOMAIN]
    assert hacs["name"] == MANIFEST["name"]
    assert hacs["zip_release"] and hacs["filename"]
    assert (ROOT / "README.md").stat().st_size > 1000
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")[:200]


@pytest.mark.parametrize("theme", ["", "dark_"])
@pytest.mark.parametrize("scale", [1, 2])
def test_brand(theme: str, scale: int) -> None:
    """Images have the sizes of home-assistant/brands, no border, and no background."""
    suffix = "@2x" if scale == 2 else ""
    for name in ("icon", "logo"):
        with Image.open(PACKAGE / "brand" / f"{theme}{name}{suffix}.png") as image:
            assert image.format == "PNG"
            assert image.mode == "RGBA"
            assert image.getbbox() == (0, 0, *image.size)
            assert image.getpixel((0, 0))[3] == 0  # type: ignore[index]  # a pixel of four channels
            if name == "icon":
                assert image.size == (256 * scale, 256 * scale)
            else:
                assert image.width > image.height
                assert 128 * scale <= image.height <= 256 * scale


def test_brand_has_only_what_is_served() -> None:
    """Home Assistant serves these eight names and no others."""
    assert {path.name for path in (PACKAGE / "brand").iterdir()} == {
        f"{theme}{name}{suffix}.png"
        for theme in ("", "dark_")
        for name in ("icon", "logo")
        for suffix in ("", "@2x")
    }


def test_release(tmp_path: Path) -> None:
    """A release is the integration, as it is unpacked, with the version of its tag."""
    path = tmp_path / "flatpeak.zip"
    script = [sys.executable, str(ROOT / "scripts" / "release")]
    subprocess.run([*script, "v1.2.3", str(path)], check=True)

    with ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        names = set(archive.namelist())
    assert manifest == MANIFEST | {"version": "1.2.3"}
    assert list(manifest) == list(MANIFEST)
    assert names == {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    no_version = subprocess.run(
        [*script, "main", str(path)], check=False, capture_output=True
    )
    assert no_version.returncode


def _github(name: str) -> dict[Any, Any]:
    """Return a file that GitHub reads."""
    return load_yaml_dict(str(ROOT / ".github" / name))


def _steps(name: str) -> list[dict[str, Any]]:
    """Return the steps of a workflow's jobs."""
    jobs = _github(f"workflows/{name}.yml")["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def test_workflows() -> None:
    """The real actions run, the tests do, and a release becomes a zip.

    That GitHub understands them is checked by scripts/lint.
    """
    used = {step["uses"] for step in _steps("validate") if "uses" in step}
    assert {"home-assistant/actions/hassfest@master", "hacs/action@main"} <= used
    assert "bash .ci/run" in [step.get("run") for step in _steps("ci")]
    assert any("scripts/release" in step.get("run", "") for step in _steps("release"))
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        workflow = _github(f"workflows/{path.name}")
        assert "permissions" in workflow
        assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_issue_forms() -> None:
    """Who reports a fault is asked for the diagnostics."""
    required = {
        field["id"]
        for field in _github("ISSUE_TEMPLATE/bug.yml")["body"]
        if field.get("validations", {}).get("required")
    }

    assert {"problem", "version", "home_assistant", "diagnostics"} <= required
    assert _github("ISSUE_TEMPLATE/idea.yml")["body"]
    assert _github("ISSUE_TEMPLATE/config.yml")["blank_issues_enabled"] is False


def test_pins_are_kept_up() -> None:
    """Actions and pins are looked after."""
    updates = _github("dependabot.yml")["updates"]

    assert {each["package-ecosystem"] for each in updates} == {"github-actions", "pip"}
