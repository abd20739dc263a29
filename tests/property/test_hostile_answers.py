"""Whatever a shop or an LMS answers: it is read, or it is one of our errors, which quotes nothing of it and ends no
thread; and no id of theirs leads a call astray."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import stamina
from hypothesis import example, given
from hypothesis import strategies as st

from tests.hostile import LONG, examples, texts, unseen
from wcsync.credentials import Secret
from wcsync.errors import PermanentError, WcsyncError
from wcsync.lms.moodle import Moodle, MoodleSettings
from wcsync.lms.threesixty import ThreeSixty, ThreeSixtySettings
from wcsync.lms.threesixty.rest import Call
from wcsync.model import CourseId, OrderId, Target
from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.server import SandboxServer
from wcsync.store.client import WooCommerce
from wcsync.store.wire import parse_order, parse_rows
from wcsync.times import parse_instant

DEEP = b"[" * 200_000 + b"]" * 200_000
NESTED = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
BODIES = [
    DEEP, NESTED, b'{"exception":' + DEEP + b"}", b'[{"id":1,"z":' + DEEP + b"}]", b'{"access_token":' + DEEP + b"}",
    b'{"error":' + DEEP + b"}", b"[" + b"9" * 5000 + b"]", b'"\\ud800"', b'{"id":1e999}', b"\xff" * 100, b"NaN",
    b'{"code":' + DEEP + b"}", b'{"users":' + NESTED + b"}",
]  # fmt: skip
IDS = [
    "deep",
    "nested",
    "fault",
    "row",
    "token",
    "error",
    "digits",
    "half",
    "big",
    "bytes",
    "nan",
    "code",
    "users",
]
SINCE = parse_instant("2026-01-01T00:00:00.000000Z")
WORDS = (
    "_id", "id", "mail", "email", "status", "users", "exception", "errorcode", "message", "error", "code", "data",
    "line_items", "billing", "meta_data", "key", "value", "date_modified_gmt", "access_token", "expires_in", "name",
)  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | texts(longest=2), inner, max_size=5)
    ),
    max_leaves=12,
)


class Anything(SandboxServer):
    """Gives one answer to everybody."""

    body = b""
    status = 200

    def handle(self, request: Request) -> Response:  # noqa: ARG002
        return Response(status=self.status, body=self.body, headers={"Content-Type": "application/json"})


@pytest.fixture(autouse=True)
def _asked_once() -> Iterator[None]:
    with stamina.set_testing(True, attempts=1):
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[Anything]:
    with Anything() as server:
        yield server


@pytest.fixture(scope="module")
def asked(server: Anything) -> Iterator[dict[str, Any]]:
    """A call of each kind, by whom it is made to."""
    common: dict[str, Any] = {"url": server.url, "timeout_s": 5}
    secret = Secret("marked_7c11_secret")
    campus = Moodle(MoodleSettings(name="campus", token=secret, **common))
    academy = ThreeSixty(ThreeSixtySettings(name="academy", client_id=secret, client_secret=secret, **common))
    shop = WooCommerce(url=server.url, consumer_key="ck_x", consumer_secret="cs_marked_7c11_secret")
    target = Target(lms=campus.name, course_id=CourseId("42"))
    with closing(campus), closing(academy), closing(shop):
        yield {
            "moodle identity": campus.fetch_identity,
            "moodle course": lambda: campus.fetch_target(target),
            "moodle offers": lambda: list(campus.fetch_offers()),
            "360 identity": academy.fetch_identity,
            "360 offers": lambda: list(academy.fetch_offers()),
            "shop identity": shop.fetch_identity,
            "shop orders": lambda: list(shop.fetch_pages(SINCE)),
            "shop order": lambda: shop.fetch_order(OrderId(7)),
            "shop notes": lambda: shop.fetch_notes(OrderId(7)),
            "shop products": lambda: list(shop.fetch_catalogue()),
        }


CALLS = (
    "moodle identity", "moodle course", "moodle offers", "360 identity", "360 offers", "shop identity", "shop orders",
    "shop order", "shop notes", "shop products",
)  # fmt: skip


def outcome(asked: dict[str, Any], name: str) -> str:
    """What became of the call: '' if it was understood. Anything but an error of ours comes through."""
    try:
        asked[name]()
    except WcsyncError as exc:
        return str(exc)
    return ""


@pytest.mark.parametrize("body", BODIES, ids=IDS)
@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_made_to_bring_its_reader_down_is_an_error_of_ours(
    status: int, body: bytes, server: Anything, asked: dict[str, Any]
) -> None:
    server.status, server.body = status, body
    for name in CALLS:
        said = outcome(asked, name)
        assert len(said) < 1000, name
        assert unseen(said) == [], name


@examples(20)
@given(value=json_values, status=st.sampled_from([200, 200, 400, 401, 403, 404]))
def test_any_json_is_understood_or_an_error_of_ours(
    value: Any, status: int, server: Anything, asked: dict[str, Any]
) -> None:
    server.status, server.body = status, json.dumps(value).encode()
    for name in CALLS:
        said = outcome(asked, name)
        assert len(said) < 1000, name
        assert unseen(said) == [], name
        assert "marked_7c11" not in said, name


@examples(40)
@given(text=texts())
@example(text="x" * LONG)
@example(text="a@b.c, " * 100_000)
@example(text="<" * 100_000)
@example(text="a <a@" * 50_000)
def test_an_order_full_of_hostile_texts_is_read_or_put_aside(text: str) -> None:
    """Whatever stands in its texts; nothing else of its page suffers."""
    line = {
        "id": 3,
        "name": text,
        "sku": text,
        "product_id": 5,
        "quantity": 1,
        "total": text,
        "meta_data": meta(text),
    }
    order = {
        "id": 7, "number": text, "status": text, "line_items": [line], "meta_data": meta(text),
        "billing": {"email": text, "first_name": text, "last_name": text, "company": text},
        "date_modified_gmt": "2026-11-21T12:00:00", "date_created_gmt": "2026-11-21T12:00:00",
    }  # fmt: skip
    content = json.dumps(order).encode()
    read = parse_order(content)
    assert len(parse_rows(b"[" + content + b"]")) == 1
    reason = getattr(read, "reason", "")
    assert unseen(reason) == []
    assert len(reason) < 500


def meta(text: str) -> list[dict[str, object]]:
    keys = (text, "_learner_email", "wcsync_email", "learners")
    return [{"id": number, "key": key, "value": text} for number, key in enumerate(keys)]


@examples(40)
@given(text=texts(surrogates=True).filter(lambda text: not text.isascii() or not text.isalnum()))
@example(text="../users")
@example(text="..")
@example(text="5f8d0a3c2b1e4d0012ab34cd\n")
@example(text="a?b=c")
def test_an_id_that_is_none_leads_to_no_other_operation(text: str, server: Anything) -> None:
    server.requests.clear()
    settings = ThreeSixtySettings(
        name="academy", url=server.url, client_id=Secret("marked"), client_secret=Secret("marked")
    )
    with closing(ThreeSixty(settings)) as academy, pytest.raises(PermanentError):
        academy._rest.read(Call(method="GET", path=f"/users/{text}", scope="users:read"), dict)
    assert server.requests == []
