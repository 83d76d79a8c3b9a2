"""Set up a home: account, location, address, tariff, meters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, override

import voluptuous as vol

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
    OptionsFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_API_KEY, CONF_NAME
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import section
from homeassistant.helpers import instance_id
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import (
    BooleanSelector,
    CountrySelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    StatisticSelector,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util import dt as dt_util

from .api import (
    DEFAULT_BASE_URL,
    FlatpeakClient,
    FlatpeakConflictError,
    FlatpeakError,
    FlatpeakInvalidRequestError,
    FlatpeakTariffError,
    Location,
    PostalAddress,
    Tariff,
    TariffDirection,
    Token,
)
from .const import (
    CONF_ACCOUNT_ID,
    CONF_API_URL,
    CONF_DEVICE_ID,
    CONF_FLOW,
    CONF_HISTORY,
    CONF_HISTORY_START,
    CONF_LINK_DASHBOARD,
    CONF_LOCATION_ID,
    CONF_SOURCE,
    CONF_STATISTIC_ID,
    DOMAIN,
    LOGGER,
    SUBENTRY_TYPE_METER,
    TOKENS,
)
from .dashboard import DashboardSource, async_sources
from .failure import failure_key, failure_placeholders
from .intervals import floor_hour
from .meter import Flow, async_source_of
from .statistics import async_energy_statistics

CONF_METERS: Final = "meters"
CONF_SERVER: Final = "server"
CONF_TARIFF: Final = "tariff"

CONF_ADDRESS_LINE1: Final = "address_line1"
CONF_ADDRESS_LINE2: Final = "address_line2"
CONF_CITY: Final = "city"
CONF_STATE: Final = "state"
CONF_POST_CODE: Final = "post_code"
CONF_COUNTRY_CODE: Final = "country_code"

NEW_LOCATION: Final = "new"
MARKET: Final = "market"
LATER: Final = "later"

HISTORY_NONE: Final = "none"
HISTORY_30_DAYS: Final = "30_days"
HISTORY_1_YEAR: Final = "1_year"
HISTORY_EVERYTHING: Final = "everything"

_HISTORY_LENGTHS: Final = {
    HISTORY_NONE: timedelta(),
    HISTORY_30_DAYS: timedelta(days=30),
    HISTORY_1_YEAR: timedelta(days=365),
}

# Market prices are to price all history that Flatpeak knows prices of, and to
# go on until the user connects a supplier.
MARKET_CONTRACT_PAST: Final = timedelta(days=5 * 365)
MARKET_CONTRACT_FUTURE: Final = timedelta(days=10 * 365)

# Which field a failure is shown at where the form has it. The rest concerns the
# whole form, and so does what happens at a field that is not there to be mended.
_FIELD_OF_FAILURE: Final = {
    "insecure_url": CONF_SERVER,
    "invalid_auth": CONF_API_KEY,
}

_PASSWORD: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))

_USER_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_ACCOUNT_ID): TextSelector(),
        vol.Required(CONF_API_KEY): _PASSWORD,
        vol.Required(CONF_SERVER, default={}): section(
            vol.Schema(
                {
                    vol.Required(CONF_API_URL, default=DEFAULT_BASE_URL): TextSelector(
                        TextSelectorConfig(type=TextSelectorType.URL)
                    )
                }
            ),
            {"collapsed": True},
        ),
    }
)

# The frontend does not send a form that lacks a required field, nor does it say which
# one. Whether a city is there is checked by the step, which also says why it is needed.
_ADDRESS_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_ADDRESS_LINE1): TextSelector(),
        vol.Optional(CONF_ADDRESS_LINE2): TextSelector(),
        vol.Optional(CONF_CITY): TextSelector(),
        vol.Optional(CONF_STATE): TextSelector(),
        vol.Optional(CONF_POST_CODE): TextSelector(),
        vol.Required(CONF_COUNTRY_CODE): CountrySelector(),
    }
)

_TARIFF_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_TARIFF, default=MARKET): SelectSelector(
            SelectSelectorConfig(
                options=[MARKET, LATER],
                mode=SelectSelectorMode.LIST,
                translation_key=CONF_TARIFF,
            )
        )
    }
)

_HISTORY_SELECTOR: Final = SelectSelector(
    SelectSelectorConfig(
        options=[*_HISTORY_LENGTHS, HISTORY_EVERYTHING],
        translation_key=CONF_HISTORY,
    )
)

_OPTIONS_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_LINK_DASHBOARD): BooleanSelector()}
)

_METER_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_STATISTIC_ID): StatisticSelector(),
        vol.Required(CONF_FLOW, default=Flow.CONSUMPTION): SelectSelector(
            SelectSelectorConfig(options=list(Flow), translation_key=CONF_FLOW)
        ),
        vol.Optional(CONF_NAME): TextSelector(),
        vol.Required(CONF_HISTORY, default=HISTORY_1_YEAR): _HISTORY_SELECTOR,
    }
)


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """What a form shows of a failure; without errors there is none."""

    errors: Mapping[str, str] = field(default_factory=dict)
    placeholders: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, err: FlatpeakError, *fields: str) -> _Failure:
        """Return a failure of Flatpeak, at that one of the form's fields it concerns."""
        key = failure_key(err)
        field_name = _FIELD_OF_FAILURE.get(key)
        return cls(
            errors={field_name if field_name in fields else "base": key},
            placeholders=failure_placeholders(err),
        )

    def __bool__(self) -> bool:
        """Return whether there is a failure."""
        return bool(self.errors)

    def as_form(self) -> dict[str, Any]:
        """Return what a form is given to show."""
        return {
            "errors": dict(self.errors),
            "description_placeholders": dict(self.placeholders),
        }


