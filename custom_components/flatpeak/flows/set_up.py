"""The steps that set a home up: account, location, address, tariff, meters."""

from collections.abc import Iterable, Mapping
from typing import Any, override

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_API_KEY
from homeassistant.helpers import instance_id

from ..api import FlatpeakError, Location
from ..const import (
    CONF_CONNECT_URL,
    CONF_HISTORY,
    CONF_LINK_DASHBOARD,
    CONF_LOCATION_ID,
)
from ..dashboard import DashboardSource, async_sources
from ..journal import Journal
from ..meter import async_source_of
from .account import ACCOUNT_SCHEMA, client_of, credentials_of, hand_over
from .address import ADDRESS_SCHEMA, CONF_COUNTRY_CODE, address_of, check_address
from .forms import CONF_METERS, CONF_SERVER, FormFailure
from .location import NEW_LOCATION, async_register, location_schema
from .meter import async_new_meter
from .sources import (
    async_labels,
    async_names,
    check_sources,
    meters_schema,
    source_key,
    without_vanished,
)
from .tariff import TariffSteps


class SetUpSteps(TariffSteps):
    """Sets a home up."""

    _credentials: dict[str, str]
    _locations: list[Location]

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the account."""
        failure = FormFailure()
        if user_input is not None:
            self._credentials = credentials_of(user_input)
            try:
                self._client = client_of(self.hass, self._credentials)
                self._connect_url = self._credentials[CONF_CONNECT_URL]
                self._locations = await self._client.list_locations()
            except FlatpeakError as err:
                failure = FormFailure.of(err, CONF_API_KEY, CONF_SERVER)
            else:
                return await self.async_step_location()
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(ACCOUNT_SCHEMA, user_input),
            **failure.as_form(),
        )

    async def async_step_location(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which location of the account this home is."""
        if user_input is None:
            return self.async_show_form(
                step_id="location", data_schema=location_schema(self._locations)
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
        failure = FormFailure()
        if user_input is None:
            user_input = await self._async_known_address()
        else:
            address = address_of(user_input)
            failure = check_address(address)
            if not failure:
                try:
                    location = await async_register(self.hass, self._client, address)
                except FlatpeakError as err:
                    failure = FormFailure.of(err)
                else:
                    return await self._async_use_location(location)
        return self.async_show_form(
            step_id="address",
            data_schema=self.add_suggested_values_to_schema(ADDRESS_SCHEMA, user_input),
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

    async def _async_claim(self, location: Location) -> None:
        """Abort when the location is a home in Home Assistant already."""
        # A flow that was left open must not keep its location for ever.
        await self.async_set_unique_id(location.location_id, raise_on_progress=False)
        self._abort_if_unique_id_configured()

    async def _async_use_location(self, location: Location) -> ConfigFlowResult:
        """Go on with a location."""
        await self._async_claim(location)
        self._location_id = location.location_id
        if location.has_import_tariff:
            return await self.async_step_meters()
        return await self.async_step_tariff()

    async def async_step_meters(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which energy of the dashboard to price, and create the home."""
        sources = await async_sources(self.hass)
        names = await async_names(self.hass, sources)
        labels = await async_labels(self.hass, sources, names)
        failure = check_sources(sources, names)
        if user_input is not None:
            if not labels.keys() >= set(user_input[CONF_METERS]):
                failure = FormFailure(errors={CONF_METERS: "statistic_vanished"})
            else:
                try:
                    return await self._async_create(sources, names, user_input)
                except FlatpeakError as err:
                    failure = FormFailure.of(err)
        return self.async_show_form(
            step_id="meters",
            data_schema=self.add_suggested_values_to_schema(
                meters_schema(labels),
                user_input and without_vanished(user_input, labels),
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
        journal = Journal(self.hass, self._location_id)
        await journal.async_load()
        meters = [
            await async_new_meter(
                self.hass,
                self._client,
                journal,
                source=async_source_of(self.hass, source.statistic_id),
                flow=source.flow,
                name=names[source.statistic_id],
                history=user_input[CONF_HISTORY],
            )
            for source in sources
            if source_key(source) in user_input[CONF_METERS]
        ]
        if (token := self._client.token) is not None:
            hand_over(self.hass, self._credentials, token)
        return self.async_create_entry(
            title=self.hass.config.location_name,
            data=self._credentials | {CONF_LOCATION_ID: self._location_id},
            options={
                key: user_input[key] for key in (CONF_HISTORY, CONF_LINK_DASHBOARD)
            },
            subentries=meters,
        )
