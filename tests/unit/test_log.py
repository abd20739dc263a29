"""Logs: one JSON line each, and nothing in them that must not be."""

import io
import json
import logging
from typing import Any

import pytest
import structlog

from wcsync import log as logs

SECRET = "cs_0123456789abcdef"


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def last(out: io.StringIO) -> Any:
    return json.loads(out.getvalue().splitlines()[-1])


def test_a_closed_stderr_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with 2>&-: Python has no stream for it then."""
    monkeypatch.setattr("sys.stderr", None)
    logs.configure()
    structlog.get_logger().info("anything")
    logging.getLogger("library").warning("anything")


def test_an_event_is_one_json_line_with_its_keys(out: io.StringIO) -> None:
    logs.configure(style="json", stream=out)
    structlog.get_logger().info("orders_polled", fetched=3)
    line = last(out)
    assert (line["event"], line["level"], line["fetched"]) == ("orders_polled", "info", 3)
    assert line["at"].endswith("Z")


@pytest.mark.parametrize(
    "value",
    [f"x{SECRET}y", [SECRET], {"a": {"b": (SECRET,)}}, ValueError(SECRET)],
    ids=["text", "list", "nested", "exception"],
)
def test_a_known_secret_is_blotted_out_wherever_it_is(out: io.StringIO, value: object) -> None:
    logs.configure(style="json", stream=out, secrets=[SECRET])
    structlog.get_logger().info("anything", value=value)
    assert SECRET not in out.getvalue()
    assert "[secret]" in out.getvalue()


def test_an_address_is_blotted_out_wherever_it_is(out: io.StringIO) -> None:
    logs.configure(style="json", stream=out)
    structlog.get_logger().warning("anything", reason="user josé.o'neil+x@exämple.test refused")
    assert last(out)["reason"] == "user josé.o'[address] refused"


@pytest.mark.parametrize("key", sorted(logs.PERSONAL_KEYS))
def test_a_personal_key_is_blotted_out_whatever_it_holds(out: io.StringIO, key: str) -> None:
    logs.configure(style="json", stream=out)
    structlog.get_logger().info("anything", **{key: "Ana"})
    assert last(out)[key] == "[personal]"


def test_a_traceback_is_cleaned_too(out: io.StringIO) -> None:
    logs.configure(style="json", stream=out, secrets=[SECRET])
    try:
        int(f"{SECRET} ana@example.test")
    except ValueError:
        structlog.get_logger().critical("worker_failed", exc_info=True)
    assert SECRET not in out.getvalue()
    assert "ana@example.test" not in out.getvalue()
    assert "ValueError" in last(out)["exception"]


def test_lines_of_libraries_take_the_same_way(out: io.StringIO) -> None:
    logs.configure(style="json", stream=out, secrets=[SECRET])
    logging.getLogger("apscheduler").error("job failed with %s", SECRET)
    line = last(out)
    assert SECRET not in out.getvalue()
    assert line["level"] == "error"


def test_line_breaks_in_a_value_cannot_forge_a_line(out: io.StringIO) -> None:
    logs.configure(style="json", stream=out)
    structlog.get_logger().info("anything", reason='x\n{"event": "forged"}\x1b[2J')
    assert len(out.getvalue().splitlines()) == 1
    assert "\x1b" not in out.getvalue()


def test_text_for_terminals_holds_no_control_characters_from_outside(out: io.StringIO) -> None:
    logs.configure(style="text", stream=out)
    structlog.get_logger().info("anything", reason="x\x1b[2J\nforged")
    assert "\x1b" not in out.getvalue()
    assert len(out.getvalue().splitlines()) == 1


def test_a_line_below_the_level_is_not_written(out: io.StringIO) -> None:
    logs.configure(style="json", level="warning", stream=out)
    structlog.get_logger().info("anything")
    assert out.getvalue() == ""
