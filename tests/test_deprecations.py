"""What is going away is noticed, wherever in the tests it is used."""

from types import ModuleType

from custom_components.flatpeak.const import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.helpers.deprecation import deprecated_function
from homeassistant.helpers.frame import report_usage
from homeassistant.loader import async_get_integration

from .words import PACKAGE


async def test_reported_usage(
    hass: HomeAssistant, enable_custom_integrations: None, deprecations: list[str]
) -> None:
    """What Home Assistant reports of the integration fails a test."""
    await async_get_integration(hass, DOMAIN)
    report_usage("uses what is going away", integration_domain=DOMAIN)

    assert len(deprecations) == 1
    deprecations.clear()


async def test_deprecated_function(
    hass: HomeAssistant, enable_custom_integrations: None, deprecations: list[str]
) -> None:
    """So does a call of a deprecated function."""
    await async_get_integration(hass, DOMAIN)
    caller = ModuleType("caller")
    caller.__dict__["old"] = deprecated_function("new")(list)
    # Coverage wants to read the file: of this one only a line without a statement runs.
    code = compile("old()", str(PACKAGE / "__init__.py"), "exec")
    eval(code, caller.__dict__)  # noqa: S307  # a frame that lies in the integration

    assert len(deprecations) == 1
    deprecations.clear()
