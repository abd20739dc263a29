"""The proof as ops and scripts ask for it, against a sandbox shop and Moodle."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from click.testing import CliRunner, Result

from tests.system.world import World
from wcsync.cli import main
from wcsync.sandbox.faults import Fault


def wcsync(world: World, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--config", str(world.config_path)])


def document(world: World, *words: str, exit_code: int = 0) -> Any:
    result = wcsync(world, *words, "--json")
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def sold(world: World, orders: int) -> list[int]:
    made = [world.sell(buyer, buyer % 5) for buyer in range(1, orders + 1)]
    assert wcsync(world, "run", "--once").exit_code == 0
    return made


def figures(line: str) -> dict[str, int]:
    return {name: int(value) for name, _, value in (word.partition("=") for word in line.split())}


def small_pages(world: World) -> None:
    config = world.config_path
    config.write_text(config.read_text().replace("[orders]\n", "[orders]\npage_size = 3\n"))


def take_out(world: World, buyer: int) -> None:
    """Staff take a learner out of all courses."""
    email = f"buyer{buyer}.marked@personal.example.test"
    world.moodle.enrolments[:] = [
        row for row in world.moodle.enrolments if world.moodle.users[row.user_id].email != email
    ]


def put_behind_the_poller(world: World, order_id: int) -> None:
    """As an import plugin leaves an order: dated as if it had been there all the time."""
    earlier = datetime.now(UTC) - timedelta(days=10)
    world.shop.edit(order_id, touch=False, date_modified_gmt=f"{earlier:%Y-%m-%dT%H:%M:%S}")


def test_the_proof_ends_in_two_lines_that_add_up(world: World) -> None:
    small_pages(world)
    sold(world, 13)
    result = wcsync(world, "reconcile", "--lms", "all")
    assert result.exit_code == 0, result.output
    *_, before, last = result.stdout.splitlines()
    assert last == "paid_lines=13 enrolled=13 open_seats=0 parked=0 dead=0 unmapped=0 unexplained=0"
    assert before == "due=0 ignored=0 ended=0 dropped=0"
    paid, *fates = figures(f"{last} {before}").values()
    assert paid == sum(fates)
    assert "campus: 13 of 13 learners looked up, all in their course" in result.stdout


def test_an_order_put_behind_the_pollers_back_is_found_and_enrolled(world: World) -> None:
    sold(world, 2)
    order_id = world.sell(3, 1)
    put_behind_the_poller(world, order_id)
    wcsync(world, "run", "--once")
    assert wcsync(world, "show", str(order_id)).exit_code == 1
    found = document(world, "reconcile")
    assert (found["fresh"], found["due"], found["unexplained"]) == (1, 1, 0)
    wcsync(world, "run", "--once")
    assert world.moodle.active_enrolments() == world.expected()
    assert document(world, "reconcile")["enrolled"] == 3


def test_a_refund_that_is_deleted_gives_the_access_back(world: World) -> None:
    order_id = world.sell(1, 0, 1)
    wcsync(world, "run", "--once")
    first, _ = world.shop.orders[order_id]["line_items"]
    refund = world.shop.refund(order_id, first["total"], lines=[(first["id"], 1, first["total"])])
    wcsync(world, "run", "--once")
    assert len(world.moodle.active_enrolments()) == 1
    modified = world.shop.orders[order_id]["date_modified_gmt"]
    world.shop.delete_refund(order_id, refund)
    assert world.shop.orders[order_id]["date_modified_gmt"] == modified
    wcsync(world, "run", "--once")
    wcsync(world, "reconcile")
    wcsync(world, "run", "--once")
    assert world.moodle.active_enrolments() == world.expected()


def test_an_order_deleted_for_good_is_asked_about_and_keeps_its_access(world: World) -> None:
    first, *_ = sold(world, 3)
    world.shop.delete_forever(first)
    found = document(world, "reconcile", "--lms", "all")
    assert (found["deleted"], found["paid_lines"]) == (1, 2)
    assert [(one["code"], one["order_id"]) for one in found["findings"]] == [("deleted", first)]
    [entry] = document(world, "parked", "list")
    assert (entry["order_id"], entry["kind"]) == (first, "deleted")
    assert world.moodle.active_enrolments() == world.expected()
    assert document(world, "reconcile")["deleted"] == 0


def test_a_learner_taken_out_by_hand_is_told_of_and_enrolled_again_on_a_word(world: World) -> None:
    first, *_ = sold(world, 3)
    take_out(world, 1)
    result = wcsync(world, "reconcile", "--lms", "all")
    assert result.exit_code == 0, result.output
    assert "1 of 3 learners looked up in campus are not in the course any more" in result.stdout
    assert figures(result.stdout.splitlines()[-1])["parked"] == 1
    [entry] = document(world, "parked", "list")
    assert (entry["order_id"], entry["kind"]) == (first, "missing_in_lms")
    assert "1 enrolment will be made again" in wcsync(world, "parked", "retry", str(first)).stdout
    wcsync(world, "run", "--once")
    assert world.moodle.active_enrolments() == world.expected()
    assert document(world, "reconcile", "--lms", "all")["enrolled"] == 3


def test_a_learner_added_by_hand_is_left_alone(world: World) -> None:
    sold(world, 2)
    user_id = world.moodle.add_user("guest@personal.example.test", None, "Gu", "Est")
    world.moodle.enrol(user_id, world.courses[0])
    found = document(world, "reconcile", "--lms", "all")
    assert found["findings"] == []
    assert ("guest@personal.example.test", world.courses[0]) in world.moodle.active_enrolments()


def test_an_lms_that_is_down_is_told_and_holds_nothing_up(world: World) -> None:
    sold(world, 3)
    world.moodle.stop_answering()
    found = document(world, "reconcile", "--lms", "all")
    world.moodle.resume()
    assert (found["enrolled"], found["unexplained"]) == (3, 0)
    assert [one["code"] for one in found["findings"]] == ["lms_not_looked"]
    assert document(world, "parked", "list") == []


def test_a_shop_that_fails_half_way_is_no_proof(world: World) -> None:
    small_pages(world)
    sold(world, 13)
    world.shop.faults.add(Fault(kind="html200", times=None, match="page=3"))
    result = wcsync(world, "reconcile")
    assert result.exit_code == 69
    assert "unexplained=" not in result.stdout


def test_a_lost_line_is_listed_and_ends_with_1(world: World) -> None:
    first, *_ = sold(world, 2)
    with closing(sqlite3.connect(world.folder / "ledger.db")) as db, db:
        db.execute("DELETE FROM enrolments")
    result = wcsync(world, "reconcile", "--lms", "none")
    assert result.exit_code == 1
    assert f"Order {first}, line" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("unexplained=2")
    assert document(world, "status")["reconcile"]["counts"]["unexplained"] == 2


def test_the_proof_says_no_address(world: World) -> None:
    sold(world, 3)
    take_out(world, 1)
    result = wcsync(world, "reconcile", "--lms", "all", "--json")
    assert "marked@personal" not in result.output
