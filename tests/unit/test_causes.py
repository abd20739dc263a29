"""The catalogue of causes, the code that makes them and README say the same."""

import ast
import re
from pathlib import Path

import pytest

from tests.unit.test_readme import section
from wcsync.cli.causes import DEAD, PARKED
from wcsync.cli.show import VERDICTS
from wcsync.cli.status import MEANINGS
from wcsync.ledger.parking import BUDGET, NOT_PLANNED
from wcsync.ledger.recording import UNREADABLE
from wcsync.ledger.report import Summary
from wcsync.mappers.entitlements import ENDINGS
from wcsync.model import Verdict
from wcsync.sale import DELETED

SOURCES = Path(__file__).parents[2] / "wcsync"


def kinds_given_to(path: Path, name: str) -> set[str]:
    """Every constant `kind` with which `name` is called in a file."""
    calls = [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    ]
    return {
        str(keyword.value.value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == name
        for keyword in call.keywords
        if keyword.arg == "kind" and isinstance(keyword.value, ast.Constant)
    }


def test_each_kind_that_is_parked_has_its_words_and_no_other() -> None:
    made = set().union(*(kinds_given_to(path, "Parked") for path in SOURCES.rglob("*.py")))
    asked = {f"{status}_asked" for status in set(ENDINGS) - {"trash", DELETED}}
    assert set(PARKED) == made | {UNREADABLE} | NOT_PLANNED | asked


def test_each_kind_that_is_given_up_has_its_words_and_no_other() -> None:
    waits = {BUDGET}
    assert set(DEAD) == kinds_given_to(SOURCES / "worker.py", "Ending") - waits


@pytest.mark.parametrize(("what", "causes"), [("parked", PARKED), ("dead", DEAD)])
def test_readme_says_of_each_cause_what_the_lists_say(what: str, causes: dict[str, object]) -> None:
    rows = re.findall(rf"^\| {what} `(\w+)` \| (.+?) \| (.+?) \|$", section("What to do when"), re.MULTILINE)
    assert rows == [(kind, cause.means, cause.do) for kind, cause in causes.items()]  # type: ignore[attr-defined]


def test_each_figure_and_verdict_is_explained() -> None:
    assert set(MEANINGS) == set(Summary.__dataclass_fields__)
    assert set(VERDICTS) == {verdict.value for verdict in Verdict}
