"""What actions answer, and what they say to nonsense."""

from math import fsum, isclose
from typing import Any
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
import pytest
import voluptuous as vol

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .home import Home
from .priced import NOW, PricedHome
from .simulator import Fault
from .simulator.tariffs import Direction

BERLIN = ZoneInfo("Europe/Berlin")
REPORT = "POST /costs/interval/{id}"


@pytest.fixture
async def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home with two days of energy."""
    priced = PricedHome(home, freezer)
    await priced.async_begin(hours=48)
    return priced


async def async_get_costs(priced: PricedHome, **data: Any) -> dict[str, Any]:
    """Call the action, for grid import of the last days where nothing else is said."""
    if "device_id" not in data:
        data["device_id"] = priced.device_id(priced.meter().device_id)
    return await priced.async_ask(
        "get_costs", **{"start": "2026-11-22 00:00:00"} | data
    )


async def test_costs_of_a_meter(priced: PricedHome) -> None:
    """Days are those of Flatpeak's report, in local time, until now."""
    answer = await async_get_costs(priced)

    assert {key: answer[key] for key in ("currency", "time_zone", "direction")} == {
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "direction": "import",
    }
    truth = priced.simulator.truth(priced.meter().device_id).days()
    assert [row["start"] for row in answer["rows"]] == [
        f"2026-11-{day}T00:00:00+01:00" for day in (22, 23, 24)
    ]
    for row, day in zip(answer["rows"], truth, strict=True):
        assert isclose(row["energy"], day.energy / 1000)
        assert isclose(row["cost"], float(day.reported_cost))
        assert row["confidence"] == 1
    assert answer["rows"][-1]["end"] == NOW.astimezone(BERLIN).isoformat()


async def test_costs_of_months_and_without_aggregation(priced: PricedHome) -> None:
    """A window can be reported by month, or as Flatpeak has it."""
    truth = priced.simulator.truth(priced.meter().device_id).days()
    cost = fsum(float(day.reported_cost) for day in truth)
    for aggregation in ("month", "none"):
        answer = await async_get_costs(priced, aggregation=aggregation)
        assert len(answer["rows"]) == 1
        assert isclose(answer["rows"][0]["cost"], cost, abs_tol=3e-5)


async def test_costs_of_the_home(priced: PricedHome) -> None:
    """The home is asked for by its location, at import prices or as told."""
    priced.simulator.settings.location_includes_devices = True
    home = priced.device_id(priced.location_id)
    for direction in (Direction.IMPORT, Direction.EXPORT):
        given = {} if direction is Direction.IMPORT else {"direction": "export"}
        answer = await async_get_costs(priced, device_id=home, **given)
        assert answer["direction"] == direction.lower()
        truth = priced.simulator.truth(priced.meter(direction).device_id, direction)
        assert [row["cost"] for row in answer["rows"]] == [
            float(day.reported_cost) for day in truth.days()
        ]


async def test_a_meter_has_its_own_price(priced: PricedHome) -> None:
    """Grid export is priced by what is paid for it."""
    export = priced.device_id(priced.meter(Direction.EXPORT).device_id)
    answer = await async_get_costs(priced, device_id=export)
    assert answer["direction"] == "export"


@pytest.mark.parametrize(("aggregation", "requests"), [("day", 3), ("month", 4)])
async def test_long_windows_are_split(
    priced: PricedHome, aggregation: str, requests: int
) -> None:
    """No request is for more than ninety days, and no day or month is cut."""
    priced.simulator.requests.clear()
    answer = await async_get_costs(
        priced,
        start="2026-04-15 00:00:00",
        end="2026-12-01 00:00:00",
        aggregation=aggregation,
    )
    assert priced.simulator.requests.count(REPORT, 200) == requests
    assert len(answer["rows"]) == {"day": 3, "month": 1}[aggregation]


async def test_a_window_over_new_year(priced: PricedHome) -> None:
    """Months go on in the next year."""
    answer = await async_get_costs(
        priced,
        start="2025-11-15 00:00:00",
        end="2026-11-24 00:00:00",
        aggregation="month",
    )
    assert [row["start"] for row in answer["rows"]] == ["2026-11-01T00:00:00+01:00"]


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"device_id": "nobody"}, "service_device_not_found"),
        ({"end": "2026-11-22 00:00:00"}, "end_before_start"),
        ({"end": "2026-11-21 00:00:00"}, "end_before_start"),
        ({"start": "2026-12-22 00:00:00"}, "end_before_start"),
        ({"start": "2026-08-01 00:00:00", "aggregation": "none"}, "window_too_long"),
    ],
)
async def test_nonsense(priced: PricedHome, data: dict[str, str], key: str) -> None:
    """What makes no sense is said to be a mistake, before Flatpeak is asked."""
    with pytest.raises(ServiceValidationError) as error:
        await async_get_costs(priced, **data)
    assert error.value.translation_key == key
    with pytest.raises(vol.Invalid):
        await async_get_costs(priced, aggregation="week")


async def test_a_home_that_is_not_set_up(priced: PricedHome) -> None:
    """The action is there, and says so."""
    meter = priced.device_id(priced.meter().device_id)
    await priced.hass.config_entries.async_unload(priced.entry.entry_id)
    with pytest.raises(ServiceValidationError) as error:
        await async_get_costs(priced, device_id=meter)
    assert error.value.translation_key == "service_config_entry_not_loaded"
    await priced.hass.config_entries.async_setup(priced.entry.entry_id)


async def test_two_currencies(priced: PricedHome) -> None:
    """A sum of two currencies is no answer."""
    body = {
        "object": "energy_cost",
        "id": "ecs_1",
        "object_id": priced.meter().device_id,
        "tariff_direction": "IMPORT",
        "currency_code": "BGN",
        "energy_units": "WH",
        "data": [],
    }
    priced.simulator.faults.next(REPORT, Fault.answer(200, body))
    with pytest.raises(ServiceValidationError) as error:
        await async_get_costs(priced, start="2026-06-01 00:00:00")
    assert error.value.translation_key == "currencies_differ"


async def test_what_goes_wrong_at_flatpeak(priced: PricedHome) -> None:
    """A failure has its words, and a refusal is not asked for again too soon."""
    priced.simulator.faults.next(REPORT, Fault.SERVER_ERROR)
    with pytest.raises(HomeAssistantError) as error:
        await async_get_costs(priced)
    assert error.value.translation_key == "server_error"

    priced.simulator.account().disconnect(priced.location_id, Direction.IMPORT)
    priced.simulator.requests.clear()
    for _ in range(2):
        with pytest.raises(HomeAssistantError) as error:
            await async_get_costs(priced)
        assert error.value.translation_key == "no_tariff"
    assert priced.simulator.requests.count(REPORT) == 1
    assert priced.simulator.violations.total == 0
