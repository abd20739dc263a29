"""What people decide, against a sandbox shop and Moodle: a seat, an address, a hold, an erased person."""

from click.testing import CliRunner, Result

from tests.system.world import World
from wcsync.cli import main

TEAM = "team.marked@personal.example.test"
BEA = "bea.marked@personal.example.test"


def wcsync(world: World, *words: str) -> Result:
    result = CliRunner().invoke(main, [*words, "--config", str(world.config_path)])
    assert result.exit_code == 0, result.output
    return result


def sell(world: World, quantity: int) -> int:
    return world.shop.buy(TEAM, "Tea", "Marked", [(world.products[0], quantity)])


def inside(world: World) -> set[str]:
    return {email for email, _ in world.moodle.active_enrolments()}


def test_an_open_seat_is_given_and_its_learner_gets_in(world: World) -> None:
    order_id = sell(world, 3)
    wcsync(world, "run", "--once")
    assert inside(world) == {TEAM}
    wcsync(world, "parked", "assign", str(order_id), BEA, "Bea Marked")
    wcsync(world, "run", "--once")
    assert inside(world) == {TEAM, BEA}
    assert "1 of 3 seats has no learner yet" in wcsync(world, "parked", "list").stdout


def test_a_mistyped_address_is_mended_in_the_lms_and_beside_the_order(world: World) -> None:
    order_id = sell(world, 1)
    wcsync(world, "run", "--once")
    wcsync(world, "relink", TEAM, BEA)
    wcsync(world, "run", "--once")
    assert inside(world) == {BEA}
    assert BEA in world.shop.notes[order_id][-1]["note"]


def test_a_held_order_waits_for_its_release(world: World) -> None:
    wcsync(world, "run", "--once")
    order_id = sell(world, 1)
    wcsync(world, "hold", f"id:{order_id}")
    wcsync(world, "run", "--once")
    assert inside(world) == set()
    wcsync(world, "release", str(order_id))
    wcsync(world, "run", "--once")
    assert inside(world) == {TEAM}


def test_an_erased_person_is_in_no_file_of_the_ledger_while_a_daemon_runs(world: World) -> None:
    order_id = sell(world, 1)
    wcsync(world, "run", "--once")
    process = world.start()
    try:
        shown = wcsync(world, "forget", TEAM).stdout
    finally:
        world.kill(process)
    assert str(order_id) in shown
    held = b"".join(file.read_bytes() for file in world.folder.glob("**/ledger.db*"))
    assert b"team.marked" not in held
    assert inside(world) == {TEAM}, "the account is not touched"
