"""Logs: one JSON line each, and nothing in them that must not be."""

import io
import json
import logging
import os
from collections.abc import Iterator
from time import monotonic
from typing import Any, TextIO

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


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, TextIO]]:
    """Its end to read from, and logs that go into the other one."""
    monkeypatch.setattr(logs, "PATIENCE_S", 0.05)
    taken, given = os.pipe()
    with os.fdopen(given, "w", encoding="utf-8") as stream:
        logs.configure(style="json", stream=stream)
        yield taken, stream
    os.close(taken)


def read_all(taken: int) -> list[dict[str, Any]]:
    os.set_blocking(taken, False)
    text = b""
    while True:
        try:
            text += os.read(taken, 65536)
        except BlockingIOError:
            return [
                json.loads(line)
                for line in text.splitlines()
                if line.startswith(b"{") and line.endswith(b"}")
            ]


def test_a_pipe_that_nobody_reads_stops_nothing_and_what_was_lost_is_told(pipe: tuple[int, TextIO]) -> None:
    taken, _ = pipe
    began = monotonic()
    for number in range(3000):
        structlog.get_logger().info("anything", number=number, filler="x" * 200)
    assert monotonic() - began < 5
    before = read_all(taken)
    structlog.get_logger().info("anything", number=3000)
    after = read_all(taken)
    [told] = [line for line in after if line["event"] == "log_stalled"]
    assert told["level"] == "warning"
    assert len(before) + told["lost"] == 3000
    assert [line["number"] for line in after if line["event"] == "anything"] == [3000]


def test_a_line_longer_than_a_pipe_holds_at_once_arrives_whole(pipe: tuple[int, TextIO]) -> None:
    structlog.get_logger().info("anything", filler="é" * 5_900)
    [line] = read_all(pipe[0])
    assert line["filler"] == "é" * 5_900


def test_a_reader_that_went_away_stops_nothing() -> None:
    taken, given = os.pipe()
    os.close(taken)
    with os.fdopen(given, "w", encoding="utf-8") as stream:
        logs.configure(style="json", stream=stream)
        structlog.get_logger().info("anything")


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
