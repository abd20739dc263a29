"""When the shop is asked and when the mapping counts, with the real client against the sandbox shop."""

import time as time_module
from collections.abc import Iterator, Sequence
from contextlib import closing
from time import monotonic, sleep
from typing import Any

import pytest
import structlog
from freezegun import freeze_time
from structlog.testing import LogCapture

from tests.system.world import World
from wcsync.app import App
from wcsync.config import load_config
from wcsync.sandbox.faults import Fault

pytestmark = pytest.mark.prove
"""Each of these takes a whole daemon of its own."""


@pytest.fixture
def time() -> Iterator[Any]:
    with freeze_time("2026-11-21T12:00:00Z") as frozen:
        yield frozen


@pytest.fixture
def app(world: World, time: Any) -> Iterator[App]:
    """Polled once, an hour's worth of questions asked."""
    text = world.config_path.read_text().replace("poll_every_s = 1.0", "poll_every_s = 60")
    world.config_path.write_text(text)
    with closing(App(load_config(world.config_path, {}).config)) as made:
        made.prepare()
        made.looks.look_when_due()
        yield made


def asked(world: World) -> list[str]:
    """What the shop was asked since the last time, and who it is as `identity`."""
    kinds = []
    for request in world.shop.requests:
        if "/orders" not in request.path:
            kinds.append("identity")
        else:
            kinds.append("page" if any(name == "page" for name, _ in request.query) else "statuses")
    world.shop.requests.clear()
    return kinds


def pass_time(app: App, time: Any, seconds: int) -> None:
    for _ in range(seconds):
        time.tick(1)
        app.looks.look_when_due()


def add_product(world: World, sku: str) -> int:
    return world.shop.add_product(f"Course {sku}", sku=sku)


def map_sku(world: World, *skus: str) -> None:
    mapping = world.folder / "mapping.toml"
    rows = [f'\n[[map]]\nsku = "{sku}"\nlms = "campus"\ncourse = "{world.courses[0]}"\n' for sku in skus]
    mapping.write_text(mapping.read_text() + "".join(rows))


def look_at_mapping(app: App, time: Any, looks: int = 2) -> None:
    for _ in range(looks):
        time.tick(2)
        app.mapping.watch()
        app.replan_if_owed()


def test_an_idle_poll_is_one_request(app: App, world: World, time: Any) -> None:
    assert asked(world) == ["identity", "statuses", "page"]
    for _ in range(9):
        time.tick(60)
        assert app.poll().complete
        assert asked(world) == ["page"]


def test_who_answers_is_asked_besides_every_ten_minutes_and_the_statuses_every_hour(
    app: App, world: World, time: Any
) -> None:
    for _ in range(120):
        time.tick(60)
        app.poll()
    kinds = asked(world)
    assert kinds.count("page") == 121
    assert kinds.count("identity") <= 1 + 12
    assert kinds.count("statuses") <= 1 + 2


def test_nothing_is_asked_between_two_polls_and_a_sale_makes_them_quick(
    app: App, world: World, time: Any
) -> None:
    asked(world)
    app.looks.cadence = app.looks.cadence.begin(app.looks.cadence.tempo)
    app.looks.look_when_due()
    assert asked(world) == ["page"]
    app.looks.look_when_due()
    assert asked(world) == []
    world.sell(1, 0)
    pass_time(app, time, 60)
    assert app.summary().orders == 1
    asked(world)
    pass_time(app, time, 20)
    assert asked(world) == ["page"] * 10


def test_a_shop_that_asked_for_ten_minutes_is_not_asked_before(app: App, world: World, time: Any) -> None:
    world.shop.faults.add(Fault(kind="status", status=503, headers={"Retry-After": "600"}, times=None))
    pass_time(app, time, 60)
    assert app.troubles()
    world.shop.faults.clear()
    asked(world)
    pass_time(app, time, 530)
    assert asked(world) == []
    pass_time(app, time, 72)
    assert asked(world)[:2] == ["identity", "page"]
    assert not app.troubles()