class FlatpeakConfigFlow(ConfigFlow, domain=DOMAIN):
    """Sets up a home, or gives it a new key."""

    VERSION = 1
    MINOR_VERSION = 1

    _client: FlatpeakClient
    _credentials: dict[str, str]
    _location: Location
    _locations: list[Location]

    def __init__(self) -> None:
        """Begin without any tariff made."""
        self._markets: dict[TariffDirection, Tariff] = {}

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return what can be added to a home."""
        return {SUBENTRY_TYPE_METER: MeterSubentryFlow}

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """Return the flow that changes how a home is shown."""
        return FlatpeakOptionsFlow()

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the account."""
        failure = _Failure()
        if user_input is not None:
            self._credentials = {
                CONF_ACCOUNT_ID: user_input[CONF_ACCOUNT_ID].strip(),
                CONF_API_KEY: user_input[CONF_API_KEY].strip(),
                CONF_API_URL: user_input[CONF_SERVER][CONF_API_URL].strip(),
            }
            try:
                self._client = _client(self.hass, self._credentials)
                self._locations = await self._client.list_locations()
            except FlatpeakError as err:
                failure = _Failure.of(err, CONF_API_KEY, CONF_SERVER)
            else:
                return await self.async_step_location()
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(_USER_SCHEMA, user_input),
            **failure.as_form(),
        )

    async def async_step_location(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which location of the account this home is."""
        if user_input is None:
            return self.async_show_form(
                step_id="location", data_schema=_location_schema(self._locations)
            )
        if (location_id := user_input[CONF_LOCATION_ID]) == NEW_LOCATION:
            return await self.async_step_address()
        return await self._async_use_location(
            next(each for each in self._locations if each.location_id == location_id)
        )

    async def async_step_address(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Register this home at Flatpeak."""
        failure = _Failure()
        if user_input is None:
            user_input = await self._async_known_address()
        else:
            address = PostalAddress(
                **{key: value.strip() or None for key, value in user_input.items()}
            )
            failure = _check_address(address)
            if not failure:
                try:
                    location = await self._async_register(address)
                except FlatpeakError as err:
                    failure = _Failure.of(err)
                else:
                    return await self._async_use_location(location)
        return self.async_show_form(
            step_id="address",
            data_schema=self.add_suggested_values_to_schema(
                _ADDRESS_SCHEMA, user_input
            ),
            **failure.as_form(),
        )

    async def _async_known_address(self) -> dict[str, Any]:
        """Return what is known of the address; abort when this home is set up."""
        reference_id = await instance_id.async_get(self.hass)
        for location in self._locations:
            if location.reference_id == reference_id:
                await self._async_claim(location)
                if location.address is not None:
                    return {**location.address.as_dict()}
        return {CONF_COUNTRY_CODE: self.hass.config.country}

    async def _async_register(self, address: PostalAddress) -> Location:
        """Return this home's location, and make it only where there is none yet."""
        reference_id = await instance_id.async_get(self.hass)
        if location := await self._async_registered(reference_id, address):
            return location
        try:
            return await self._client.create_location(reference_id, address)
        except FlatpeakConflictError:
            # Another flow was faster.
            if location := await self._async_registered(reference_id, address):
                return location
            raise

    async def _async_registered(
        self, reference_id: str, address: PostalAddress
    ) -> Location | None:
        """Return the location that an earlier flow made, now at this address."""
        locations = await self._client.list_locations(reference_id)
        if not locations or locations[0].address == address:
            return next(iter(locations), None)
        return await self._client.update_location(locations[0].location_id, address)

    async def _async_claim(self, location: Location) -> None:
        """Abort when the location is a home in Home Assistant already."""
        # A flow that was left open must not keep its location for ever.
        await self.async_set_unique_id(location.location_id, raise_on_progress=False)
        self._abort_if_unique_id_configured()

    async def _async_use_location(self, location: Location) -> ConfigFlowResult:
        """Go on with a location."""
        await self._async_claim(location)
        self._location = location
        if location.has_import_tariff:
            return await self.async_step_meters()
        return await self.async_step_tariff()

    async def async_step_tariff(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where the prices come from."""
        failure = _Failure()
        if user_input is not None:
            if user_input[CONF_TARIFF] == LATER:
                return await self.async_step_meters()
            try:
                failure = await self._async_connect_market()
            except FlatpeakError as err:
                failure = _Failure.of(err)
            if not failure:
                return await self.async_step_meters()
        return self.async_show_form(
            step_id="tariff",
            data_schema=self.add_suggested_values_to_schema(_TARIFF_SCHEMA, user_input),
            **failure.as_form(),
        )

    async def _async_connect_market(self) -> _Failure:
        """Price the home with the market prices of its address."""
        # The answer to an earlier try may have been lost.
        location = await self._client.get_location(self._location.location_id)
        if not (
            location.has_import_tariff
            or await self._async_has_market(TariffDirection.IMPORT)
        ):
            return _Failure(errors={CONF_TARIFF: "no_market"})
        if not location.has_export_tariff and await self._async_exports():
            await self._async_try_export_market()
        return _Failure()

    async def _async_try_export_market(self) -> None:
        """Price what the home sells, in markets that pay for it."""
        try:
            await self._async_has_market(TariffDirection.EXPORT)
        except FlatpeakInvalidRequestError, FlatpeakTariffError:
            # What the home buys is priced all the same.
            LOGGER.info("Flatpeak has no market prices for export")

    async def _async_has_market(self, direction: TariffDirection) -> bool:
        """Connect the market of the address once, and return whether there is one."""
        if direction not in self._markets:
            now = dt_util.utcnow()
            self._markets[direction] = await self._client.create_market_tariff(
                self._location.location_id,
                direction,
                now - MARKET_CONTRACT_PAST,
                now + MARKET_CONTRACT_FUTURE,
            )
        return self._markets[direction].market_rate_source_id is not None

    async def _async_exports(self) -> bool:
        """Return whether the home sells energy."""
        sources = await async_sources(self.hass)
        return any(source.flow is Flow.GRID_EXPORT for source in sources)

    async def async_step_meters(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which energy of the dashboard to price, and create the home."""
        sources = await async_sources(self.hass)
        names = await _async_names(self.hass, sources)
        labels = await _async_labels(self.hass, sources, names)
        failure = _check_sources(sources, names)
        if user_input is not None:
            if not labels.keys() >= set(user_input[CONF_METERS]):
                failure = _Failure(errors={CONF_METERS: "statistic_vanished"})
            else:
                try:
                    return await self._async_create(sources, names, user_input)
                except FlatpeakError as err:
                    failure = _Failure.of(err)
        return self.async_show_form(
            step_id="meters",
            data_schema=self.add_suggested_values_to_schema(
                _meters_schema(labels),
                user_input and _without_vanished(user_input, labels),
            ),
            **failure.as_form(),
        )

    async def _async_create(
        self,
        sources: Iterable[DashboardSource],
        names: Mapping[str, str],
        user_input: Mapping[str, Any],
    ) -> ConfigFlowResult:
        """Create the home with the chosen meters."""
        meters = [
            await _async_meter(
                self.hass,
                self._client,
                statistic_id=source.statistic_id,
                flow=source.flow,
                name=names[source.statistic_id],
                history=user_input[CONF_HISTORY],
            )
            for source in sources
            if _key(source) in user_input[CONF_METERS]
        ]
        if (token := self._client.token) is not None:
            _hand_over(self.hass, self._credentials, token)
        return self.async_create_entry(
            title=self.hass.config.location_name,
            data=self._credentials | {CONF_LOCATION_ID: self._location.location_id},
            options={CONF_LINK_DASHBOARD: user_input[CONF_LINK_DASHBOARD]},
            subentries=meters,
        )

    async def async_step_reauth(
        self, entry_data: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Flatpeak does not take the key any more."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a new key."""
        failure = _Failure()
        if user_input is not None:
            entry = self._get_reauth_entry()
            key = {CONF_API_KEY: user_input[CONF_API_KEY].strip()}
            try:
                token = await _client(self.hass, {**entry.data, **key}).login()
            except FlatpeakError as err:
                failure = _Failure.of(err, CONF_API_KEY)
            else:
                _hand_over(self.hass, entry.data, token)
                return self._update_key(entry, key)
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=vol.Schema({vol.Required(CONF_API_KEY): _PASSWORD}),
            **failure.as_form(),
        )

    @callback
    def _update_key(self, entry: ConfigEntry, key: dict[str, str]) -> ConfigFlowResult:
        """Keep a new key, and set the home up with it once."""
        # The update listener reloads an entry that is loaded and has changed.
        reloads = bool(entry.update_listeners) and key.items() - entry.data.items()
        result = self.async_update_and_abort(entry, data_updates=key)
        if not reloads:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return result


class FlatpeakOptionsFlow(OptionsFlow):
    """Changes how a home is shown."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether the energy dashboard shows the costs."""
        if user_input is not None:
            return self.async_create_entry(data=user_input)
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                _OPTIONS_SCHEMA, self.config_entry.options
            ),
        )


