"""Each trouble is told once when it begins and once when it is over, also across restarts."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import T0, FakeClock, FakeMapping, make_order
from wcsync.health import Condition, Health
from wcsync.ledger.base import CursorMove, Deferral, Surrender, TroubleRecord, Walk
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.mirror import DONE, FAILED, STOPPED, Run
from wcsync.mappers.alerts import Kind, News, parse_news
from wcsync.mappers.entitlements import Planner
from wcsync.mappers.notes import NOTE_CHANNEL
from wcsync.mappers.troubles import Part, Rules
from wcsync.model import LmsName, Message
from wcsync.pollers.orders import CURSOR
from wcsync.pollers.troubles import TroubleWatch

RULES = Rules(
    kinds=frozenset(Kind),
    parts={
        "shop": Part.SHOP,
        "campus": Part.LMS,
        "order notes": Part.NOTES,
        "alert mail": Part.WAY,
        "alert web": Part.WAY,
    },
    ways={"mail": "alert mail", "web": "alert web"},
    after=timedelta(seconds=300),
    overdue=timedelta(seconds=600),
    quiet=timedelta(seconds=300),
    batch=timedelta(seconds=900),
    stale=timedelta(days=3),
)
CAMPUS = LmsName("campus")


class Desk:
    """A ledger, somebody who looks at it, and readers at the end of each way."""

    def __init__(self, folder: Path, rules: Rules = RULES) -> None:
        self.path = folder / "ledger.db"
        self.clock = FakeClock()
        self.rules = rules
        self.heard: dict[str, list[str]] = {way: [] for way in rules.ways}
        self._open()
        self.polled()

    def _open(self) -> None:
        self.ledger = SqliteLedger(self.path)
        self.watch = TroubleWatch(ledger=self.ledger, rules=self.rules, clock=self.clock)

    def reopen(self) -> None:
        """Ends as a killed process ends and starts again."""
        self.ledger.close()
        self._open()

    def look(self) -> TroubleRecord:
        return self.watch.look()

    def wait(self, seconds: float, *, polled: bool = True) -> None:
        """Time passes, with a look every half minute, or of days every four minutes, and with the shop being read."""
        until = self.clock.now + timedelta(seconds=seconds)
        every_s = 30.0 if seconds < 10_000 else 240.0
        while self.clock.now < until:
            self.clock.tick(min(every_s, (until - self.clock.now).total_seconds()))
            if polled:
                self.polled()
            self.look()

    def polled(self) -> None:
        now = self.clock()
        self.ledger.start_cursor(CURSOR, now, now)
        self.ledger.record_page((), (), self._plan, CursorMove(name=CURSOR, position=now), now)

    def walking(self, page: int) -> None:
        now = self.clock()
        walk = Walk(since=T0, started_at=T0, page=page)
        self.ledger.record_page((), (), self._plan, CursorMove(name=CURSOR, walk=walk), now)

    def sick(self, name: str = "campus", condition: Condition = Condition.BLOCKED) -> None:
        now = self.clock()
        health = Health(
            condition=condition, since=now, failures=1, retry_at=now, reason=f"{name}: the reason"
        )
        self.ledger.record_health(name, health)

    def well(self, name: str = "campus") -> None:
        self.ledger.record_health(name, Health(condition=Condition.UP, since=self.clock()))

    def kill_rows(self, *order_ids: int) -> None:
        """These orders' enrolments are given up."""
        now = self.clock()
        orders = [make_order(number, email=f"b{number}@example.test") for number in order_ids]
        self.ledger.record_page(orders, (), self._plan, None, now)
        while (claim := self.ledger.claim(CAMPUS, now)) is not None:
            self.ledger.settle_dead(
                claim, Surrender(kind="permanent", reason="no course 42", open_since=None), now
            )

    def park(self, *order_ids: int) -> None:
        orders = [make_order(number, email="") for number in order_ids]
        self.ledger.record_page(orders, (), self._plan, None, self.clock())

    def mirrored(self, outcome: str = DONE) -> None:
        """A run of the course mirror came to its end."""
        bad = outcome != DONE
        run = Run(
            at=self.clock(),
            outcome=outcome,
            code="lms_short" if bad else "",
            reason="campus: lists no course any more" if bad else "",
            advice="Look at campus." if bad else "",
        )
        self.ledger.mirror.record_run(run, full=False)

    def runs(self, days: float, outcome: str) -> None:
        """Days in which the mirror runs every four hours, with a look at what is wrong in between."""
        for _ in range(round(days * 6)):
            self.mirrored(outcome)
            self.wait(4 * 3600)

    def _plan(self, order: Any, known: Any, circumstances: Any) -> Any:
        mapping = FakeMapping({"PY-101": ("campus", "42")})
        statuses = frozenset({"completed"})
        planner = Planner(mapping=mapping, paid_statuses=statuses, identify=self.ledger.identify)
        return planner.plan(order, known, circumstances)

    def claim(self, way: str) -> Message | None:
        return self.ledger.post.claim(way, self.clock())

    def deliver(self, way: str = "mail") -> list[str]:
        """Has everything that waits in a way delivered. What it said, as `began service/campus`."""
        said = []
        while (message := self.claim(way)) is not None:
            said += [f"{item.turn} {item.key}" for item in parse_news(message.payload)]
            self.ledger.post.settle_sent(message, self.clock())
        self.heard[way] += said
        return said

    def give_up(self, way: str) -> None:
        message = self.claim(way)
        assert message is not None
        self.ledger.post.settle_dead(message, f"{self.rules.ways[way]}: refused", self.clock())

    def news(self, way: str = "mail") -> tuple[News, ...]:
        message = self.claim(way)
        assert message is not None
        self.ledger.post.settle_sent(message, self.clock())
        return parse_news(message.payload)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(sql).fetchall()]

    def close(self) -> None:
        self.ledger.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def test_a_blocked_service_is_told_at_once_by_every_way(desk: Desk) -> None:
    desk.sick()
    assert desk.look() == TroubleRecord(began=1, ended=0, messages=2)
    assert desk.deliver("mail") == desk.deliver("web") == ["began service/campus"]


