"""Whatever buyers and products are called, it is a value in the ledger and never a part of a question to it."""

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from hypothesis import example, given

from tests.fakes import make_line, make_order
from tests.hostile import LONG, examples, texts
from tests.spine import Spine
from wcsync.ledger.report import Report
from wcsync.model import Person


def tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [name for (name,) in db.execute("SELECT name FROM sqlite_master ORDER BY name")]


@examples(20)
@given(text=texts(longest=6))
@example(text="x" * LONG)
@example(text="7' OR order_id = 8 --")
def test_a_hostile_order_is_kept_as_it_is_and_found_by_its_own_number_alone(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spine = Spine(Path(folder))
        usual = tables(spine.path)
        line = replace(make_line(3, sku="PY-101"), name=text, sku=text)
        who = Person(email=f"{text}@example.test", first_name=text, last_name=text)
        hostile = replace(make_order(7, lines=(line,)), number=text, status=text, buyer=who)
        spine.record(hostile, make_order(8, lines=(make_line(4, sku="PY-102"),)))
        with closing(Report(spine.path)) as report:
            assert {row["order_id"] for row in report.find_orders(f"number:{text}")} <= {7, 8}
            assert 8 not in {row["order_id"] for row in report.find_orders(f"number:{text}") if text != "8"}
            story = report.order_of(7)
            assert story is not None
            assert (story["number"], story["status"]) == (text, text)
            assert [one["name"] for one in story["lines"]] == [text]
        spine.close()
        assert tables(spine.path) == usual