class MeterSubentryFlow(ConfigSubentryFlow):
    """Adds a meter to a home."""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the energy statistic and its flow."""
        entry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        failure = _Failure()
        if user_input is not None:
            statistic_id = user_input[CONF_STATISTIC_ID]
            names = await async_energy_statistics(self.hass, [statistic_id])
            if statistic_id not in names:
                failure = _Failure(errors={CONF_STATISTIC_ID: "not_energy"})
            else:
                name = user_input.get(CONF_NAME, "").strip() or names[statistic_id]
                try:
                    return await self._async_create(entry, name, user_input)
                except FlatpeakError as err:
                    failure = _Failure.of(err)
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(_METER_SCHEMA, user_input),
            **failure.as_form(),
        )

    async def _async_create(
        self, entry: ConfigEntry, name: str, user_input: Mapping[str, Any]
    ) -> SubentryFlowResult:
        """Add the meter to the home."""
        meter = await _async_meter(
            self.hass,
            entry.runtime_data.client,
            statistic_id=user_input[CONF_STATISTIC_ID],
            flow=Flow(user_input[CONF_FLOW]),
            name=name,
            history=user_input[CONF_HISTORY],
        )
        return self.async_create_entry(
            title=meter["title"], data=meter["data"], unique_id=meter["unique_id"]
        )


async def _async_meter(
    hass: HomeAssistant,
    client: FlatpeakClient,
    *,
    statistic_id: str,
    flow: Flow,
    name: str,
    history: str,
) -> ConfigSubentryData:
    """Return a meter, whose device is created at Flatpeak only where it is not yet."""
    source = async_source_of(hass, statistic_id)
    reference_id = f"{await instance_id.async_get(hass)}_{source}"
    devices = await client.list_devices(reference_id)
    device = devices[0] if devices else await client.create_device(reference_id)
    start = _history_start(history, dt_util.utcnow())
    return ConfigSubentryData(
        subentry_type=SUBENTRY_TYPE_METER,
        title=name,
        unique_id=device.device_id,
        data={
            CONF_DEVICE_ID: device.device_id,
            CONF_FLOW: flow,
            CONF_SOURCE: source,
            CONF_HISTORY_START: None if start is None else start.isoformat(),
        },
    )


def _history_start(history: str, now: datetime) -> datetime | None:
    """Return where the chosen history begins, None for everything."""
    if history == HISTORY_EVERYTHING:
        return None
    return floor_hour(now) - _HISTORY_LENGTHS[history]


def _client(hass: HomeAssistant, credentials: Mapping[str, str]) -> FlatpeakClient:
    """Return a client for an account."""
    return FlatpeakClient(
        async_get_clientsession(hass),
        credentials[CONF_ACCOUNT_ID],
        credentials[CONF_API_KEY],
        base_url=credentials[CONF_API_URL],
    )


@callback
def _hand_over(
    hass: HomeAssistant, credentials: Mapping[str, str], token: Token
) -> None:
    """Let the home be set up with the token of this flow's login."""
    hass.data.setdefault(TOKENS, {})[credentials[CONF_ACCOUNT_ID]] = token


