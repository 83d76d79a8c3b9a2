"""The contract: what openapi.json says of requests and answers, ready to be checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any, Final

from jsonschema_rs import Draft202012Validator

from .errors import refused

type Schema = dict[str, Any]

DOCUMENT: Final = Path(__file__).with_name("openapi.json")
INVALID_REQUEST: Final = "invalid_request"
METHODS: Final = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One query parameter."""

    validator: Draft202012Validator
    kind: str
    required: bool

    def read(self, name: str, text: str) -> Any:
        """Return the value in its type; refuse what does not fit."""
        value = _typed(text, self.kind)
        _check(self.validator, value, name)
        return value


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation of the document with the checks of its request and its answers."""

    id: str
    method: str
    path: str
    basic_auth: bool
    body: Draft202012Validator | None
    parameters: Mapping[str, Parameter]
    answers: Mapping[str, Draft202012Validator]

    @property
    def route(self) -> str:
        """Return the name under which requests are counted and faults planned."""
        return f"{self.method} {self.path}"

    def read_query(self, query: Mapping[str, str], *, strict: bool) -> dict[str, Any]:
        """Return the query parameters in their types; refuse what does not fit."""
        for name, parameter in self.parameters.items():
            if parameter.required and name not in query:
                raise refused(INVALID_REQUEST, f"{name}: is required")
        if strict and (unknown := query.keys() - self.parameters.keys()):
            raise refused(INVALID_REQUEST, f"{min(unknown)}: is not a parameter")
        return {
            name: self.parameters[name].read(name, text)
            for name, text in query.items()
            if name in self.parameters
        }

    def check_body(self, body: Any) -> None:
        """Refuse a body that does not fit the schema."""
        if self.body is not None:
            _check(self.body, body, "body")

    def check_answer(self, status: int, body: Any) -> None:
        """Raise when the simulator itself does not keep to the document."""
        self.answers.get(str(status), self.answers["default"]).validate(body)


class Contract:
    """The whole document; a lenient one lets unknown fields of a body pass."""

    def __init__(self, *, strict: bool = True) -> None:
        """Read the document and compile its schemas."""
        document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
        self._document = document if strict else _without_closed_objects(document)
        self.operations = {
            operation.id: operation for operation in self._read_operations()
        }
        self.interval_record = self._compile(
            {"$ref": "#/components/schemas/IntervalRecord"}
        )

    def _read_operations(self) -> Iterator[Operation]:
        """Yield the operations in the order of the document."""
        for path, item in self._document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield self._operation(method.upper(), path, item[method])

    def _operation(self, method: str, path: str, raw: Schema) -> Operation:
        """Compile one operation."""
        parameters = [self._resolve(parameter) for parameter in raw["parameters"]]
        answers = {
            status: self._resolve(answer) for status, answer in raw["responses"].items()
        }
        return Operation(
            id=raw["operationId"],
            method=method,
            path=path,
            basic_auth={"basicAuth": []} in raw["security"],
            body=self._content(raw["requestBody"]) if "requestBody" in raw else None,
            parameters={
                parameter["name"]: self._parameter(parameter)
                for parameter in parameters
                if parameter["in"] == "query"
            },
            answers={
                status: self._content(answer) for status, answer in answers.items()
            },
        )

    def _parameter(self, raw: Schema) -> Parameter:
        """Compile one query parameter."""
        return Parameter(
            validator=self._compile(raw["schema"]),
            kind=raw["schema"]["type"],
            required=raw["required"],
        )

    def _content(self, raw: Schema) -> Draft202012Validator:
        """Compile the schema of a JSON body."""
        return self._compile(raw["content"]["application/json"]["schema"])

    def _resolve(self, raw: Schema) -> Schema:
        """Follow a reference of the document."""
        if "$ref" not in raw:
            return raw
        _, _, kind, name = raw["$ref"].split("/")
        resolved: Schema = self._document["components"][kind][name]
        return resolved

    def _compile(self, schema: Schema) -> Draft202012Validator:
        """Compile a schema; values are kept out of its messages."""
        whole = {**schema, "components": self._document["components"]}
        return Draft202012Validator(whole, validate_formats=True, mask="value")


def first_error(validator: Draft202012Validator, value: Any) -> str:
    """Return what is wrong with a value, with the place where it is."""
    error = next(validator.iter_errors(value))
    place = "/".join(str(step) for step in error.instance_path)
    return f"{place}: {error.message}" if place else error.message


def _typed(text: str, kind: str) -> Any:
    """Return a text of a query in its JSON type, as it is where it has not that form."""
    if kind == "integer" and text.isdecimal():
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def _check(validator: Draft202012Validator, value: Any, name: str) -> None:
    """Refuse a value with the first thing that is wrong with it."""
    if not validator.is_valid(value):
        raise refused(INVALID_REQUEST, f"{name}: {first_error(validator, value)}")


def _without_closed_objects(node: Any) -> Any:
    """Return a copy of the document that allows additional properties."""
    if isinstance(node, list):
        return [_without_closed_objects(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_closed_objects(value)
        for key, value in node.items()
        if key != "additionalProperties"
    }