def test_a_look_that_finds_nothing_new_writes_nothing(desk: Desk) -> None:
    desk.sick()
    desk.look()
    with closing(sqlite3.connect(desk.path)) as db:
        before = db.execute("PRAGMA data_version").fetchone()
        for _ in range(5):
            desk.clock.tick(30)
            assert desk.look() == TroubleRecord()
        assert db.execute("PRAGMA data_version").fetchone() == before


def test_a_trouble_that_lasts_is_told_once(desk: Desk) -> None:
    desk.sick()
    desk.wait(4 * 3600)
    assert desk.deliver() == ["began service/campus"]


def test_a_service_that_is_down_for_a_moment_is_told_to_nobody(desk: Desk) -> None:
    desk.look()
    desk.sick(condition=Condition.DOWN)
    desk.wait(240)
    desk.well()
    desk.wait(3600)
    assert desk.deliver() == []


def test_a_service_that_stays_down_is_told_after_a_while_and_with_its_true_beginning(desk: Desk) -> None:
    desk.look()
    desk.sick(condition=Condition.DOWN)
    desk.wait(270)
    assert desk.deliver() == []
    desk.wait(60)
    [item] = desk.news()
    assert (item.title, item.since, item.detail) == ("campus is down", T0, "the reason")


def test_an_end_is_told_with_the_moment_it_was_gone(desk: Desk) -> None:
    desk.sick()
    desk.look()
    desk.deliver()
    desk.wait(3600)
    desk.well()
    desk.wait(330)
    [item] = desk.news()
    assert (item.turn, item.since, item.until) == ("ended", T0, T0 + timedelta(seconds=3630))


def test_a_service_that_is_down_and_then_blocked_is_one_trouble_told_twice(desk: Desk) -> None:
    desk.look()
    desk.sick(condition=Condition.DOWN)
    desk.wait(600)
    desk.deliver()
    desk.sick(condition=Condition.BLOCKED)
    desk.wait(30)
    [item] = desk.news()
    assert (item.title, item.occurrence, item.since) == ("campus is blocked", 1, T0)
    desk.sick(condition=Condition.DOWN)
    desk.wait(600)
    desk.well()
    desk.wait(600)
    assert desk.deliver() == ["ended service/campus"]


def test_a_quick_flap_is_the_same_trouble_and_nobody_is_told(desk: Desk) -> None:
    desk.sick()
    desk.look()
    desk.deliver()
    for _ in range(20):
        desk.well()
        desk.wait(120)
        desk.sick()
        desk.wait(60)
    assert desk.deliver() == []


def test_a_service_that_flaps_all_day_makes_a_few_messages(desk: Desk) -> None:
    messages = 0
    for _ in range(120):  # blocked for six minutes, well for six, for a day
        desk.sick()
        desk.wait(360)
        messages += bool(desk.deliver())
        desk.well()
        desk.wait(360)
        messages += bool(desk.deliver())
    assert 2 <= messages <= 24


def test_a_flap_within_one_look_is_not_noticed(desk: Desk) -> None:
    desk.look()
    desk.sick()
    desk.well()
    desk.wait(60)
    assert desk.deliver() == []