def _check_address(address: PostalAddress) -> _Failure:
    """Return what an address lacks for a price (flatpeak-api.md, section 6)."""
    errors = {}
    if address.city is None:
        errors[CONF_CITY] = "city_missing"
    if address.country_code == "US" and address.state is None:
        errors[CONF_STATE] = "state_missing"
    return _Failure(errors=errors)


def _check_sources(
    sources: Sequence[DashboardSource], names: Mapping[str, str]
) -> _Failure:
    """Return why fewer meters than expected are offered."""
    if not sources:
        return _Failure(errors={CONF_METERS: "no_energy_dashboard"})
    missing = [
        source.name or source.statistic_id
        for source in sources
        if source.statistic_id not in names
    ]
    if not missing:
        return _Failure()
    return _Failure(
        errors={CONF_METERS: "no_history"}, placeholders={"sources": ", ".join(missing)}
    )


def _location_schema(locations: Iterable[Location]) -> vol.Schema:
    """Return the form that offers the account's locations."""
    options = [
        SelectOptionDict(value=each.location_id, label=_location_label(each))
        for each in locations
    ]
    return vol.Schema(
        {
            vol.Required(CONF_LOCATION_ID, default=NEW_LOCATION): SelectSelector(
                SelectSelectorConfig(
                    options=[*options, SelectOptionDict(value=NEW_LOCATION, label="")],
                    mode=SelectSelectorMode.LIST,
                    translation_key=CONF_LOCATION_ID,
                )
            )
        }
    )


