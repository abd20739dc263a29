"""What people see: the doctor's lines, and what is being waited for."""

import sys

import pytest

from wcsync.doctor import Diagnosis
from wcsync.doctor.diagnosis import fine
from wcsync.screen import Waiting, print_diagnosis


def failing(service: str = "campus", **fields: object) -> Diagnosis:
    given = {"service": service, "code": "x", "ok": False, "fatal": True, "message": "no course 42"} | fields
    return Diagnosis(**given)  # type: ignore[arg-type]  # any fields


def shown(capsys: pytest.CaptureFixture[str], *diagnoses: Diagnosis) -> list[str]:
    before = None
    for diagnosis in diagnoses:
        print_diagnosis(diagnosis, after=before)
        before = diagnosis
    return capsys.readouterr().out.splitlines()


def test_diagnoses_stand_below_their_service(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(
        capsys, fine("shop", "x", "answers"), fine("shop", "x", "reads"), fine("campus", "x", "answers")
    )
    assert lines == ["shop", "  ok    answers", "  ok    reads", "", "campus", "  ok    answers"]


def test_no_more_than_three_lines_of_a_file_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    many = tuple(f"mapping.toml:{line}" for line in range(1, 301))
    lines = shown(capsys, failing(where=many))
    assert lines[1] == "  FAIL  mapping.toml:1, mapping.toml:2, mapping.toml:3 and 297 more: no course 42"


@pytest.mark.parametrize(
    ("diagnosis", "says"),
    [
        (failing(fatal=False), "the daemon goes on"),
        (failing(), "nothing is enrolled there until this is over"),
        (failing(where=("mapping.toml:1",)), "nothing is enrolled by these rows"),
        (failing("shop"), "no order is read until this is over"),
        (failing("shop", where=("mapping.toml:1",)), "nothing is enrolled by these rows"),
        (failing("machine", where=("/var/lib",)), "does not start"),
        (failing("files", code="config_mistake", where=("config.toml:1",)), "does not start"),
        (failing("files", code="mapping_mistake", where=("mapping.toml:1",)), "the last good mapping"),
    ],
)
def test_each_diagnosis_says_whether_the_daemon_goes_on(
    capsys: pytest.CaptureFixture[str], diagnosis: Diagnosis, says: str
) -> None:
    assert says in shown(capsys, diagnosis)[-1]


def test_a_hostile_name_cannot_speak_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" not in "".join(shown(capsys, fine("shop", "x", "\x1b[2JShop answers")))


def test_what_is_waited_for_is_shown_on_a_terminal_and_taken_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    waiting = Waiting()
    waiting.tell("shop: who answers")
    assert capsys.readouterr().err == "… shop: who answers"
    waiting.done()
    waiting.done()
    assert "shop" not in capsys.readouterr().err


def test_a_log_file_is_not_told_what_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = Waiting()
    waiting.tell("shop: who answers")
    waiting.done()
    assert capsys.readouterr() == ("", "")
