"""Read the energy dashboard's sources, and link cost statistics into it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from homeassistant.components.energy.data import async_get_manager
from homeassistant.core import HomeAssistant, callback

from .meter import Flow, Meter, async_statistic_id

GRID: Final = "grid"


@dataclass(frozen=True, kw_only=True, slots=True)
class DashboardSource:
    """An energy statistic that the dashboard shows, and its flow."""

    flow: Flow
    statistic_id: str
    name: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _CostSide:
    """The keys of a grid source that tell of money for one flow."""

    energy: str
    cost: str
    prices: tuple[str, str]


_COST_SIDES: Final = {
    Flow.GRID_IMPORT: _CostSide(
        energy="stat_energy_from",
        cost="stat_cost",
        prices=("entity_energy_price", "number_energy_price"),
    ),
    Flow.GRID_EXPORT: _CostSide(
        energy="stat_energy_to",
        cost="stat_compensation",
        prices=("entity_energy_price_export", "number_energy_price_export"),
    ),
}

# Which keys of a source hold energy that Flatpeak can price. What a battery gives
# back was priced when it was bought or generated.
_ENERGY_KEYS: Final[dict[str, dict[str, Flow]]] = {
    GRID: {
        "stat_energy_from": Flow.GRID_IMPORT,
        "stat_energy_to": Flow.GRID_EXPORT,
    },
    "solar": {"stat_energy_from": Flow.LOCAL_GENERATION},
    "battery": {"stat_energy_to": Flow.CONSUMPTION},
}


async def async_sources(hass: HomeAssistant) -> list[DashboardSource]:
    """Return the energy statistics of the dashboard, each one once."""
    preferences = (await async_get_manager(hass)).data
    if preferences is None:
        return []
    found: dict[str, DashboardSource] = {}
    for source in (
        *_source_statistics(preferences["energy_sources"]),
        *_device_statistics(preferences["device_consumption"]),
    ):
        found.setdefault(source.statistic_id, source)
    return list(found.values())


def _source_statistics(sources: Iterable[Any]) -> Iterator[DashboardSource]:
    """Yield the statistics of grid, solar and battery sources."""
    for source in sources:
        for key, flow in _ENERGY_KEYS.get(source["type"], {}).items():
            if (statistic_id := source.get(key)) is not None:
                yield DashboardSource(
                    flow=flow, statistic_id=statistic_id, name=source.get("name")
                )


def _device_statistics(devices: Iterable[Any]) -> Iterator[DashboardSource]:
    """Yield the statistics of single devices."""
    for device in devices:
        yield DashboardSource(
            flow=Flow.CONSUMPTION,
            statistic_id=device["stat_consumption"],
            name=device.get("name"),
        )


async def async_link(hass: HomeAssistant, meters: Iterable[Meter]) -> None:
    """Show the costs of meters beside their energy.

    Only a grid source has a place for money. A price or a cost that the user has
    set stays as it is.
    """
    cost_of = _cost_of(hass, meters)
    await _async_update_grid(hass, lambda source: _linked(source, cost_of))


@callback
def _cost_of(
    hass: HomeAssistant, meters: Iterable[Meter]
) -> dict[tuple[Flow, str], str]:
    """Return the cost statistics of meters by their flow and energy statistic."""
    return {
        (meter.flow, statistic_id): meter.cost_statistic_id
        for meter in meters
        if (statistic_id := async_statistic_id(hass, meter.source)) is not None
    }


async def async_lacks_cost(hass: HomeAssistant, meters: Iterable[Meter]) -> bool:
    """Return whether the dashboard shows energy of meters without a cost or price."""
    cost_of = _cost_of(hass, meters)
    preferences = (await async_get_manager(hass)).data
    sources: list[Any] = [] if preferences is None else preferences["energy_sources"]
    return any(
        _linked(source, cost_of) != source
        for source in sources
        if source["type"] == GRID
    )


async def async_unlink(
    hass: HomeAssistant, cost_statistic_ids: Collection[str]
) -> None:
    """Take cost statistics out of the dashboard again."""
    await _async_update_grid(hass, lambda source: _unlinked(source, cost_statistic_ids))


async def _async_update_grid(
    hass: HomeAssistant, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Change the grid sources of the dashboard, and save it where that matters."""
    manager = await async_get_manager(hass)
    if manager.data is None:
        return
    before: list[Any] = manager.data["energy_sources"]
    after: list[Any] = [
        change(source) if source["type"] == GRID else source for source in before
    ]
    if after != before:
        await manager.async_update({**manager.data, "energy_sources": after})


def _linked(
    source: dict[str, Any], cost_of: Mapping[tuple[Flow, str], str]
) -> dict[str, Any]:
    """Return a grid source with the costs that it can show."""
    for flow, side in _COST_SIDES.items():
        cost_id = cost_of.get((flow, source.get(side.energy, "")))
        has_money = any(
            source.get(key) is not None for key in (side.cost, *side.prices)
        )
        if cost_id is not None and not has_money:
            source = source | {side.cost: cost_id}
    return source


def _unlinked(
    source: dict[str, Any], cost_statistic_ids: Collection[str]
) -> dict[str, Any]:
    """Return a grid source without some cost statistics."""
    return source | {
        side.cost: None
        for side in _COST_SIDES.values()
        if source.get(side.cost) in cost_statistic_ids
    }
