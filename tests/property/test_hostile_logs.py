"""Whatever a shop or an LMS says, a log line stays one line, and says nothing to the terminal that shows it."""

import io
import json
import logging

import pytest
import structlog
from hypothesis import example, given

from tests.hostile import LONG, examples, texts, unseen
from wcsync import log

SECRET = "cs_marked_4d0f77aa"


def written(style: str, **keys: object) -> str:
    out = io.StringIO()
    log.configure(style=style, secrets=[SECRET], stream=out)
    structlog.get_logger("test").warning("lms_unavailable", **keys)
    return out.getvalue()


@examples(20)
@given(value=texts(surrogates=True))
@example(value="no_blank\nforged=1")
@pytest.mark.parametrize("style", ["json", "text"])
def test_a_value_stays_in_its_line(style: str, value: str) -> None:
    line = written(style, reason=value, places=[value, {"inner": value}])
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert unseen(line) == []
    line.encode()


@pytest.mark.parametrize("style", ["json", "text"])
@pytest.mark.parametrize("value", ["x" * LONG, "x" * LONG + "@", "@" * LONG, "a@b." * LONG])
def test_a_line_of_a_megabyte_is_cut_before_the_journal_does_so(style: str, value: str) -> None:
    assert len(written(style, reason=value)) < 48 * 1024


@examples(20)
@given(value=texts(surrogates=True))
def test_a_json_line_holds_the_keys_it_was_given_and_no_others(value: str) -> None:
    line = json.loads(written("json", reason=value))
    assert line.keys() == {"event", "level", "at", "reason"}
    assert line["event"] == "lms_unavailable"


@examples(15)
@given(value=texts(surrogates=True))
@pytest.mark.parametrize("style", ["json", "text"])
def test_a_traceback_speaks_no_more_to_a_terminal_than_a_value(style: str, value: str) -> None:
    out = io.StringIO()
    log.configure(style=style, secrets=[SECRET], stream=out)
    structlog.get_logger("test").error("pass_crashed", exc_info=ValueError(f"{value}{SECRET}"))
    assert unseen(out.getvalue(), allowed="\n\t") == []
    assert SECRET not in out.getvalue()


@examples(15)
@given(value=texts(surrogates=True))
@pytest.mark.parametrize("style", ["json", "text"])
def test_what_a_library_logs_takes_the_same_way(style: str, value: str) -> None:
    out = io.StringIO()
    log.configure(style=style, secrets=[SECRET], stream=out)
    logging.getLogger("somebody").warning("said %s", f"{value}{SECRET}")
    assert out.getvalue().count("\n") == 1
    assert unseen(out.getvalue()) == []
    assert SECRET not in out.getvalue()
