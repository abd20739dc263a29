"""The check against a vendor's description finds what is wrong; a check that cannot fail would prove nothing."""

import json

import pytest

from tests.openapi import OpenApi
from wcsync.sandbox.exchange import Request, Response

ID = "65a000000000000000000001"
ENVELOPE = {
    "type": "object",
    "properties": {"error": {"type": "string", "enum": ["nope"]}},
    "required": ["error"],
}
OBJECT_ID = {"type": "string", "pattern": "^[a-f0-9]{24}$", "format": "ObjectId"}
THING = {
    "type": "object",
    "properties": {
        "_id": OBJECT_ID,
        "name": {"type": "string", "minLength": 1, "maxLength": 3},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "at": {"type": "string", "format": "date-time"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "gone": {"type": "boolean", "nullable": True},
        "inner": {"allOf": [{"$ref": "#/components/schemas/Error"}]},
        "either": {"anyOf": [{"type": "string"}, {"type": "number"}]},
        "one": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
    },
    "required": ["_id"],
}
API = OpenApi(
    {
        "components": {"schemas": {"Thing": THING, "Error": ENVELOPE}},
        "paths": {
            "/things/{thingId}": {
                "put": {
                    "parameters": [
                        {"name": "v", "in": "header", "required": True, "schema": {"enum": ["2"]}},
                        {
                            "name": "thingId",
                            "in": "path",
                            "required": True,
                            "schema": OBJECT_ID,
                        },
                        {
                            "name": "mail",
                            "in": "query",
                            "style": "deepObject",
                            "schema": {"properties": {"eq": {"type": "string", "minLength": 1}}},
                        },
                    ],
                    "requestBody": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
                    },
                    "responses": {
                        "200": {
                            "content": {
                                "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}
                            }
                        },
                        "204": {},
                        "400": {"content": {"application/json": {"schema": ENVELOPE}}},
                    },
                }
            }
        },
    }
)


def request(**more: object) -> Request:
    sent: dict[str, object] = {
        "method": "PUT",
        "path": f"/things/{ID}",
        "headers": {"v": "2", "content-type": "application/json"},
        "body": json.dumps({"_id": ID}).encode(),
    }
    return Request(**sent | more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        pytest.param({"_id": ID}, "", id="the least"),
        pytest.param({"_id": ID, "name": "abc", "count": 9, "tags": ["a"], "gone": None}, "", id="more"),
        pytest.param({"_id": ID, "at": "2026-01-01T00:00:00.000Z", "either": 1.5, "one": 1.5}, "", id="most"),
        pytest.param([], "is no object", id="a list"),
        pytest.param({}, "_id: is missing", id="nothing"),
        pytest.param({"_id": "x"}, "_id: does not match", id="pattern"),
        pytest.param({"_id": ID, "extra": 1}, "extra: is not described", id="undescribed"),
        pytest.param({"_id": ID, "name": ""}, "is shorter than", id="too short"),
        pytest.param({"_id": ID, "name": "abcd"}, "is longer than", id="too long"),
        pytest.param({"_id": ID, "name": None}, "is no string", id="null"),
        pytest.param({"_id": ID, "count": 0}, "is less than", id="too small"),
        pytest.param({"_id": ID, "count": 10}, "is more than", id="too big"),
        pytest.param({"_id": ID, "count": 1.5}, "is no integer", id="a fraction"),
        pytest.param({"_id": ID, "count": True}, "is no integer", id="true is no number"),
        pytest.param({"_id": ID, "at": "2026-01-01T00:00:00"}, "is no instant", id="no zone"),
        pytest.param({"_id": ID, "at": "soon"}, "is no instant", id="no date"),
        pytest.param({"_id": ID, "tags": ["a", 1]}, "tags.1: is no string", id="item"),
        pytest.param({"_id": ID, "tags": ["a"] * 3}, "has more than", id="too many"),
        pytest.param({"_id": ID, "inner": {"error": "yes"}}, "inner.error: is none of", id="enum below"),
        pytest.param({"_id": ID, "either": []}, "fits no choice", id="any of"),
        pytest.param({"_id": ID, "one": 1}, "fits 2 of 2 choices", id="one of"),
    ],
)
def test_a_body_is_held_against_its_schema(value: object, fault: str) -> None:
    body = json.dumps(value).encode()
    for found in (
        list(API.request_faults(request(body=body))),
        list(API.response_faults(request(), Response(body=body))),
    ):
        assert any(fault in sentence for sentence in found) if fault else found == []


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        pytest.param({"path": "/other"}, "no such operation", id="path"),
        pytest.param({"method": "POST"}, "no such operation", id="method"),
        pytest.param({"path": "/things/1"}, "path thingId: does not match", id="id"),
        pytest.param({"headers": {"content-type": "application/json"}}, "header v: is missing", id="header"),
        pytest.param({"headers": {"v": "3", "content-type": "application/json"}}, "is none of", id="version"),
        pytest.param({"headers": {"v": "2"}}, "not called JSON", id="type of body"),
        pytest.param({"query": (("mail[eq]", ""),)}, "mail.eq: is shorter", id="empty filter"),
        pytest.param({"query": (("mail[is]", "a"),)}, "mail.is: is not described", id="odd filter"),
        pytest.param({"query": (("page", "1"),)}, "page: is not described", id="odd parameter"),
    ],
)
def test_a_request_is_held_against_its_operation(more: dict[str, object], fault: str) -> None:
    assert any(fault in sentence for sentence in API.request_faults(request(**more)))


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        pytest.param(Response(status=500), "500: no such answer", id="status"),
        pytest.param(Response(status=204, body=b"{}"), "204: has a body", id="body"),
        pytest.param(Response(status=400, body=b'{"error":"yes"}'), "is none of", id="code"),
    ],
)
def test_an_answer_is_held_against_its_operation(response: Response, fault: str) -> None:
    assert any(fault in sentence for sentence in API.response_faults(request(), response))


def test_a_keyword_nobody_knows_is_not_passed_over() -> None:
    with pytest.raises(KeyError, match="contains"):
        list(API.faults([], {"contains": {}}, "body"))
