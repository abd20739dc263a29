"""The log as sentences: whatever comes, nothing stops it, and nothing harmful reaches the terminal."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import make_order
from tests.spine import Spine
from wcsync.cli import main
from wcsync.cli.sentences import SENTENCES, render_sentence
from wcsync.cli.tail import LONGEST_LINE
from wcsync.effects import Stay
from wcsync.events import EVENTS
from wcsync.model import Outcome

ROOT = Path(__file__).parents[2]
AT = "2026-11-22T01:02:03.456789Z"
CONFIG = """
[store]
url = "https://shop.example"
consumer_key = { env = "K" }
consumer_secret = { env = "S" }
[[lms]]
name = "campus"
kind = "moodle"
url = "https://campus.example"
token = { env = "T" }
[ledger]
path = "ledger.db"
"""


def line(event: str = "enrolment_settled", level: str = "info", **keys: Any) -> str:
    return json.dumps({"at": AT, "level": level, "event": event, **keys})


def settled(learner: str = "9f3a0000", outcome: str = "created", **keys: Any) -> str:
    known = {"lms": "campus", "course_id": "42", "attempt": 1, "desired": "in"}
    return line(learner=learner, outcome=outcome, **{**known, **keys})


def tail(text: str | bytes, *words: str) -> Result:
    return CliRunner().invoke(main, ["tail", *words], input=text)


def shown(text: str | bytes, *words: str) -> list[str]:
    result = tail(text, *words)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


# -- sentences -------------------------------------------------------------------------------------------------------


WITHDRAWING = {Outcome.REMOVED, Outcome.ABSENT, Outcome.SUSPENDED, Outcome.EXPIRED, *Stay}


@pytest.mark.parametrize("outcome", sorted(WITHDRAWING))
def test_what_becomes_of_a_withdrawal_is_told_in_words(outcome: str) -> None:
    (told,) = shown(settled(outcome=outcome, desired="out"))
    assert "Settled" not in told
    assert "earner 9f3a0000… " in told
    assert outcome in EVENTS["enrolment_settled"].when


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (settled(), "Enrolled learner 9f3a0000… in campus course 42"),
        (settled(attempt=2), "Enrolled learner 9f3a0000… in campus course 42 [2nd attempt]"),
        (settled(attempt=11), "Enrolled learner 9f3a0000… in campus course 42 [11th attempt]"),
        (settled(outcome="already"), "Learner 9f3a0000… is in campus course 42 already"),
        (settled(outcome="removed", desired="out"), "Withdrew learner 9f3a0000… from campus course 42"),
        (
            settled(outcome="deferred", reason="no answer", retry_in_s=30.4),
            "Could not enrol learner 9f3a0000… in campus course 42 yet: no answer; next try in 30 s",
        ),
        (
            settled(outcome="dead", reason="no such course", desired="out"),
            "GAVE UP to withdraw learner 9f3a0000… from campus course 42: no such course; see `wcsync dead list`",
        ),
        (line("service_recovered", service="campus", down_s=7300), "campus works again after 2 h"),
        (
            line("poller_failed", job="alerts"),
            "A FAULT OF WCSYNC while it did its job alerts; nothing is lost, it is tried again",
        ),
        (
            line("poller_failed"),
            "A FAULT OF WCSYNC while it read orders; nothing is lost, it is tried again",
        ),
        (
            line("courses_synced", courses=3, products=4, changed=2, written=1, failed=1, full=True),
            "Compared in full: 3 courses with 4 products; 1 product written, 1 NOT WRITTEN",
        ),
        (
            line("courses_synced", courses=1, products=1, changed=0, edited=2),
            "Compared: 1 course with 1 product; nothing to write, 2 fields changed by people and left alone",
        ),
        (
            line("courses_stopped", reason="campus: it is in trouble and left alone for now", hint=""),
            "The course mirror did NOT DO ALL: campus: it is in trouble and left alone for now",
        ),
        (
            line("courses_stopped", reason="40 of 60 products would be changed", hint="allow it once"),
            "The course mirror did NOT DO ALL: 40 of 60 products would be changed; allow it once",
        ),
        (
            line("course_gone", lms="campus", course_id="42"),
            "Course 42 of campus is gone, hidden or archived; its products stay as they are",
        ),
        (
            line("product_not_written", product_id=1017, field="", reason="the shop refused it"),
            "Could not write the changes of product 1017: the shop refused it",
        ),
        (line("something_new", a=1, b="two"), "something_new a=1 b=two"),
        (line("Connection pool is full, of a library"), "Connection pool is full, of a library"),
    ],
    ids=lambda value: value if not value.startswith("{") else "",
)
def test_a_line_is_told_as_a_sentence(written: str, sentence: str) -> None:
    assert shown(written + "\n") == [f"2026-11-22 01:02:03Z         {sentence}"]


def test_gravity_is_seen_without_colours() -> None:
    levels = ["info", "warning", "error", "critical"]
    marks = [row[22:27] for row in shown("\n".join(line("x_y", level) for level in levels))]
    assert marks == ["     ", "warn ", "ERROR", "FAULT"]


def test_a_traceback_is_shown_below_its_line() -> None:
    rows = shown(line("worker_failed", "critical", exception="Traceback\n  File x\nKeyError: \x1b[1m"))
    assert rows[1:] == ["    Traceback", "      File x", "    KeyError: \N{REPLACEMENT CHARACTER}[1m"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
keys = [
    "field",
    "what",
    "changed",
    "failed",
    "edited",
    "written",
    "courses",
    "outcome",
    "desired",
    "attempt",
    "learner",
    "reason",
    "retry_in_s",
    "fresh",
    "lms",
    "problems",
    "pages",
    "rows",
]


@given(event=st.sampled_from(sorted(SENTENCES)), values=st.dictionaries(st.sampled_from(keys), json_values))
def test_whatever_values_a_known_event_carries_there_is_a_sentence(
    event: str, values: dict[str, Any]
) -> None:
    assert render_sentence({"event": event, **values})


# -- what comes in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        "Started wcsync.service.",
        "Traceback (most recent call last):",
        '  File "x", line 1',
        '{"event": "half',
        "[1]",
        "{}",
    ],
)
def test_what_is_no_line_of_ours_is_shown_as_it_is(raw: str) -> None:
    assert shown(f"{raw}\n") == [raw]


def test_what_the_journal_puts_in_front_is_no_hindrance() -> None:
    assert shown(f"Nov 22 01:02:03 host wcsync[123]: {settled()}\n")[0].endswith("in campus course 42")


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"event":' * 50_000,
        b"",
        b'{"event": "a_b", "n": ' + b"9" * 5000 + b"}",
        b"\r",
    ],
    ids=["no text", "deep", "deeper", "empty", "huge number", "carriage return"],
)
def test_nothing_that_comes_in_stops_it(raw: bytes) -> None:
    rows = shown(raw + b"\n" + settled().encode())
    assert rows[-1].endswith("in campus course 42")


def test_a_line_without_an_end_is_shown_too() -> None:
    assert shown(settled()) == shown(settled() + "\n")


def test_the_rest_of_an_endless_line_is_left_out() -> None:
    rows = shown("x" * (3 * LONGEST_LINE + 7) + "\n" + settled() + "\n")
    assert len(rows) == 2
    assert LONGEST_LINE < len(rows[0]) < LONGEST_LINE + 100
    assert rows[1].endswith("in campus course 42")


def test_control_characters_reach_no_terminal_and_no_reason_makes_a_line_of_its_own() -> None:
    evil = "\x1b[2Jgone\n2026-11-22 01:02:03Z  ERROR  forged\u202e"
    rows = shown(settled(outcome="dead", reason=evil) + "\n\x1b]0;title\x07raw\n")
    assert len(rows) == 2
    assert not re.search("[\x00-\x1f\x7f\u202e]", "".join(rows))


def test_thousands_of_lines_are_shown_in_a_second() -> None:
    text = (settled() + "\n") * 5000
    began = time.process_time()
    assert len(shown(text)) == 5000
    assert time.process_time() - began < 5


# -- filters ---------------------------------------------------------------------------------------------------------

SOME = "\n".join(
    [
        settled("9f3a1111"),
        settled("aaaa2222", outcome="deferred", level="warning", reason="busy", retry_in_s=1),
        line("service_blocked", "error", service="campus", reason="token"),
        line("orders_polled", fresh=1, lines=1),
        "Traceback",
    ]
)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ((), ["9f3a1111", "aaaa2222", "REFUSES", "Read the shop", "Traceback"]),
        (("--learner", "9f3a"), ["9f3a1111"]),
        (("--learner", "9F3A1111" + "0" * 24), ["9f3a1111"]),
        (("--level", "warning"), ["aaaa2222", "REFUSES", "Traceback"]),
        (("--level", "error"), ["REFUSES", "Traceback"]),
        (("--event", "service_blocked", "--event", "orders_polled"), ["REFUSES", "Read the shop"]),
        (("--service", "shop"), ["Read the shop"]),
        (("--service", "campus", "--level", "error"), ["REFUSES"]),
    ],
    ids=lambda value: " ".join(value) or "none",
)
def test_a_filter_leaves_what_is_asked_for(words: tuple[str, ...], parts: list[str]) -> None:
    rows = shown(
        SOME.replace('"level": "info", "event": "enrolment_settled", "learner": "aaaa2222"', "x"), *words
    )
    assert len(rows) == len(parts), rows
    for row, part in zip(rows, parts, strict=True):
        assert part in row


@pytest.mark.parametrize("words", [("--learner", "xyz"), ("--learner", ""), ("--level", "loud")])
def test_wrong_words_end_with_2(words: tuple[str, ...]) -> None:
    assert tail("", *words).exit_code == 2


def test_files_are_read_and_have_no_journal_options(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(settled())
    assert shown("", str(path))[0].endswith("in campus course 42")
    assert tail("", str(path), "--follow").exit_code == 2


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    """Two orders of one learner and one of another, the first with a number of its own."""
    spine = Spine(tmp_path)
    spine.record(
        replace(make_order(7), number="2026-7"), make_order(8), make_order(9, email="bea@example.test")
    )
    spine.close()
    (tmp_path / "config.toml").write_text(CONFIG)
    return spine


def learners(spine: Spine) -> dict[int, str]:
    rows = spine.rows("SELECT order_id, learner_key FROM entitlements")
    return {row["order_id"]: row["learner_key"][:8] for row in rows}


def test_lines_of_an_order_are_found_through_the_ledger(ledger: Spine, tmp_path: Path) -> None:
    who = learners(ledger)
    text = "\n".join(
        [settled(who[7]), settled(who[9]), line("message_settled", subject="order 7", outcome="sent")]
    )
    config = ("--config", str(tmp_path / "config.toml"))
    rows = shown(text, "--order", "2026-7", *config)
    assert len(rows) == 2, rows
    assert rows[1].endswith("about order 7"), rows
    assert rows[0].endswith("(order 2026-7, order 8)")
    assert len(shown(text, "--order", "9", *config)) == 1
    assert tail(text, "--order", "77", *config).exit_code == 2


def test_an_order_cannot_be_looked_for_without_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    result = tail("", "--order", "7", "--config", str(tmp_path / "config.toml"))
    assert result.exit_code == 78
    assert "there is no ledger yet" in result.stderr


# -- the process -----------------------------------------------------------------------------------------------------


def start(*words: str, **options: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "wcsync", "tail", *words],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        **options,
    )


def test_a_reader_that_goes_away_ends_it_quietly_with_0() -> None:
    process = start(stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write((settled() + "\n").encode())
    process.stdin.flush()
    assert process.stdout.readline().endswith(b"course 42\n")
    process.stdout.close()
    process.stdin.write((settled() + "\n").encode())
    process.stdin.close()
    assert (process.wait(timeout=20), process.stderr.read()) == (0, b"")
    process.stderr.close()


def test_each_line_is_seen_at_once_and_ctrl_c_ends_it_quietly_with_0() -> None:
    process = start(stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write((settled() + "\n").encode())
    process.stdin.flush()
    assert process.stdout.readline().endswith(b"course 42\n")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert (process.returncode, told) == (0, b"")


def test_the_journal_is_asked_for_the_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "journalctl"
    program.write_text(f"#!/bin/sh\necho \"$@\" >&2\necho '{settled()}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    process = start("--unit", "wcsync-b", "--since", "-2h", "--follow", stdout=subprocess.PIPE)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.endswith(b"course 42\n")
    assert err.decode().split() == [
        "--unit=wcsync-b",
        "--output=cat",
        "--no-pager",
        "--since=-2h",
        "--follow",
        "--lines=all",
    ]


def test_a_journal_that_cannot_be_read_ends_with_69(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = tail("", "--follow")
    assert (result.exit_code, "no journalctl" in result.stderr) == (69, True)
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    assert tail("", "--since", "today").exit_code == 69


def test_colours_are_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from wcsync.cli import tail as module

    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    def show() -> bytes:
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", Terminal(written))
        module._show(iter([line("x_y", "error").encode()]), module.Wanted(), None)
        sys.stdout.detach()  # type: ignore[union-attr]  # the real stdout has it
        return written.getvalue()

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert b"\x1b[31m" in show()
    monkeypatch.setenv("NO_COLOR", "1")
    assert b"\x1b" not in show()
    assert b"\x1b" not in tail(line("x_y", "error")).stdout_bytes
