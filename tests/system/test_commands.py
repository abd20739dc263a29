"""The commands as people and scripts use them, against a sandbox shop and Moodle."""

import fcntl
import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from tests.system.world import MOODLE_TOKEN, SHOP_SECRET, World
from wcsync.cli import main
from wcsync.sandbox.faults import Fault


def wcsync(world: World, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--config", str(world.config_path)])


def document(world: World, *words: str) -> Any:
    result = wcsync(world, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_one_cycle_enrols_what_was_paid_and_prints_nothing_on_stdout(world: World) -> None:
    world.sell(1, 0, 1)
    result = wcsync(world, "run", "--once")
    assert (result.exit_code, result.stdout) == (0, "")
    assert world.moodle.active_enrolments() == world.expected()


def test_one_cycle_with_json_prints_one_document_with_the_counts(world: World) -> None:
    world.sell(1, 0, 1)
    world.sell(2, 2, status="pending")
    counts = document(world, "run", "--once")
    assert counts["orders"] == 2
    assert counts["lines"] == counts["enrolled"] == 2
    assert (
        counts["due"]
        == counts["dead"]
        == counts["unexplained"]
        == counts["parked"]
        == counts["unmapped"]
        == 0
    )


def test_one_cycle_ends_with_0_and_says_so_when_the_lms_is_down(world: World) -> None:
    world.sell(1, 0)
    world.moodle.stop_answering()
    result = wcsync(world, "run", "--once", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["due"] == 1
    assert "cannot be reached" in result.stderr
    world.moodle.resume()


def test_one_cycle_ends_with_69_when_the_shop_cannot_be_read(world: World) -> None:
    world.shop.faults.add(Fault(kind="html200", times=None))
    result = wcsync(world, "run", "--once")
    assert result.exit_code == 69
    assert "web page instead of data" in result.stderr


def test_a_second_cycle_changes_nothing(world: World) -> None:
    world.sell(1, 0)
    wcsync(world, "run", "--once")
    asked = len(world.moodle.requests)
    wcsync(world, "run", "--once")
    assert len(world.moodle.requests) == asked


def test_a_refund_takes_the_access_back(world: World) -> None:
    order_id = world.sell(1, 0)
    wcsync(world, "run", "--once")
    world.refund(order_id)
    counts = document(world, "run", "--once")
    assert world.moodle.active_enrolments() == set()
    assert (counts["withdrawn"], counts["lines"]) == (1, 0)


def test_a_refund_of_one_of_two_orders_for_a_course_keeps_the_access(world: World) -> None:
    order_id = world.sell(1, 0)
    world.sell(1, 0)
    wcsync(world, "run", "--once")
    world.refund(order_id)
    wcsync(world, "run", "--once")
    assert world.moodle.active_enrolments() == world.expected() != set()


def test_an_unmapped_product_is_listed_and_enrolled_once_it_has_a_row(world: World) -> None:
    product = world.shop.add_product("Brand new", sku="NEW-1")
    world.shop.buy("late@personal.example.test", "La", "Te", [(product, 1)])
    assert document(world, "run", "--once")["unmapped"] == 1
    assert [row["sku"] for row in document(world, "status")["unmapped"]] == ["NEW-1"]
    mapping = world.folder / "mapping.toml"
    mapping.write_text(
        mapping.read_text() + f'\n[[map]]\nsku = "NEW-1"\nlms = "campus"\ncourse = "{world.courses[0]}"\n'
    )
    counts = document(world, "run", "--once")
    assert (counts["unmapped"], counts["enrolled"]) == (0, 1)


def test_a_damaged_order_is_parked_and_the_others_are_enrolled(world: World) -> None:
    world.shop.put_raw_order({"id": 999, "status": "completed", "line_items": "none"})
    world.sell(1, 0)
    counts = document(world, "run", "--once")
    assert (counts["parked"], counts["enrolled"]) == (1, 1)
    (entry,) = document(world, "parked", "list")
    assert (entry["order_id"], entry["kind"]) == (999, "unreadable")
    assert wcsync(world, "parked", "retry", "999").stdout.endswith("read again and still parked\n")
    assert wcsync(world, "parked", "drop", "999").output.endswith("1 entry dropped\n")
    assert wcsync(world, "parked", "drop", "999").exit_code == 1
    assert document(world, "parked", "list") == []


def test_a_refused_enrolment_is_listed_as_dead_and_revived_when_its_cause_is_mended(world: World) -> None:
    world.moodle.courses[world.courses[0]].manual = "missing"
    order_id = world.sell(1, 0)
    assert document(world, "run", "--once")["dead"] == 1
    (row,) = document(world, "dead", "list")
    assert str(world.courses[0]) in row["error"]
    assert row["orders"] == str(order_id)
    world.moodle.courses[world.courses[0]].manual = "enabled"
    assert wcsync(world, "dead", "revive", "--order", str(order_id)).exit_code == 0
    counts = document(world, "run", "--once")
    assert (counts["dead"], counts["enrolled"]) == (0, 1)


def test_a_wrong_course_in_the_mapping_is_named_by_check_and_mended_by_a_revival(world: World) -> None:
    mapping = world.folder / "mapping.toml"
    good = mapping.read_text()
    mapping.write_text(good.replace(f'course = "{world.courses[0]}"', 'course = "4242"'))
    checked = wcsync(world, "check")
    assert checked.exit_code == 78
    assert "mapping.toml:1" in checked.stdout
    assert "no course 4242" in checked.stdout
    world.sell(1, 0)
    assert document(world, "run", "--once")["dead"] == 1
    mapping.write_text(good)
    structlog.reset_defaults()  # as in a process of its own
    revived = wcsync(world, "dead", "revive")
    assert (revived.exit_code, "mapping_accepted" in revived.stdout) == (0, False)
    assert document(world, "run", "--once")["enrolled"] == 1
    assert world.moodle.active_enrolments() == world.expected()


def test_a_refused_mapping_shows_in_status_until_it_is_mended(world: World) -> None:
    wcsync(world, "run", "--once")
    mapping = world.folder / "mapping.toml"
    good = mapping.read_text()
    mapping.write_text("[[map]\n")
    wcsync(world, "run", "--once")
    assert "mapping.toml" in document(world, "status")["mapping"]["refused"]["problems"][0]
    assert "REFUSED" in wcsync(world, "status").stdout
    mapping.write_text(good)
    wcsync(world, "run", "--once")
    assert document(world, "status")["mapping"]["refused"] is None
    assert "is in force" in wcsync(world, "status").stdout


def test_status_says_whether_the_daemon_runs(world: World) -> None:
    wcsync(world, "run", "--once")
    assert document(world, "status")["daemon"] is None
    process = world.start()
    deadline = monotonic() + 20
    while monotonic() < deadline and document(world, "status")["daemon"] is None:
        sleep(0.1)
    assert document(world, "status")["daemon"] == process.pid
    process.terminate()
    process.wait(timeout=20)


def test_each_cycle_says_why_it_could_not_do_its_work(world: World) -> None:
    (world.folder / "token").write_text("tok_wrong_token_value")
    world.sell(1, 0)
    for _ in range(2):
        result = wcsync(world, "run", "--once", "--json")
        assert "campus" in json.loads(result.stdout)["troubles"]
        assert "campus: moodle" in result.stderr


def test_a_missing_folder_for_the_ledger_is_a_sentence_and_78(world: World) -> None:
    text = world.config_path.read_text()
    world.config_path.write_text(text.replace('"ledger.db"', '"nowhere/ledger.db"'))
    for words in (("check",), ("run", "--once"), ("backfill", "--since", "2026-01-01")):
        result = wcsync(world, *words)
        assert result.exit_code == 78
        assert "nowhere" in result.output


def test_show_tells_the_whole_story_of_an_order(world: World) -> None:
    order_id = world.sell(1, 0)
    wcsync(world, "run", "--once")
    story = document(world, "show", str(order_id))
    assert [line["verdict"] for line in story["lines"]] == ["mapped"]
    assert [row["outcome"] for row in story["enrolments"]] == ["created"]
    assert "in_applied" in [entry["action"] for entry in story["audit"]]
    assert "marked@personal" not in json.dumps(story)
    assert wcsync(world, "show", str(order_id)).exit_code == 0


def test_show_of_an_unknown_order_ends_with_1(world: World) -> None:
    wcsync(world, "run", "--once")
    assert wcsync(world, "show", "424242").exit_code == 1


def test_check_of_a_sound_installation_ends_with_0(world: World) -> None:
    result = wcsync(world, "check")
    assert result.exit_code == 0, result.output
    assert "FAIL" not in result.stdout


def test_a_mended_key_is_tried_at_once_by_the_next_start(world: World) -> None:
    secret = world.folder / "secret"
    secret.write_text("cs_wrong_secret_value")
    assert wcsync(world, "run", "--once").exit_code == 69
    secret.write_text(SHOP_SECRET)
    assert wcsync(world, "run", "--once").exit_code == 0


def test_check_tells_of_an_lms_in_trouble_once(world: World) -> None:
    world.moodle.stop_answering()
    result = wcsync(world, "check")
    world.moodle.resume()
    assert result.exit_code == 69
    assert result.stdout.count("FAIL") == 1
    assert "FAIL" in result.stdout.partition("\ncampus\n")[2]


def test_check_names_a_wrong_key_and_ends_with_69(world: World) -> None:
    (world.folder / "secret").write_text("cs_wrong_secret_value")
    result = wcsync(world, "check")
    assert result.exit_code == 69
    assert "FAIL  the signature does not fit" in result.stdout


def test_check_lists_every_mistake_of_the_config_with_its_line_and_ends_with_78(world: World) -> None:
    text = world.config_path.read_text()
    broken = (
        text.replace("workers = 4", "wrokers = 4")
        .replace('"2000-01-01"', '"yesterday"')
        .replace('kind = "moodle"', 'kind = "noodle"')
    )
    world.config_path.write_text(broken)
    result = wcsync(world, "check")
    assert result.exit_code == 78
    for part in ("workers", "start", "noodle", "moodle", "config.toml:"):
        assert part in result.stdout


def test_mapping_check_lists_every_mistake_with_its_line(world: World) -> None:
    path = world.folder / "mapping.toml"
    path.write_text(
        '[[map]]\nsku = "A"\nlms = "campsu"\ncourse = "42"\n\n[[map]]\nproduct_id = 3\nlms = "campus"\n'
    )
    result = wcsync(world, "mapping", "check")
    assert result.exit_code == 78
    assert "mapping.toml:3" in result.stderr
    assert "mapping.toml:6" in result.stderr


def test_a_mapping_spoilt_after_a_good_one_stops_nothing(world: World) -> None:
    wcsync(world, "run", "--once")
    (world.folder / "mapping.toml").write_text("[[map]\n")
    world.sell(1, 0)
    result = wcsync(world, "run", "--once", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["enrolled"] == 1
    assert "mapping_refused" in result.stderr


def test_a_first_start_with_a_spoilt_mapping_ends_with_78(world: World) -> None:
    (world.folder / "mapping.toml").write_text("[[map]\n")
    assert wcsync(world, "run", "--once").exit_code == 78
    assert "was not put in force yet" in wcsync(world, "status").stdout
    assert document(world, "status")["mapping"]["in_force"] is False


def test_two_daemons_on_one_ledger_are_refused(world: World) -> None:
    lock = os.open(world.folder / "ledger.db.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    result = wcsync(world, "run", "--once")
    os.close(lock)
    assert result.exit_code == 75
    assert "another wcsync works on" in result.stderr


def test_another_shop_at_the_same_address_is_refused_until_it_is_accepted(world: World) -> None:
    wcsync(world, "run", "--once")
    _belong_to(world, "https://shop.example.test")
    world.sell(1, 0)
    refused = wcsync(world, "run", "--once")
    assert refused.exit_code == 69
    assert "this ledger belongs to https://shop.example.test" in refused.stderr
    assert "wcsync accept shop" in refused.stderr
    assert world.moodle.active_enrolments() == set()
    assert "FAIL" in wcsync(world, "check").stdout
    assert wcsync(world, "accept", "shop").exit_code == 0
    assert wcsync(world, "run", "--once").exit_code == 0
    assert world.moodle.active_enrolments() == world.expected()


def test_backfill_reads_orders_from_before_the_ledger_began(world: World) -> None:
    world.config_path.write_text(
        world.config_path.read_text().replace('start = "2000-01-01"', 'start = "2030-01-01"')
    )
    world.sell(1, 0)
    assert document(world, "run", "--once")["orders"] == 0
    assert wcsync(world, "backfill", "--since", "2000-01-01").exit_code == 0
    assert document(world, "run", "--once")["enrolled"] == 1


def test_after_a_change_of_paid_statuses_a_backfill_takes_older_orders_in(world: World) -> None:
    world.sell(1, 0, status="processing")
    assert document(world, "run", "--once")["lines"] == 0
    text = world.config_path.read_text()
    world.config_path.write_text(
        text.replace("[orders]", '[orders]\npaid_statuses = ["completed", "processing"]')
    )
    told = wcsync(world, "run", "--once")
    assert "wcsync backfill" in told.stderr
    assert wcsync(world, "backfill", "--since", "2000-01-01").exit_code == 0
    assert document(world, "run", "--once")["enrolled"] == 1
    assert "rules_changed" not in wcsync(world, "run", "--once").stderr


def test_backfill_refuses_an_instant_without_a_zone(world: World) -> None:
    result = wcsync(world, "backfill", "--since", "2026-01-01T10:00:00")
    assert result.exit_code == 2
    assert "time zone" in result.stderr


def test_reports_need_no_right_to_read_the_secrets(world: World) -> None:
    wcsync(world, "run", "--once")
    for name in ("key", "secret", "token"):
        (world.folder / name).unlink()
    for words in (
        ("status",),
        ("dead", "list"),
        ("parked", "list"),
        ("mapping", "check"),
    ):
        assert wcsync(world, *words).exit_code == 0
    assert wcsync(world, "check").exit_code == 78


def test_reports_without_a_ledger_say_so_and_make_none(world: World) -> None:
    for words in (("status",), ("show", "1"), ("dead", "list"), ("parked", "list"), ("dead", "revive")):
        result = wcsync(world, *words)
        assert result.exit_code == 78
        assert "there is no ledger yet" in result.stderr
    assert not (world.folder / "ledger.db").exists()


def test_hostile_names_reach_the_terminal_harmless(world: World) -> None:
    product = world.shop.add_product("evil \x1b[31mred\x07", sku="E\x1b[2J", unfiltered=True)
    world.shop.buy("x@personal.example.test", "X", "Y", [(product, 1)])
    wcsync(world, "run", "--once")
    result = wcsync(world, "status")
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout


def test_sigterm_ends_a_busy_daemon_with_0_and_no_lease_left(world: World) -> None:
    world.moodle.latency_s = 0.2
    for buyer in range(20):
        world.sell(buyer, 0)
    process = world.start()
    deadline = monotonic() + 20
    while monotonic() < deadline and not world.moodle.requests:
        sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    with closing(sqlite3.connect(world.folder / "ledger.db")) as db:
        assert db.execute("SELECT count(*) FROM enrolments WHERE state = 'leased'").fetchone() == (0,)


def test_no_secret_is_in_the_process_list(world: World) -> None:
    process = world.start()
    try:
        sleep(1)
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        assert SHOP_SECRET not in words
        assert MOODLE_TOKEN not in words
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.mark.parametrize("words", [("--json",), ()], ids=["json", "text"])
@pytest.mark.prove
def test_the_demo_agrees_with_the_lms_and_ends_with_unexplained_0(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, ["demo", "--orders", "12", *words])
    assert result.exit_code == 0, result.output
    if words:
        counts = json.loads(result.stdout)
        assert counts["unexplained"] == 0
        assert all(counts[part]["agree"] for part in ("lms", "after_sale", "products", "proof"))
    else:
        assert result.stdout.splitlines()[-1].startswith("paid_lines=")
        assert result.stdout.rstrip().endswith("unexplained=0")


def _belong_to(world: World, identity: str) -> None:
    """As if the ledger had been made with another shop: what answers now is a copy."""
    with closing(sqlite3.connect(world.folder / "ledger.db", isolation_level=None)) as db:
        db.execute("UPDATE services SET identity = ? WHERE name = 'shop'", (identity,))