def test_a_clock_that_is_set_makes_no_poll_sooner_or_later(
    app: App, world: World, time: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(world)
    due_at = app.looks.cadence.due_at
    for years in (-20, 20):
        monotonic_s = time_module.monotonic()
        time.move_to(f"{2026 + years}-11-21T12:00:00Z")
        monkeypatch.setattr("wcsync.app.looks.monotonic", lambda at=monotonic_s: at)
        app.looks.look_when_due()
        assert asked(world) == []
    assert app.looks.cadence.due_at == due_at


def test_a_product_the_mapping_learns_is_enrolled_though_the_shop_is_down(
    app: App, world: World, time: Any
) -> None:
    world.shop.buy("late@personal.example.test", "La", "Te", [(add_product(world, "NEW-1"), 1)])
    app.poll()
    assert app.summary().unmapped == 1
    world.shop.stop_answering()
    map_sku(world, "NEW-1")
    look_at_mapping(app, time)
    assert (app.summary().unmapped, app.summary().due) == (0, 1)
    world.shop.resume()


def test_a_page_is_recorded_by_one_mapping_and_what_it_lacked_is_made_up_for(
    app: App, world: World, time: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mapping is swapped, and its lines replanned, between a page's arrival and its transaction."""
    record_page = app.ledger.record_page

    def swap_first(*arguments: Any) -> Any:
        monkeypatch.undo()
        map_sku(world, "NEW-1", "NEW-2")
        look_at_mapping(app, time)
        return record_page(*arguments)

    lines: Sequence[tuple[int, int]] = [(add_product(world, sku), 1) for sku in ("NEW-1", "NEW-2")]
    world.shop.buy("late@personal.example.test", "La", "Te", list(lines))
    monkeypatch.setattr(app.ledger, "record_page", swap_first)
    app.poll()
    assert app.summary().unmapped == 2
    look_at_mapping(app, time, 1)
    assert app.summary().unmapped == 0


def test_a_failed_replanning_is_owed_until_it_works(
    app: App, world: World, time: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("database or disk is full")

    world.shop.buy("late@personal.example.test", "La", "Te", [(add_product(world, "NEW-1"), 1)])
    app.poll()
    map_sku(world, "NEW-1")
    with monkeypatch.context() as patched:
        patched.setattr(app.ledger, "replan_unmapped", full)
        with pytest.raises(OSError, match="full"):
            look_at_mapping(app, time)
    look_at_mapping(app, time, 1)
    assert app.summary().unmapped == 0


def test_a_look_that_the_ledger_cannot_record_is_no_sign_of_life(
    app: App, world: World, time: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("database or disk is full")

    assert app.looks.look_when_due() is True
    with monkeypatch.context() as patched:
        patched.setattr(app.ledger, "record_page", full)
        time.tick(60)
        assert app.looks.look_when_due() is False
        time.tick(1)
        assert app.looks.look_when_due() is False, "nor is a second in which nothing was due"
        assert "ORDERS CANNOT BE RECORDED" in app.state()
    time.tick(60)
    assert app.looks.look_when_due() is True
    assert "RECORDED" not in app.state()


def test_an_lms_that_left_the_config_with_work_undone_is_named(app: App, world: World) -> None:
    world.sell(1, 0)
    app.poll()
    text = world.config_path.read_text().replace('name = "campus"', 'name = "other"')
    world.config_path.write_text(text)
    mapping = world.folder / "mapping.toml"
    mapping.write_text(mapping.read_text().replace('lms = "campus"', 'lms = "other"'))
    logs = LogCapture()
    structlog.configure(processors=[logs])
    with closing(App(load_config(world.config_path, {}).config)) as renamed:
        renamed.prepare()
    [line] = [entry for entry in logs.entries if entry["event"] == "lms_missing"]
    assert (line["lms"], line["rows"], line["log_level"]) == ("campus", 1, "error")


def test_one_cycle_tells_orders_that_wait_for_long(app: App, world: World, time: Any) -> None:
    order_id = world.sell(1, 0)
    world.moodle.stop_answering()
    time.tick(1)
    app.run_cycle()
    time.tick(3600)
    app.run_cycle()
    notes = [note["note"] for note in world.shop.notes.get(order_id, []) if "(wcsync" in note["note"]]
    assert len(notes) == 1
    assert "not enrolled yet" in notes[0]


def test_a_running_daemon_follows_its_mapping_while_the_shop_is_down_and_stops_at_once(world: World) -> None:
    world.shop.buy("late@personal.example.test", "La", "Te", [(add_product(world, "NEW-1"), 1)])
    process = world.start()
    await_(world, lambda: world.log_path.exists() and '"orders_polled"' in world.log_path.read_text())
    world.shop.stop_answering()
    map_sku(world, "NEW-1")
    await_(world, lambda: len(world.moodle.active_enrolments()) == 1)
    began = monotonic()
    process.terminate()
    assert process.wait(timeout=30) == 0
    assert monotonic() - began < 5
    assert "maximum number" not in world.log_path.read_text()
    world.shop.resume()


def await_(world: World, happened: Any) -> None:
    deadline = monotonic() + 20
    while not happened():
        assert monotonic() < deadline, world.log_path.read_text()[-4000:]
        sleep(0.05)


# -- a bell ------------------------------------------------------------------------------------------------------------


def test_a_bell_has_a_rested_shop_looked_at_and_the_order_read(app: App, world: World, time: Any) -> None:
    world.shop.requests.clear()
    time.tick(1)
    world.sell(1, 0)
    app.looks.look_when_due()
    assert asked(world) == []
    app.ring()
    app.looks.look_when_due()
    assert asked(world) == ["page"]
    assert app.summary().orders == 1


def test_a_flood_of_bells_is_one_look_while_the_shop_rests(app: App, world: World, time: Any) -> None:
    time.tick(1)
    world.shop.requests.clear()
    for _ in range(1000):
        app.ring()
        app.looks.look_when_due()
    assert asked(world) == ["page"]


def test_a_bell_does_not_wake_a_shop_that_asked_for_a_pause(app: App, world: World, time: Any) -> None:
    world.shop.faults.add(Fault(kind="status", status=503, headers={"Retry-After": "30"}, times=1))
    time.tick(1)
    app.ring()
    app.looks.look_when_due()
    world.shop.requests.clear()
    for _ in range(28):
        time.tick(1)
        app.ring()
        app.looks.look_when_due()
    assert asked(world) == []
    time.tick(3)
    app.looks.look_when_due()
    assert "page" in asked(world)