def _location_label(location: Location) -> str:
    """Return what a user knows a location by."""
    address = location.address or PostalAddress()
    lines = (address.address_line1, address.post_code, address.city)
    return ", ".join(filter(None, lines)) or location.location_id


async def _async_names(
    hass: HomeAssistant, sources: Sequence[DashboardSource]
) -> dict[str, str]:
    """Return the names of those sources that have recorded energy, by statistic id."""
    recorded = await async_energy_statistics(
        hass, [source.statistic_id for source in sources]
    )
    return {
        source.statistic_id: source.name or recorded[source.statistic_id]
        for source in sources
        if source.statistic_id in recorded
    }


async def _async_labels(
    hass: HomeAssistant, sources: Sequence[DashboardSource], names: Mapping[str, str]
) -> dict[str, str]:
    """Return how the meters step shows its choices, by their values."""
    texts = await async_get_translations(
        hass, hass.config.language, "selector", {DOMAIN}
    )
    prefix = f"component.{DOMAIN}.selector.{CONF_FLOW}.options"
    return {
        _key(
            source
        ): f"{names[source.statistic_id]} ({texts[f'{prefix}.{source.flow}']})"
        for source in sources
        if source.statistic_id in names
    }


def _key(source: DashboardSource) -> str:
    """Return the value of a source in the meters step."""
    return f"{source.flow}:{source.statistic_id}"


def _meters_schema(labels: Mapping[str, str]) -> vol.Schema:
    """Return the form that offers the sources of the energy dashboard."""
    return vol.Schema(
        {
            vol.Required(CONF_METERS, default=list(labels)): SelectSelector(
                SelectSelectorConfig(
                    options=[
                        SelectOptionDict(value=value, label=label)
                        for value, label in labels.items()
                    ],
                    multiple=True,
                    mode=SelectSelectorMode.LIST,
                )
            ),
            vol.Required(CONF_HISTORY, default=HISTORY_1_YEAR): _HISTORY_SELECTOR,
            vol.Required(CONF_LINK_DASHBOARD, default=True): BooleanSelector(),
        }
    )


def _without_vanished(
    user_input: Mapping[str, Any], labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return an answer to the meters step without what is no longer offered."""
    meters = [key for key in user_input[CONF_METERS] if key in labels]
    return {**user_input, CONF_METERS: meters}