def test_a_restart_tells_nothing_twice_and_forgets_nothing(desk: Desk) -> None:
    desk.sick()
    desk.look()
    desk.deliver()
    desk.reopen()
    desk.wait(60)
    assert desk.deliver() == []
    desk.well()
    desk.reopen()
    desk.wait(400)
    assert desk.deliver() == ["ended service/campus"]


def test_a_kill_in_the_middle_of_a_look_leaves_nothing_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    desk.sick()
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr("wcsync.ledger.troubles.queue", crash)
        desk.look()
    assert desk.rows("SELECT * FROM troubles") == []
    desk.reopen()
    desk.look()
    assert desk.deliver() == ["began service/campus"]


def test_several_troubles_of_one_look_are_one_message(desk: Desk) -> None:
    desk.sick()
    desk.ledger.record_refusal(["mapping.toml:3: no such course. Correct it."], desk.clock())
    desk.kill_rows(1, 2)
    desk.look()
    assert len(desk.news()) == 4
    assert desk.claim("mail") is None


def test_a_refused_mapping_is_told_with_its_problems_and_again_when_mended(desk: Desk) -> None:
    desk.ledger.record_refusal(["mapping.toml:3: no such course. Correct it."], desk.clock())
    desk.look()
    [item] = desk.news()
    assert "mapping.toml:3" in item.detail
    desk.ledger.record_refusal((), desk.clock())
    desk.wait(400)
    assert desk.deliver() == ["ended mapping"]


def test_what_is_not_wanted_is_not_told(tmp_path: Path) -> None:
    with closing(Desk(tmp_path, replace(RULES, kinds={Kind.DEAD}))) as desk:
        desk.sick()
        desk.park(7)
        assert desk.look() == TroubleRecord()


def test_a_kind_that_is_switched_off_ends_without_a_word(desk: Desk) -> None:
    desk.sick()
    desk.look()
    desk.deliver()
    desk.rules = replace(RULES, kinds={Kind.DEAD})
    desk.reopen()
    desk.wait(600)
    assert desk.deliver() == []
    assert desk.rows("SELECT * FROM troubles WHERE ended_at IS NULL") == []


def test_an_lms_that_left_the_config_is_no_trouble_and_is_not_called_well(desk: Desk) -> None:
    desk.sick()
    desk.look()
    desk.deliver()
    desk.rules = replace(RULES, parts={"shop": Part.SHOP})
    desk.reopen()
    desk.wait(600)
    assert desk.deliver() == []


# -- rows ------------------------------------------------------------------------------------------------------------
def test_a_given_up_enrolment_names_order_and_course_and_no_person(desk: Desk) -> None:
    desk.kill_rows(17)
    desk.look()
    [item] = desk.news()
    learner = desk.rows("SELECT learner_key FROM enrolments")[0]["learner_key"]
    assert item.title == f"order 17, campus course 42, learner {learner[:8]}…"
    assert item.detail == "no course 42"
    assert "example.test" not in json.dumps(desk.rows("SELECT payload FROM outbox"))
    assert learner not in json.dumps(desk.rows("SELECT payload FROM outbox")), "its beginning is enough"


def test_a_mass_failure_is_a_message_and_then_one_now_and_again(desk: Desk) -> None:
    sizes = []
    for first in range(0, 300, 5):  # five rows every half minute
        desk.kill_rows(*range(first + 1, first + 6))
        desk.wait(30)
        if (message := desk.claim("mail")) is not None:
            sizes.append(len(parse_news(message.payload)))
            desk.ledger.post.settle_sent(message, desk.clock())
    desk.wait(1000)
    sizes.append(len(desk.deliver()))
    assert sum(sizes) == 300
    assert len(sizes) <= 4


def test_a_row_that_waits_for_its_batch_survives_a_restart(desk: Desk) -> None:
    desk.kill_rows(1)
    desk.look()
    desk.deliver()
    desk.kill_rows(2)
    desk.wait(60)
    assert desk.deliver() == []
    desk.reopen()
    desk.wait(900)
    assert len(desk.deliver()) == 1


def test_a_row_that_was_mended_before_its_batch_is_never_mentioned(desk: Desk) -> None:
    desk.kill_rows(1)
    desk.look()
    desk.deliver()
    desk.kill_rows(2)
    desk.wait(60)
    desk.ledger.desk.drop_dead(2, desk.clock())
    desk.wait(2000)
    assert desk.deliver() == []


