"""Holds what goes over the wire against a vendor's own OpenAPI file, where that file is at hand.

The file is the vendor's and not kept here. Only the keywords it uses are known; another one is an error, so that
nothing passes for the reason that it was not looked at. Properties that are not described are errors too.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.server import Delivery
from wcsync.sandbox.threesixty import SandboxThreeSixty

Schema = Mapping[str, Any]

THREESIXTY = Path(__file__).parents[2] / "shared/contracts/360learning-core-subset.json"
ABSENT = f"360Learning's OpenAPI file is not at {THREESIXTY}"

ANNOTATIONS = {"title", "description", "example", "default", "nullable"}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
CURSOR = "cursor"
"""What our sandbox calls the place in a list; the name is left open, it comes with the `Link`."""


class OpenApi:
    """One file. The checks yield a sentence for everything that is not as it says."""

    def __init__(self, document: Schema) -> None:
        self._document = document
        paths = sorted(document["paths"], key=lambda path: path.count("{"))
        self._paths = [(path, re.compile(re.sub(r"\{\w+\}", "([^/]+)", path))) for path in paths]

    def request_faults(self, request: Request) -> Iterator[str]:
        operation, in_path = self._operation(request)
        if operation is None:
            yield f"{request.method} {request.path}: no such operation"
            return
        parameters = operation["parameters"]
        for parameter in parameters:
            where = f"{parameter['in']} {parameter['name']}"
            sent = _sent(parameter, request, in_path)
            if sent is None and parameter.get("required"):
                yield f"{where}: is missing"
            elif sent is not None:
                yield from self.faults(sent, parameter["schema"], where)
        yield from self._unknown_query(request, operation)
        yield from self._body_faults(request, operation)

    def response_faults(self, request: Request, response: Response) -> Iterator[str]:
        operation, _ = self._operation(request)
        described = (operation or {}).get("responses", {}).get(str(response.status))
        where = f"{request.method} {request.path} → {response.status}"
        if described is None:
            yield f"{where}: no such answer"
        elif "content" not in described:
            yield from [f"{where}: has a body"] if response.body else []
        else:
            schema = described["content"]["application/json"]["schema"]
            yield from self.faults(json.loads(response.body), schema, where)

    def faults(self, value: object, schema: Schema, where: str) -> Iterator[str]:
        if value is None and schema.get("nullable"):
            return
        for keyword, wanted in schema.items():
            if keyword not in ANNOTATIONS:
                yield from CHECKS[keyword](self, value, wanted, where)

    def resolve(self, reference: str) -> Schema:
        found: Any = self._document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return dict(found)

    def _operation(self, request: Request) -> tuple[Schema | None, Mapping[str, str]]:
        for path, pattern in self._paths:
            found = pattern.fullmatch(request.path)
            operation = self._document["paths"][path].get(request.method.lower())
            if found and operation:
                return operation, dict(zip(re.findall(r"\{(\w+)\}", path), found.groups(), strict=True))
        return None, {}

    def _unknown_query(self, request: Request, operation: Schema) -> Iterator[str]:
        known = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
        if "Link" in operation["responses"].get("200", {}).get("headers", {}):
            known.add(CURSOR)
        for name, _ in request.query:
            if name.partition("[")[0] not in known:
                yield f"query {name}: is not described"

    def _body_faults(self, request: Request, operation: Schema) -> Iterator[str]:
        described = operation.get("requestBody")
        if described is None:
            yield from ["body: none is described"] if request.body else []
            return
        if request.headers.get("content-type") != "application/json":
            yield "body: is not called JSON"
        schema = described["content"]["application/json"]["schema"]
        yield from self.faults(json.loads(request.body), schema, "body")


def _sent(parameter: Schema, request: Request, in_path: Mapping[str, str]) -> object:
    """What was sent for the parameter, None if nothing. A deepObject is an object of its bracketed names."""
    name = parameter["name"]
    match parameter["in"]:
        case "header":
            return request.headers.get(name)
        case "path":
            return in_path.get(name)
    if parameter.get("style") != "deepObject":
        return request.first(name)
    inner = {
        key.removeprefix(f"{name}[").removesuffix("]"): value
        for key, value in request.query
        if key.startswith(f"{name}[")
    }
    return inner or None


def _type(_api: OpenApi, value: object, wanted: str, where: str) -> Iterator[str]:
    fits = isinstance(value, TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))
    yield from [] if fits else [f"{where}: is no {wanted}"]


def _properties(api: OpenApi, value: object, wanted: Mapping[str, Schema], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if name in wanted:
            yield from api.faults(inner, wanted[name], f"{where}.{name}")
        else:
            yield f"{where}.{name}: is not described"


def _required(_api: OpenApi, value: object, wanted: list[str], where: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (f"{where}.{name}: is missing" for name in wanted if name not in value)


def _items(api: OpenApi, value: object, wanted: Schema, where: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from api.faults(inner, wanted, f"{where}.{number}")


def _one_of(api: OpenApi, value: object, wanted: list[Schema], where: str) -> Iterator[str]:
    fitting = sum(not list(api.faults(value, choice, where)) for choice in wanted)
    yield from [] if fitting == 1 else [f"{where}: fits {fitting} of {len(wanted)} choices"]


def _any_of(api: OpenApi, value: object, wanted: list[Schema], where: str) -> Iterator[str]:
    fits = any(not list(api.faults(value, choice, where)) for choice in wanted)
    yield from [] if fits else [f"{where}: fits no choice"]


def _all_of(api: OpenApi, value: object, wanted: list[Schema], where: str) -> Iterator[str]:
    for part in wanted:
        yield from api.faults(value, part, where)


def _format(_api: OpenApi, value: object, wanted: str, where: str) -> Iterator[str]:
    if wanted == "date-time" and isinstance(value, str):
        try:
            aware = datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            aware = False
        yield from [] if aware else [f"{where}: is no instant"]
    assert wanted in {"date-time", "ObjectId"}, wanted


def _holds(sentence: str, kinds: tuple[type, ...], test: Callable[[Any, Any], bool]) -> "Check":
    """A check of one comparison, for values of those kinds."""

    def check(_api: OpenApi, value: object, wanted: Any, where: str) -> Iterator[str]:
        if isinstance(value, kinds) and not test(value, wanted):
            yield f"{where}: {sentence} {wanted!r}"

    return check


Check = Callable[[OpenApi, Any, Any, str], Iterator[str]]

CHECKS: dict[str, Check] = {
    "type": _type,
    "properties": _properties,
    "required": _required,
    "items": _items,
    "oneOf": _one_of,
    "anyOf": _any_of,
    "allOf": _all_of,
    "format": _format,
    "$ref": lambda api, value, wanted, where: api.faults(value, api.resolve(wanted), where),
    "enum": _holds("is none of", (object,), lambda value, wanted: value in wanted),
    "pattern": _holds("does not match", (str,), lambda value, wanted: re.search(wanted, value) is not None),
    "minLength": _holds("is shorter than", (str,), lambda value, wanted: len(value) >= wanted),
    "maxLength": _holds("is longer than", (str,), lambda value, wanted: len(value) <= wanted),
    "minItems": _holds("has fewer than", (list,), lambda value, wanted: len(value) >= wanted),
    "maxItems": _holds("has more than", (list,), lambda value, wanted: len(value) <= wanted),
    "minimum": _holds("is less than", (int, float), lambda value, wanted: value >= wanted),
    "maximum": _holds("is more than", (int, float), lambda value, wanted: value <= wanted),
}


@functools.cache
def threesixty() -> OpenApi | None:
    """360Learning's own description of its API; None where the file is not at hand."""
    if not THREESIXTY.exists():
        return None
    return OpenApi(json.loads(THREESIXTY.read_text(encoding="utf-8")))


class WatchedThreeSixty(SandboxThreeSixty):
    """A sandbox whose every request and answer is held against the file. `faults_seen` is to stay empty."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.faults_seen: list[str] = []
        self.exchanges_checked = 0

    def answer(self, request: Request) -> Delivery:
        api = threesixty()
        if api is not None:
            self.faults_seen += api.request_faults(request)
        return super().answer(request)

    def handle(self, request: Request) -> Response:
        api, response = threesixty(), super().handle(request)
        if api is not None:
            self.faults_seen += api.response_faults(request, response)
            self.exchanges_checked += 1
        return response
