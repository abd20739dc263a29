"""Whatever is in the ledger or said by a service, a screen shows it on the line it belongs to, and obeys none of it."""

import contextlib
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from tests.hostile import LONG, examples, texts, unseen
from wcsync import screen
from wcsync.cli.causes import DEAD, PARKED
from wcsync.cli.lists import print_dead, print_parked
from wcsync.cli.show import print_story
from wcsync.doctor import Diagnosis
from wcsync.errors import Problem
from wcsync.times import parse_instant

AT = "2026-11-21T12:00:00.000000Z"
NOW = parse_instant(AT)


def shown(show: Callable[[], None]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        show()
    return out.getvalue()


def parked(text: str) -> dict[str, Any]:
    kind = next(iter(PARKED))
    return {
        "order_id": 7, "number": text, "line_id": 3, "kind": kind, "since": AT, "reason": text, "product": text,
        "sku": text,
    }  # fmt: skip


def dead(text: str) -> dict[str, Any]:
    sale = {"order_id": 7, "number": text, "product": text, "line_id": 3, "live": True}
    return {
        "lms": "campus", "course_id": text, "learner": "9f3a", "desired": "in", "error": text, "attempts": 3,
        "error_kind": next(iter(DEAD)), "changed_at": AT, "sales": [sale],
    }  # fmt: skip


def story(text: str) -> dict[str, Any]:
    line = {"line_id": 3, "sku": text, "name": text, "quantity": 1, "verdict": "planned", "reason": text}
    note = {"number": 1, "state": "dead", "error": text, "changed_at": AT}
    moment = {"at": AT, "by": "shop", "what": "read", "about": "order", "detail": text}
    refund = {"refund_id": 1, "total": text, "lines": []}
    entry = {**parked(text), "dropped_at": "", "do": "x", "command": "parked drop 7"}
    person = {"learner": "9f3a", "email": text or "x", "first_name": text, "last_name": text}
    renewal = {"subscription_id": 1, "status": text, "begun": True, "modified_at": AT}
    return {
        "order_id": 7, "number": text, "status": text, "paid": True, "modified_at": AT, "read_at": AT,
        "hold": {"since": AT, "reason": text, "command": "release 7"}, "refunds": [refund], "decisions": [],
        "subscriptions": [renewal], "lines": [line], "enrolments": [], "open_seats": [], "parked": [entry],
        "notes": [note], "people": [person], "timeline": [moment],
    }  # fmt: skip


def diagnosis(text: str) -> Diagnosis:
    return Diagnosis(
        service=text,
        code="x",
        ok=False,
        fatal=True,
        message=text,
        remedy=text,
        where=(text, text, text, text),
    )


SCREENS: dict[str, Callable[[str], None]] = {
    "say": lambda text: screen.say(text, f"learner {text}"),
    "say on stderr": lambda text: screen.say(text, err=True),
    "problems": lambda text: screen.print_problems([Problem(where=text, message=text, remedy=text)]),
    "diagnosis": lambda text: screen.print_diagnosis(diagnosis(text)),
    "parked list": lambda text: print_parked([parked(text)], frozenset(), NOW),
    "dead list": lambda text: print_dead([dead(text)], frozenset(), NOW),
}


@examples(20)
@given(text=texts(surrogates=True))
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_has_as_many_lines_as_with_a_harmless_text(name: str, text: str) -> None:
    told = shown(lambda: SCREENS[name](text))
    assert unseen(told) == []
    usual = shown(lambda: SCREENS[name]("harmless" if text else ""))
    assert len(told.split("\n")) == len(usual.split("\n"))


@examples(20)
@given(text=texts(surrogates=True))
def test_the_story_of_an_order_obeys_none_of_it(text: str) -> None:
    told = shown(lambda: print_story(story(text)))
    assert unseen(told) == []
    assert not any(line.startswith("wcsync ") for line in told.split("\n")), "a command of its own"


@examples(20)
@given(text=texts(surrogates=True))
def test_a_json_document_is_ascii_and_read_back_as_it_was(text: str) -> None:
    told = shown(lambda: screen.print_json({"name": text, text: [text]}))
    assert told.isascii()
    assert unseen(told) == []
    assert json.loads(told)["name"] == text


@pytest.mark.parametrize("name", SCREENS)
def test_a_megabyte_is_shown_in_a_moment(name: str) -> None:
    assert shown(lambda: SCREENS[name]("x\x1b" * (LONG // 2)))
