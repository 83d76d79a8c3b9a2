"""Check that a session has its own cost, while the home runs."""

import asyncio
from collections.abc import Mapping
from math import fsum
from time import monotonic
from typing import Any, Final

from .configuration import CURRENCY, IN_SESSION
from .demo import HEAT_PUMP, Demo, Meter, Progress
from .finding import Finding

# The recorder has the last five minutes of a session ten seconds after these; a cycle
# follows one to two minutes later.
PRICED_SECONDS: Final = 480
POLL_SECONDS: Final = 5

# Flatpeak reports money with five decimals.
HALF_A_DECIMAL: Final = 0.000005

SUBENTRY_FLOW: Final = "/api/config/config_entries/subentries/flow"


async def begin_session(demo: Demo) -> None:
    """Let a helper tell of the sessions of the heat pump, and begin one."""
    home_assistant = demo.home_assistant
    subentries = await home_assistant.call(
        "config_entries/subentries/list", entry_id=demo.entry_id
    )
    [subentry_id] = (
        each["subentry_id"] for each in subentries if each["title"] == HEAT_PUMP.name
    )
    flow = await home_assistant.post(
        SUBENTRY_FLOW,
        {"handler": [demo.entry_id, "meter"], "subentry_id": subentry_id},
    )
    await home_assistant.post(
        f"{SUBENTRY_FLOW}/{flow['flow_id']}",
        {
            "statistic_id": HEAT_PUMP.statistic_id,
            "flow": HEAT_PUMP.flow,
            "name": HEAT_PUMP.name,
            "session_entity": IN_SESSION,
            "session_pause": 0,
        },
    )
    await home_assistant.until_loaded("flatpeak")
    await _turn(demo, "on")


async def check_session(
    demo: Demo, devices: Mapping[Meter, str], say: Progress
) -> Finding:
    """End the session, and compare its energy and its cost with the simulator's truth."""
    await _turn(demo, "off")
    say("The session of the heat pump is over; it is priced within seven minutes.")
    finding = Finding(
        title="A session of the heat pump", compared="figures", unit=CURRENCY
    )
    device_id = devices[HEAT_PUMP]
    session = await _priced_session(demo, device_id)
    if session is None:
        finding.complaints.append("It has no cost.")
        return finding
    records = await demo.simulator.session(
        session["session_id"], HEAT_PUMP.tariff_direction
    )
    finding.compare(
        "energy", session["energy"], fsum(each.energy_wh for each in records) / 1000
    )
    finding.compare(
        "cost",
        session["cost"],
        fsum(each.cost or 0 for each in records),
        abs_tol=HALF_A_DECIMAL,
    )
    if not session["energy"]:
        finding.complaints.append("It has no energy.")
    return finding


async def _turn(demo: Demo, state: str) -> None:
    """Turn the helper on or off."""
    await demo.home_assistant.post(
        f"/api/services/input_boolean/turn_{state}", {"entity_id": IN_SESSION}
    )


async def _priced_session(demo: Demo, device_id: str) -> dict[str, Any] | None:
    """Return what the action says of the session once it has a cost."""
    registry = await demo.home_assistant.call("config/device_registry/list")
    [device] = (
        each for each in registry if ["flatpeak", device_id] in each["identifiers"]
    )
    end = monotonic() + PRICED_SECONDS
    while monotonic() < end:
        answer = await demo.home_assistant.post(
            "/api/services/flatpeak/get_session_cost?return_response",
            {"device_id": device["id"]},
        )
        [session] = answer["service_response"]["sessions"]
        if session["status"] == "priced":
            return dict(session)
        await asyncio.sleep(POLL_SECONDS)
    return None
