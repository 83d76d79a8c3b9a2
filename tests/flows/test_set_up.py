"""How a home is set up."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
import pytest
import voluptuous as vol

from custom_components.flatpeak.const import DOMAIN
from homeassistant.components.recorder.models import (
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_add_external_statistics
from homeassistant.config_entries import SOURCE_USER, ConfigEntry, ConfigEntryState
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er, instance_id
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util

from ..home import ADDRESS, CAR, GRID_SOURCE, SOLAR_SOURCE, Flow, Home
from ..simulator import Direction, Fault, Flat, Simulator
from ..simulator.faults import Process
from .steps import (
    EXTERNAL,
    METERS,
    SENSORS,
    add_location,
    async_finish,
    async_references,
    async_to_address,
    async_to_meters,
    async_to_tariff,
    labels,
    locations_of,
    offered,
    suggested,
)


async def test_new_home(furnished: Home, freezer: FrozenDateTimeFactory) -> None:
    """A home is registered at Flatpeak, and each energy of its dashboard is a meter."""
    flow: Flow = await furnished.hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert flow["step_id"] == "user"
    assert flow["errors"] == {}
    flow = await furnished.async_answer(flow, **furnished.account_input())
    assert flow["step_id"] == "location"
    assert offered(flow, "location_id") == ["new"]
    flow = await furnished.async_answer(flow, location_id="new")
    assert flow["step_id"] == "address"
    assert suggested(flow) == {"country_code": "DE"}
    flow = await furnished.async_answer(flow, **ADDRESS)
    assert flow["step_id"] == "tariff"
    flow = await furnished.async_answer(flow, tariff="market")
    assert flow["step_id"] == "meters"
    assert flow["errors"] == {}
    assert flow["data_schema"]({}) == {
        "meters": METERS,
        "history": "1_year",
        "link_dashboard": True,
    }
    assert labels(flow, "meters") == [
        "Grid import (Grid import)",
        "Grid export (Grid export)",
        "Solar production (Own generation)",
        "Ev charger (Consumption of a device)",
    ]
    begun = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    entry = await async_finish(furnished, flow, METERS, history="30_days")

    simulator = furnished.simulator
    account = simulator.account()
    [location] = account.locations
    assert location.reference_id == await instance_id.async_get(furnished.hass)
    assert location.address == ADDRESS
    assert location.connections.keys() == {Direction.IMPORT, Direction.EXPORT}
    devices = list(account.devices)
    assert [device.reference_id for device in devices] == await async_references(
        furnished
    )

    assert entry.state is ConfigEntryState.LOADED
    assert entry.title == furnished.hass.config.location_name
    assert entry.unique_id == location.id
    assert entry.data == {
        "account_id": simulator.account_id,
        "api_key": simulator.api_key,
        "api_url": simulator.url,
        "connect_url": "https://connect-web.flatpeak.com",
        "location_id": location.id,
    }
    assert entry.options == {"history": "30_days", "link_dashboard": True}
    registry = er.async_get(furnished.hass)
    names = ("Grid import", "Grid export", "Solar production", "Ev charger")
    flows = ("grid_import", "grid_export", "local_generation", "consumption")
    assert [
        (meter.subentry_type, meter.title, meter.unique_id, dict(meter.data))
        for meter in entry.subentries.values()
    ] == [
        (
            "meter",
            name,
            device.id,
            {
                "device_id": device.id,
                "flow": energy_flow,
                "source": registry.entities[sensor].id,
                "history_start": (begun - timedelta(days=30)).isoformat(),
            },
        )
        for name, device, energy_flow, sensor in zip(
            names, devices, flows, SENSORS, strict=True
        )
    ]
    assert simulator.requests.count("GET /login") == 1
    assert simulator.violations.total == 0


async def test_home_with_import_tariff(furnished: Home) -> None:
    """A location that has its tariff is asked for nothing more."""
    bare = add_location(furnished.simulator, country_code="DE")
    priced = add_location(furnished.simulator, import_price="0.3")

    flow = await furnished.async_begin_flow()
    assert offered(flow, "location_id") == [bare.id, priced.id, "new"]
    assert labels(flow, "location_id") == [
        bare.id,
        "Lindenstraße 7, 10969, Berlin",
        "",
    ]
    flow = await furnished.async_answer(flow, location_id=priced.id)
    assert flow["step_id"] == "meters"
    entry = await async_finish(furnished, flow, METERS[:1])

    assert entry.unique_id == entry.data["location_id"] == priced.id
    assert locations_of(furnished) == [bare, priced]
    assert priced.connections.keys() == {Direction.IMPORT}


@pytest.mark.parametrize(
    ("sources", "exports", "connected"),
    [
        ([GRID_SOURCE], False, {Direction.IMPORT, Direction.EXPORT}),
        ([GRID_SOURCE], True, {Direction.IMPORT, Direction.EXPORT}),
        ([GRID_SOURCE | {"stat_energy_to": None}], False, {Direction.IMPORT}),
        ([], False, {Direction.IMPORT}),
    ],
)
async def test_market_prices(
    furnished: Home,
    sources: list[dict[str, Any]],
    exports: bool,
    connected: set[Direction],
) -> None:
    """The market prices what is bought, and what is sold where it has no price yet."""
    location = add_location(furnished.simulator)
    if exports:
        tariff = Flat(price=Decimal("0.1"))
        furnished.simulator.account().connect(location.id, Direction.EXPORT, tariff)
    await furnished.async_show(*sources)
    flow = await furnished.async_begin_flow()
    flow = await furnished.async_answer(flow, location_id=location.id)
    assert flow["step_id"] == "tariff"
    assert flow["data_schema"].schema["tariff"].config["options"] == [
        "market",
        "connect",
        "later",
    ]

    flow = await furnished.async_answer(flow, tariff="market")

    assert flow["step_id"] == "meters"
    assert location.connections.keys() == connected
    wanted = len(connected) - exports
    assert furnished.simulator.requests.count("POST /tariffs") == wanted


async def test_tariff_later(furnished: Home) -> None:
    """A home may go without a tariff, for the time being."""
    flow = await furnished.async_answer(
        await async_to_tariff(furnished), tariff="later"
    )
    assert flow["step_id"] == "meters"

    await async_finish(furnished, flow, METERS)

    assert furnished.simulator.requests.count("POST /tariffs") == 0


async def test_no_meters(furnished: Home) -> None:
    """A home may begin without any meter."""
    entry = await async_finish(furnished, await async_to_meters(furnished), [])

    assert entry.state is ConfigEntryState.LOADED
    assert not entry.subentries
    assert not list(furnished.simulator.account().devices)


@pytest.mark.parametrize(
    ("history", "length"),
    [
        ("none", timedelta()),
        ("30_days", timedelta(days=30)),
        ("1_year", timedelta(days=365)),
        ("everything", None),
    ],
)
async def test_history(
    furnished: Home,
    freezer: FrozenDateTimeFactory,
    history: str,
    length: timedelta | None,
) -> None:
    """The history begins that long before the current hour, or with all there is."""
    flow = await async_to_meters(furnished)
    assert flow["data_schema"].schema["history"].config["options"] == [
        "none",
        "30_days",
        "1_year",
        "everything",
    ]
    hour = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)

    entry = await async_finish(furnished, flow, METERS[:1], history=history)

    [meter] = entry.subentries.values()
    start = None if length is None else (hour - length).isoformat()
    assert meter.data["history_start"] == start


async def test_user_trims_what_was_pasted(furnished: Home) -> None:
    """Blanks around what was copied from elsewhere do no harm."""
    flow = await furnished.async_begin_flow(
        account_id=f" {furnished.simulator.account_id}\n",
        api_key=f"\t{furnished.simulator.api_key} ",
        api_url=f" {furnished.simulator.url}/ ",
    )
    flow = await furnished.async_answer(flow, location_id="new")
    flow = await furnished.async_answer(flow, **ADDRESS)
    flow = await furnished.async_answer(flow, tariff="later")

    entry = await async_finish(furnished, flow, [])

    assert entry.data["account_id"] == furnished.simulator.account_id
    assert entry.data["api_key"] == furnished.simulator.api_key
    assert entry.data["api_url"] == f"{furnished.simulator.url}/"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What may be wrong in the first step, and how it shows."""

    errors: dict[str, str]
    account: dict[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    begin: Callable[[Simulator], None] = lambda _: None
    end: Callable[[Simulator], None] = lambda _: None
    message: str | None = None


def _disable(simulator: Simulator) -> None:
    """Disable the account."""
    simulator.account().disabled = True


def _enable(simulator: Simulator) -> None:
    """Enable the account again."""
    simulator.account().disabled = False


def _upgrade(simulator: Simulator) -> None:
    """Set the account to a newer version."""
    simulator.account().version = "2026-02-02.busbar"


def _downgrade(simulator: Simulator) -> None:
    """Set the account back to our version."""
    simulator.account().version = "2025-09-14.anode"


REFUSAL: Final = {"object": "error", "code": "odd", "message": "No such thing."}

TROUBLES: Final = {
    "wrong key": Trouble(
        account={"api_key": "sk_test_wrong"}, errors={"api_key": "invalid_auth"}
    ),
    "wrong account": Trouble(
        account={"account_id": "acc_wrong"}, errors={"api_key": "invalid_auth"}
    ),
    "plain http": Trouble(
        account={"api_url": "http://flatpeak.example"},
        errors={"server": "insecure_url"},
    ),
    "no scheme": Trouble(
        account={"api_url": "api.flatpeak.com"}, errors={"server": "insecure_url"}
    ),
    "Connect without address": Trouble(
        account={"connect_url": " "}, errors={"server": "insecure_url"}
    ),
    "Connect over plain http": Trouble(
        account={"connect_url": "http://connect.example"},
        errors={"server": "insecure_url"},
    ),
    "no address": Trouble(account={"api_url": ""}, errors={"server": "insecure_url"}),
    "disabled": Trouble(
        begin=_disable, end=_enable, errors={"base": "account_disabled"}
    ),
    "newer version": Trouble(
        begin=_upgrade, end=_downgrade, errors={"base": "api_version"}
    ),
    "server error": Trouble(
        faults=(Fault.SERVER_ERROR,), errors={"base": "server_error"}
    ),
    "bad gateway": Trouble(
        faults=(Fault.BAD_GATEWAY,), errors={"base": "server_error"}
    ),
    "rate limit": Trouble(
        faults=(Fault.rate_limit(),), errors={"base": "rate_limited"}
    ),
    "web page": Trouble(faults=(Fault.HTML,), errors={"base": "unreadable_answer"}),
    "half an answer": Trouble(
        faults=(Fault.TRUNCATED,), errors={"base": "unreadable_answer"}
    ),
    "broken connection": Trouble(
        faults=(Fault.RESET_BEFORE, Fault.RESET_BEFORE),
        errors={"base": "cannot_connect"},
    ),
    "refused": Trouble(
        faults=(Fault.answer(422, REFUSAL),),
        errors={"base": "invalid_request"},
        message="No such thing.",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
async def test_user_trouble(home: Home, trouble: Trouble) -> None:
    """What is wrong shows at its field, keeps what was entered, and can be mended."""
    simulator = home.simulator
    trouble.begin(simulator)
    simulator.faults.next("GET /login", *trouble.faults)
    entered = home.account_input(**trouble.account)

    flow = await home.async_begin_flow(**trouble.account)

    assert flow["step_id"] == "user"
    assert flow["errors"] == trouble.errors
    if trouble.message:
        assert flow["description_placeholders"] == {"message": trouble.message}
    assert suggested(flow)["account_id"] == entered["account_id"]
    section = flow["data_schema"].schema["server"].schema.schema
    assert {name: name.description["suggested_value"] for name in section} == entered[
        "server"
    ]

    trouble.end(simulator)
    flow = await home.async_answer(flow, **home.account_input())
    assert flow["step_id"] == "location"


async def test_user_unreachable(home: Home, deaf_url: str) -> None:
    """Nobody listens at the address."""
    flow = await home.async_begin_flow(api_url=deaf_url)
    assert flow["errors"] == {"base": "cannot_connect"}

    flow = await home.async_answer(flow, **home.account_input())
    assert flow["step_id"] == "location"


async def test_user_forbidden(home: Home) -> None:
    """A key may be good for a login, and for nothing else."""
    refusal = Fault.answer(403, {"message": "Forbidden"})
    home.simulator.faults.next("GET /locations", refusal, refusal)

    flow = await home.async_begin_flow()
    assert flow["errors"] == {"base": "forbidden"}

    flow = await home.async_answer(flow, **home.account_input())
    assert flow["step_id"] == "location"


@pytest.mark.parametrize(
    ("address", "errors"),
    [
        ({"country_code": "DE"}, {"city": "city_missing"}),
        ({"country_code": "DE", "city": "  "}, {"city": "city_missing"}),
        ({"country_code": "US", "city": "Austin"}, {"state": "state_missing"}),
        (
            {"country_code": "US"},
            {"city": "city_missing", "state": "state_missing"},
        ),
    ],
)
async def test_address_says_too_little(
    home: Home, address: dict[str, str], errors: dict[str, str]
) -> None:
    """A price needs a city, and in the United States a state."""
    flow = await async_to_address(home)
    required = {
        str(marker)
        for marker in flow["data_schema"].schema
        if isinstance(marker, vol.Required)
    }
    # The frontend itself refuses to send a form without these.
    assert required == {"country_code"}

    flow = await home.async_answer(flow, **address)

    assert flow["step_id"] == "address"
    assert flow["errors"] == errors
    assert suggested(flow)["country_code"] == address["country_code"]
    assert not locations_of(home)
    flow = await home.async_answer(
        flow, country_code="US", city="Austin ", state=" TX", address_line2=" "
    )
    assert flow["step_id"] == "tariff"
    [location] = locations_of(home)
    assert location.address == {"country_code": "US", "city": "Austin", "state": "TX"}


async def test_address_lost_answer(home: Home) -> None:
    """A location whose creation went unanswered is found again."""
    home.simulator.faults.next("POST /locations", Fault.RESET_AFTER)
    flow = await async_to_tariff(home)
    assert flow["step_id"] == "address"
    assert flow["errors"] == {"base": "cannot_connect"}
    assert suggested(flow) == ADDRESS

    flow = await home.async_answer(flow, **ADDRESS)

    assert flow["step_id"] == "tariff"
    assert len(locations_of(home)) == 1


async def test_address_created_in_between(home: Home) -> None:
    """A location that somebody else creates at the same moment is used."""
    reference_id = await instance_id.async_get(home.hass)

    async def create_first(
        request: web.Request, process: Process
    ) -> web.StreamResponse:
        """Let another one be faster."""
        add_location(home.simulator, reference_id=reference_id, city="Bonn")
        return await process(request)

    home.simulator.faults.next("POST /locations", Fault("FASTER", create_first))

    flow = await async_to_tariff(home)

    assert flow["step_id"] == "tariff"
    [location] = locations_of(home)
    assert location.address == ADDRESS
    assert home.simulator.requests.count("POST /locations", 409) == 1


async def test_address_conflict(home: Home) -> None:
    """A conflict that no location explains is shown."""
    conflict = Fault.answer(409, {"message": "Conflict"})
    home.simulator.faults.next("POST /locations", conflict)
    flow = await async_to_tariff(home)
    assert flow["errors"] == {"base": "conflict"}

    flow = await home.async_answer(flow, **ADDRESS)
    assert flow["step_id"] == "tariff"


async def test_address_of_a_home_that_is_set_up(
    furnished: Home, entry: ConfigEntry[Any]
) -> None:
    """A home is registered once."""
    flow = await async_to_address(furnished)

    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "already_configured"


async def test_location_that_is_set_up(
    furnished: Home, entry: ConfigEntry[Any]
) -> None:
    """A location is one home."""
    flow = await furnished.async_begin_flow()
    flow = await furnished.async_answer(flow, location_id=entry.unique_id)

    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "already_configured"


async def test_address_of_a_home_set_up_meanwhile(furnished: Home) -> None:
    """Two flows that register this home end in one home."""
    first = await async_to_address(furnished)
    second = await async_to_meters(furnished)
    await async_finish(furnished, second, [])

    flow = await furnished.async_answer(first, **ADDRESS)

    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "already_configured"
    assert len(locations_of(furnished)) == 1


async def test_location_that_flatpeak_cannot_place(furnished: Home) -> None:
    """A location without market, zone and currency is set up with Home Assistant's."""
    location = add_location(furnished.simulator, city="Atlantis")
    flow = await furnished.async_begin_flow()
    assert labels(flow, "location_id")[0] == "Atlantis"
    flow = await furnished.async_answer(flow, location_id=location.id)
    flow = await furnished.async_answer(flow, tariff="market")
    assert flow["step_id"] == "tariff"
    assert flow["errors"] == {"base": "invalid_request"}
    assert flow["description_placeholders"] == {
        "message": "The address has no country_code."
    }

    flow = await furnished.async_answer(flow, tariff="later")
    entry = await async_finish(furnished, flow, METERS[:1])

    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data.currency == furnished.hass.config.currency
    assert entry.runtime_data.zone == dt_util.get_default_time_zone()


async def test_abandoned_flow_is_repeated(furnished: Home) -> None:
    """What an abandoned flow has made at Flatpeak is used, and it is asked no more."""
    abandoned = await async_to_meters(furnished)
    assert abandoned["step_id"] == "meters"

    flow = await async_to_address(furnished)
    assert flow["step_id"] == "address"
    assert suggested(flow) == ADDRESS
    flow = await furnished.async_answer(flow, **ADDRESS)
    assert flow["step_id"] == "meters"
    await async_finish(furnished, flow, METERS)

    requests = furnished.simulator.requests
    assert len(locations_of(furnished)) == 1
    assert requests.count("POST /locations") == 1
    assert requests.count("PATCH /locations/{id}") == 0
    assert requests.count("POST /tariffs") == 2
    assert len(list(furnished.simulator.account().devices)) == 4
    flows = furnished.hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flows == []


async def test_removed_home_is_added_again(
    furnished: Home, entry: ConfigEntry[Any]
) -> None:
    """A home that comes back finds its location and its devices."""
    await furnished.hass.config_entries.async_remove(entry.entry_id)

    again = await furnished.async_set_up(history="none")

    assert again.unique_id == entry.unique_id
    assert [meter.unique_id for meter in again.subentries.values()] == [
        meter.unique_id for meter in entry.subentries.values()
    ]
    assert len(list(furnished.simulator.account().devices)) == 4
    assert len(locations_of(furnished)) == 1


async def test_home_that_moved(furnished: Home) -> None:
    """An address that changed since an abandoned flow is changed at Flatpeak."""
    add_location(furnished.simulator, reference_id="holidays", city="Binz")
    await async_to_tariff(furnished)

    flow = await async_to_address(furnished)
    flow = await furnished.async_answer(flow, **ADDRESS | {"city": "Potsdam"})

    assert flow["step_id"] == "tariff"
    assert [location.address for location in locations_of(furnished)] == [
        {"city": "Binz"},
        ADDRESS | {"city": "Potsdam"},
    ]
    assert furnished.simulator.requests.count("PATCH /locations/{id}") == 1


async def test_location_without_address_is_claimed(furnished: Home) -> None:
    """A location that only has this home's reference is given its address."""
    reference_id = await instance_id.async_get(furnished.hass)
    location = add_location(furnished.simulator, reference_id=reference_id)
    location.address = {}
    flow = await async_to_address(furnished)
    assert suggested(flow) == {"country_code": "DE"}

    await furnished.async_answer(flow, **ADDRESS)

    assert location.address == ADDRESS


async def test_tariff_trouble(furnished: Home) -> None:
    """Where the second of two tariffs fails, only that one is tried again."""
    furnished.simulator.faults.next(
        "POST /tariffs", Fault.slow(0), Fault.SERVER_ERROR, Fault.slow(0)
    )
    flow = await furnished.async_answer(
        await async_to_tariff(furnished), tariff="market"
    )
    assert flow["step_id"] == "tariff"
    assert flow["errors"] == {"base": "server_error"}
    assert suggested(flow) == {"tariff": "market"}

    flow = await furnished.async_answer(flow, tariff="market")

    assert flow["step_id"] == "meters"
    [location] = locations_of(furnished)
    assert location.connections.keys() == {Direction.IMPORT, Direction.EXPORT}
    assert furnished.simulator.requests.count("POST /tariffs", 200) == 2


async def test_tariff_lost_answer(furnished: Home) -> None:
    """A tariff whose creation went unanswered is not created again."""
    furnished.simulator.faults.next("POST /tariffs", Fault.RESET_AFTER)
    flow = await furnished.async_answer(
        await async_to_tariff(furnished), tariff="market"
    )
    assert flow["errors"] == {"base": "cannot_connect"}
    [location] = locations_of(furnished)
    tariff = location.connections[Direction.IMPORT]

    flow = await furnished.async_answer(flow, tariff="market")

    assert flow["step_id"] == "meters"
    assert location.connections[Direction.IMPORT] is tariff


async def test_tariff_without_market(furnished: Home) -> None:
    """Where there is no market, the user goes on without a tariff."""
    furnished.simulator.faults.next(
        "POST /tariffs",
        Fault.answer(200, {"id": "trf_1", "location_id": "loc_1", "object": "tariff"}),
    )
    flow = await furnished.async_answer(
        await async_to_tariff(furnished), tariff="market"
    )
    assert flow["step_id"] == "tariff"
    assert flow["errors"] == {"tariff": "no_market"}

    flow = await furnished.async_answer(flow, tariff="market")
    assert flow["errors"] == {"tariff": "no_market"}
    assert furnished.simulator.requests.count("POST /tariffs") == 1

    flow = await furnished.async_answer(flow, tariff="later")
    assert flow["step_id"] == "meters"


@pytest.mark.parametrize(
    "fault",
    [
        Fault.answer(422, REFUSAL),
        Fault.answer(200, {"id": "trf_1", "location_id": "loc_1", "object": "tariff"}),
    ],
    ids=["refused", "no market"],
)
async def test_tariff_without_market_for_export(furnished: Home, fault: Fault) -> None:
    """What is bought is priced also where nobody pays for what is sold."""
    furnished.simulator.faults.next("POST /tariffs", Fault.slow(0), fault)

    flow = await furnished.async_answer(
        await async_to_tariff(furnished), tariff="market"
    )

    assert flow["step_id"] == "meters"
    [location] = locations_of(furnished)
    assert location.connections.keys() == {Direction.IMPORT}


async def test_key_revoked_on_the_way(furnished: Home) -> None:
    """A step without a field for the key shows its refusal all the same."""
    flow = await async_to_tariff(furnished)
    furnished.simulator.expire_tokens()
    account = furnished.simulator.account()
    account.api_keys = frozenset()

    flow = await furnished.async_answer(flow, tariff="market")
    assert flow["errors"] == {"base": "invalid_auth"}
    flow = await furnished.async_answer(flow, tariff="later")
    assert flow["step_id"] == "meters"
    answers = {"history": "none", "link_dashboard": False}
    flow = await furnished.async_answer(flow, meters=METERS, **answers)
    assert flow["step_id"] == "meters"
    assert flow["errors"] == {"base": "invalid_auth"}
    assert suggested(flow) == {"meters": METERS, **answers}

    # Nothing more is asked of Flatpeak: the home says by itself that it needs a key.
    flow = await furnished.async_answer(flow, meters=[], **answers)
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await furnished.async_settle()
    assert flow["result"].state is ConfigEntryState.SETUP_ERROR
    [reauth] = furnished.hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert reauth["step_id"] == "reauth_confirm"


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.RESET_AFTER])
async def test_meters_trouble(furnished: Home, fault: Fault) -> None:
    """A device is created once, however often the last step is tried."""
    simulator = furnished.simulator
    simulator.faults.next("POST /devices", Fault.slow(0), fault)
    flow = await async_to_meters(furnished)
    answers = {"meters": METERS[:3], "history": "30_days", "link_dashboard": False}
    flow = await furnished.async_answer(flow, **answers)
    assert flow["step_id"] == "meters"
    assert flow["errors"]["base"] in ("server_error", "cannot_connect")
    assert suggested(flow) == answers

    flow = await furnished.async_answer(flow, **answers)

    assert flow["type"] is FlowResultType.CREATE_ENTRY
    assert flow["result"].options["link_dashboard"] is False
    devices = simulator.account().devices
    references = [device.reference_id for device in devices]
    assert references == (await async_references(furnished))[:3]


@pytest.mark.parametrize(
    "sources", [None, [], [{"type": "gas", "stat_energy_from": "sensor.gas"}]]
)
async def test_no_energy_dashboard(
    home: Home, sources: list[dict[str, Any]] | None
) -> None:
    """A home without a dashboard begins without meters."""
    if sources is not None:
        await home.async_show(*sources)
    flow = await async_to_meters(home)
    assert flow["step_id"] == "meters"
    assert flow["errors"] == {"meters": "no_energy_dashboard"}
    assert offered(flow, "meters") == []

    entry = await async_finish(home, flow, [])

    assert entry.state is ConfigEntryState.LOADED
    assert not entry.subentries


async def test_no_history(furnished: Home) -> None:
    """What has no energy recorded is named and left out, the rest is offered."""
    await furnished.async_show(
        GRID_SOURCE | {"stat_energy_to": "sensor.gone"},
        SOLAR_SOURCE | {"stat_energy_from": "sensor.broken", "name": "Roof"},
        devices=[CAR],
    )
    flow = await async_to_meters(furnished)
    assert flow["errors"] == {"meters": "no_history"}
    assert flow["description_placeholders"] == {"sources": "sensor.gone, Roof"}
    recorded = [METERS[0], METERS[3]]
    assert offered(flow, "meters") == recorded
    assert flow["data_schema"]({})["meters"] == recorded

    entry = await async_finish(furnished, flow, recorded)

    assert len(entry.subentries) == 2


async def test_statistics_that_are_no_energy(furnished: Home) -> None:
    """Only what counts energy is offered."""
    for statistic_id, has_sum, unit_class, unit in (
        ("utility:power", False, "power", "W"),
        ("utility:water", True, "volume", "m³"),
        ("utility:money", True, None, "EUR"),
        (EXTERNAL, True, "energy", "MWh"),
    ):
        metadata = StatisticMetaData(
            has_sum=has_sum,
            mean_type=StatisticMeanType.NONE,
            name=statistic_id.title(),
            source="utility",
            statistic_id=statistic_id,
            unit_class=unit_class,
            unit_of_measurement=unit,
        )
        async_add_external_statistics(furnished.hass, metadata, [])
    await furnished.async_settle()
    await furnished.async_show(
        devices=["utility:power", "utility:water", "utility:money", EXTERNAL]
    )

    flow = await async_to_meters(furnished)

    assert flow["errors"] == {"meters": "no_history"}
    assert flow["description_placeholders"] == {
        "sources": "utility:power, utility:water, utility:money"
    }
    assert offered(flow, "meters") == [f"consumption:{EXTERNAL}"]
    entry = await async_finish(furnished, flow, [f"consumption:{EXTERNAL}"])
    [meter] = entry.subentries.values()
    assert meter.title == "Utility:Boiler"
    assert meter.data["source"] == EXTERNAL


async def test_names_of_the_dashboard(furnished: Home) -> None:
    """A name that the user gave on the dashboard is the name of the meter."""
    await furnished.async_show(SOLAR_SOURCE | {"name": "Roof"})
    flow = await async_to_meters(furnished)
    assert labels(flow, "meters") == ["Roof (Own generation)"]

    entry = await async_finish(furnished, flow, METERS[2:3])

    assert [meter.title for meter in entry.subentries.values()] == ["Roof"]


async def _clear_car(home: Home) -> None:
    """Let the car be gone from the recorder."""
    home.hass.states.async_remove(CAR)
    get_instance(home.hass).async_clear_statistics([CAR])
    await home.async_settle()


async def _hide_car(home: Home) -> None:
    """Let the car be gone from the dashboard."""
    await home.async_show(GRID_SOURCE, SOLAR_SOURCE)


@pytest.mark.parametrize("vanish", [_clear_car, _hide_car])
async def test_entity_vanishes_between_two_steps(
    furnished: Home, vanish: Callable[[Home], Any]
) -> None:
    """A meter that is no longer there is not made, and the choice is asked again."""
    flow = await async_to_meters(furnished)
    await vanish(furnished)
    answers = {"history": "30_days", "link_dashboard": False}

    flow = await furnished.async_answer(flow, meters=METERS, **answers)

    assert flow["step_id"] == "meters"
    assert flow["errors"] == {"meters": "statistic_vanished"}
    assert offered(flow, "meters") == METERS[:3]
    assert suggested(flow) == {"meters": METERS[:3], **answers}
    assert not list(furnished.simulator.account().devices)
    entry = await async_finish(furnished, flow, METERS[:3])
    assert len(entry.subentries) == 3