def test_rows_that_a_person_dealt_with_are_told_as_over_together(desk: Desk) -> None:
    desk.kill_rows(*range(1, 51))
    desk.look()
    assert len(desk.deliver()) == 50
    desk.wait(1800)
    for number in range(1, 51):
        desk.ledger.desk.drop_dead(number, desk.clock())
    desk.wait(400)
    said = desk.deliver()
    assert len(said) == 50
    assert all(line.startswith("ended dead/campus/42/") for line in said)


def test_a_parked_entry_is_told_and_told_as_over(desk: Desk) -> None:
    desk.park(7)
    desk.look()
    [item] = desk.news()
    assert item.title.startswith("order 7")
    desk.wait(1000)
    desk.ledger.desk.drop_parked(7, None, desk.clock())
    desk.wait(400)
    [said] = desk.deliver()
    assert said.startswith("ended parked/7/")


def test_a_note_that_was_given_up_is_told_once_and_never_as_over(desk: Desk) -> None:
    desk.ledger.post.record_channels([NOTE_CHANNEL, "mail", "web"], desk.clock())
    desk.kill_rows(17)
    message = desk.claim(NOTE_CHANNEL)
    assert message is not None
    desk.ledger.post.settle_dead(message, "shop: there is no order 17 any more", desk.clock())
    desk.look()
    assert "began message/note/order 17/1" in desk.deliver()
    desk.wait(3600)
    with closing(sqlite3.connect(desk.path)) as db, db:
        db.execute("DELETE FROM outbox WHERE channel = 'note'")
    desk.wait(1200)
    assert desk.deliver() == []


# -- reading the shop ------------------------------------------------------------------------------------------------
def test_a_shop_that_stays_unread_is_told_and_told_as_over(desk: Desk) -> None:
    desk.look()
    desk.wait(630, polled=False)
    [item] = desk.news()
    assert (item.key, item.since) == ("poll", T0)
    desk.wait(400)
    assert desk.deliver() == ["ended poll"]


def test_a_shop_that_is_down_is_one_trouble_not_two(desk: Desk) -> None:
    desk.look()
    desk.sick("shop", Condition.DOWN)
    desk.wait(3600, polled=False)
    assert desk.deliver() == ["began service/shop"]


def test_a_long_walk_that_goes_on_is_no_trouble(desk: Desk) -> None:
    desk.look()
    for page in range(1, 200):
        desk.walking(page)
        desk.wait(30, polled=False)
    assert desk.deliver() == []
    desk.wait(660, polled=False)
    assert desk.deliver() == ["began poll"]


def test_time_in_which_no_process_ran_is_no_overdue_poll(desk: Desk) -> None:
    desk.look()
    desk.clock.tick(86400)
    desk.reopen()
    desk.wait(300, polled=False)
    assert desk.deliver() == []


@pytest.mark.parametrize("seconds", [7200.0, -7200.0], ids=["ahead", "back"])
def test_a_clock_that_is_set_makes_no_trouble(seconds: float, desk: Desk) -> None:
    desk.wait(60)
    desk.sick(condition=Condition.DOWN)
    desk.clock.tick(seconds)
    desk.look()
    assert desk.deliver() == []
    desk.well()
    desk.wait(300)
    assert desk.deliver() == []


# -- ways ------------------------------------------------------------------------------------------------------------
def test_a_way_that_fails_is_told_by_the_others_alone(desk: Desk) -> None:
    desk.sick("alert mail")
    desk.look()
    assert desk.deliver("web") == ["began service/alert mail"]
    assert desk.deliver("mail") == []


def test_what_came_and_went_while_a_way_was_out_is_not_told_there(desk: Desk) -> None:
    desk.sick()
    desk.look()
    desk.deliver("web")
    desk.well()
    desk.wait(400)
    assert desk.deliver("web") == ["ended service/campus"]
    assert desk.deliver("mail") == []


def test_what_came_and_went_unheard_by_all_is_over_at_once(desk: Desk) -> None:
    desk.sick()
    desk.look()
    desk.well()
    desk.wait(30)
    assert (desk.deliver("web"), desk.deliver("mail")) == ([], [])
    assert desk.rows("SELECT * FROM troubles WHERE ended_at IS NULL") == []


def test_news_gathers_in_one_message_while_a_way_is_out(desk: Desk) -> None:
    desk.sick()
    desk.look()
    desk.sick("shop")
    desk.wait(30)
    assert len(desk.rows("SELECT * FROM outbox WHERE channel = 'mail'")) == 1
    assert desk.deliver() == ["began service/campus", "began service/shop"]


