"""The document: everything in it is served, and the simulator itself keeps to it."""

from typing import Any

from jsonschema_rs import ValidationError
import pytest

from tests.simulator.call import Answer
from tests.simulator.server import HANDLERS
from tests.simulator.validation import Contract

from .service import Api

CONTRACT = Contract()
TIME = "2026-06-15T12:00:00Z"


def test_every_operation_has_a_handler() -> None:
    """The document lists what is served, no more and no less."""
    assert CONTRACT.operations.keys() == HANDLERS.keys()


def test_routes_are_unique() -> None:
    """Two operations do not share a route."""
    routes = [operation.route for operation in CONTRACT.operations.values()]

    assert len(set(routes)) == len(routes)
    assert "PUT /meters/interval" in routes


@pytest.mark.parametrize(
    ("operation", "status", "body"),
    [
        ("createDevice", 201, {"id": "dev_1", "object": "device"}),
        ("createDevice", 201, {"id": "x", "object": "device", "reference_id": "y"}),
        ("getDevice", 404, {}),
        ("login", 200, {"bearer_token": "x", "expires_in": 1.5, "live_mode": False}),
        ("submitInterval", 200, {"id": "bat_1", "object": "meter_batch"}),
        ("getBatch", 418, {"text": "teapot"}),
    ],
)
def test_answers_are_checked(operation: str, status: int, body: dict[str, Any]) -> None:
    """An answer that the document does not allow is a bug of the simulator."""
    with pytest.raises(ValidationError):
        CONTRACT.operations[operation].check_answer(status, body)


async def test_bug_is_not_hidden(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong answer does not reach the client."""
    wrong = Answer(200, {"data": []})
    monkeypatch.setitem(HANDLERS, "listDevices", lambda call: wrong)

    assert (await api.get("/devices")).status == 500


@pytest.mark.parametrize("strict", [True, False])
def test_unknown_fields(*, strict: bool) -> None:
    """A lenient document lets unknown fields pass, and nothing else."""
    contract = Contract(strict=strict)
    raw = {
        "location_id": "loc_1",
        "units": "WH",
        "value": 1,
        "start_time": TIME,
        "end_time": TIME,
    }

    assert contract.interval_record.is_valid(raw)
    assert contract.interval_record.is_valid(raw | {"unknown": 1}) is not strict
    assert not contract.interval_record.is_valid(raw | {"units": "MWH"})


def test_values_stay_out_of_messages() -> None:
    """A refusal does not repeat what it refuses: it may be an address."""
    body = {"postal_address": {"country_code": "Secret"}}

    with pytest.raises(Exception, match="country_code") as caught:
        CONTRACT.operations["createLocation"].check_body(body)

    assert "Secret" not in str(caught.value)