def test_a_message_that_may_have_arrived_is_left_as_it_is(desk: Desk) -> None:
    desk.sick()
    desk.look()
    message = desk.claim("mail")
    assert message is not None
    lost = Deferral(
        retry_at=desk.clock(), kind="transient", reason="lost", counted=True, open_since=desk.clock()
    )
    desk.ledger.post.settle_deferred(message, lost, desk.clock())
    desk.well()
    desk.wait(400)
    assert desk.deliver() == ["began service/campus", "ended service/campus"]


def test_a_message_under_way_is_followed_by_the_next_not_overtaken(desk: Desk) -> None:
    desk.sick()
    desk.look()
    message = desk.claim("mail")
    desk.sick("shop")
    desk.wait(30)
    assert desk.claim("mail") is None
    assert message is not None
    desk.ledger.post.settle_sent(message, desk.clock())
    assert desk.deliver() == ["began service/shop"]


def test_two_ways_that_give_everything_up_do_not_keep_each_other_busy(desk: Desk) -> None:
    desk.sick()
    desk.look()
    for _ in range(100):
        for way in ("mail", "web"):
            if (message := desk.claim(way)) is not None:
                desk.ledger.post.settle_dead(message, "refused", desk.clock())
        desk.wait(30)
    assert len(desk.rows("SELECT * FROM outbox")) <= 4


def test_a_way_that_gave_up_a_message_is_told_by_the_other_until_it_works_again(desk: Desk) -> None:
    desk.sick()
    desk.look()
    desk.give_up("mail")
    desk.deliver("web")
    desk.wait(30)
    assert desk.deliver("web") == ["began way/mail"]
    desk.sick("shop")
    desk.wait(30)
    desk.deliver("mail")
    desk.wait(400)
    assert "ended way/mail" in desk.deliver("web")


def test_a_stop_of_the_course_mirror_is_told_once_and_is_over_with_a_good_run(desk: Desk) -> None:
    desk.mirrored()
    desk.look()
    desk.mirrored(STOPPED)
    desk.look()
    desk.mirrored(STOPPED)
    desk.wait(7200)
    [news] = desk.news()
    assert (news.key, news.title) == ("courses", "the course mirror was stopped by a guard")
    assert news.detail == "campus: lists no course any more"
    assert news.advice.endswith("Look at campus.")
    desk.mirrored()
    desk.wait(600)
    assert desk.deliver() == ["ended courses"]


def test_a_service_that_fails_after_a_stop_does_not_end_it(desk: Desk) -> None:
    desk.look()
    desk.mirrored(STOPPED)
    desk.look()
    desk.mirrored(FAILED)
    desk.wait(7200)
    assert desk.deliver() == ["began courses"]


def test_a_mirror_that_fails_for_three_days_is_told(desk: Desk) -> None:
    desk.mirrored()
    desk.runs(2.8, FAILED)
    assert desk.deliver() == []
    desk.runs(0.5, FAILED)
    [news] = desk.news()
    assert (news.title, news.detail) == (
        "course data has not been mirrored",
        "campus: lists no course any more",
    )
    assert news.since == T0
    desk.mirrored()
    desk.wait(600)
    assert desk.deliver() == ["ended courses"]


def test_a_mirror_that_never_runs_is_told(desk: Desk) -> None:
    desk.wait(3 * 86400 + 600)
    [news] = desk.news()
    assert news.detail == "no run came to its end"


def test_a_failure_before_a_long_rest_is_tried_again_first(desk: Desk) -> None:
    desk.mirrored(FAILED)
    desk.clock.tick(10 * 86400)
    desk.reopen()
    desk.wait(3600)
    assert desk.deliver() == []
    desk.mirrored(FAILED)
    desk.look()
    assert desk.deliver() == ["began courses"]


def test_a_stop_after_days_of_failures_is_news(desk: Desk) -> None:
    desk.runs(3.2, FAILED)
    assert desk.deliver() == ["began courses"]
    desk.mirrored(STOPPED)
    desk.look()
    assert [item.title for item in desk.news()] == ["the course mirror was stopped by a guard"]


def test_a_mirror_that_is_switched_off_is_no_trouble_and_is_not_called_well(desk: Desk) -> None:
    desk.look()
    desk.mirrored(STOPPED)
    desk.look()
    assert desk.deliver() == ["began courses"]
    desk.rules = replace(RULES, stale=None)
    desk.reopen()
    desk.wait(7200)
    assert desk.deliver() == []


def test_old_troubles_are_forgotten(desk: Desk) -> None:
    desk.sick()
    desk.look()
    desk.deliver()
    desk.deliver("web")
    desk.well()
    desk.wait(400)
    desk.clock.tick(91 * 86400)
    desk.sick("shop")
    desk.look()
    assert [row["key"] for row in desk.rows("SELECT key FROM troubles")] == ["service/shop"]
