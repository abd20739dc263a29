"""The units: what systemd's own tools say about them, and how they do on a machine with systemd as init."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.machine import Machine, why_not
from tests.system.world import MOODLE_TOKEN, SHOP_SECRET, World

UNITS = Path(__file__).parents[2] / "systemd"
NAMES = ("wcsync.service", "wcsync@.service")
BACKUPS = ("wcsync-backup.service", "wcsync-backup@.service")
TIMERS = ("wcsync-backup.timer", "wcsync-backup@.timer")
EXPOSURE = 1.5
ANALYZE = shutil.which("systemd-analyze") or ""

analyzing = pytest.mark.skipif(not ANALYZE, reason="systemd-analyze is not installed here")


@analyzing
@pytest.mark.parametrize("name", [*NAMES, *BACKUPS])
def test_systemd_finds_no_fault_in_a_unit(name: str, tmp_path: Path) -> None:
    """The program is another one: what is not installed would be a fault."""
    unit = tmp_path / name
    unit.write_text((UNITS / name).read_text().replace("/opt/wcsync/bin/wcsync", sys.executable))
    done = subprocess.run([ANALYZE, "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@analyzing
@pytest.mark.parametrize("name", [*NAMES, *BACKUPS])
def test_a_unit_leaves_its_process_little_to_do_harm_with(name: str) -> None:
    words = [ANALYZE, "security", "--offline=yes", str(UNITS / name)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "offline" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at a file")
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) < EXPOSURE
    argued = (UNITS / name).read_text().partition("# What is left")[2].partition("\nNoNewPrivileges")[0]
    for left in re.findall(r"^✗ ([A-Za-z]+(?:=~AF_[A-Z]+)?)", done.stdout, re.MULTILINE):
        assert left in argued, f"{left} is left open without a reason in the unit"


def test_both_units_say_the_same_but_for_their_places() -> None:
    one, many = ((UNITS / name).read_text().partition("\n[Unit]\n")[2] for name in NAMES)
    for shop, none in ((" of %i", ""), ("/etc/wcsync/%i", "/etc/wcsync"), ("=wcsync-%i\n", "=wcsync\n")):
        many = many.replace(shop, none)
    user = re.search(r"# Without it all shops.*\nUser=wcsync\n", many)
    assert user is not None
    assert many.replace(user[0], "") == one


@analyzing
@pytest.mark.parametrize("name", TIMERS)
def test_systemd_finds_no_fault_in_a_timer(name: str, tmp_path: Path) -> None:
    for unit in (name, name.replace("timer", "service")):
        text = (UNITS / unit).read_text().replace("/opt/wcsync/bin/wcsync", sys.executable)
        (tmp_path / unit).write_text(text)
    done = subprocess.run([ANALYZE, "verify", tmp_path / name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("one", "many"), [BACKUPS, TIMERS])
def test_the_units_of_backups_say_the_same_but_for_their_places(one: str, many: str) -> None:
    single, several = ((UNITS / name).read_text().partition("\n[Unit]\n")[2] for name in (one, many))
    for shop, none in ((" for %i", ""), ("/etc/wcsync/%i", "/etc/wcsync"), ("wcsync-%i", "wcsync")):
        several = several.replace(shop, none)
    assert several == single


@pytest.mark.parametrize(("backup", "daemon"), list(zip(BACKUPS, NAMES, strict=True)))
def test_a_backup_is_taken_by_the_daemons_user_where_the_daemon_keeps_its_ledger(
    backup: str, daemon: str
) -> None:
    """A unit without a user of its own has one of its own name."""
    taken, kept = _settings(backup), _settings(daemon)
    assert taken["User"] == kept.get("User", "wcsync")
    for key in ("DynamicUser", "StateDirectory", "StateDirectoryMode", "UMask"):
        assert taken[key] == kept[key]
    words = taken["ExecStart"].split()
    assert words[words.index("--config") + 1] in kept["ExecStart"]
    assert words[-1].startswith(f"/var/lib/{kept['StateDirectory']}/")


def _settings(name: str) -> dict[str, str]:
    lines = (UNITS / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@pytest.fixture
def machine(tmp_path: Path, world: World) -> Iterator[Machine]:
    """Two services for the same sandboxes, `wcsync` and `wcsync@north`, with a ledger each."""
    if reason := why_not():
        pytest.skip(reason)
    folder = tmp_path / "machine"
    folder.mkdir()
    machine = Machine(folder)
    config = world.config_path.read_text().replace('path = "ledger.db"', "")
    for name in ("key", "secret", "token"):
        config = config.replace(f'{{ file = "{name}" }}', f'{{ credential = "{name}" }}')
    files = {
        "config.toml": config,
        "mapping.toml": (world.folder / "mapping.toml").read_text(),
        "credentials/key": "ck_sandbox",
        "credentials/secret": SHOP_SECRET,
        "credentials/token": MOODLE_TOKEN,
    }
    machine.install("wcsync", files)
    machine.install("wcsync/north", files)
    try:
        machine.__enter__()
    except (AssertionError, OSError) as exc:
        pytest.skip(f"no systemd can be booted here: {exc}")
    yield machine
    machine.__exit__()


@pytest.mark.prove
def test_a_service_lives_through_all_that_is_done_to_services(machine: Machine, world: World) -> None:
    unit, config = "wcsync", "/etc/wcsync/config.toml"

    def enrolled() -> bool:
        return world.moodle.active_enrolments() == world.expected()

    world.sell(1, 0)
    machine.systemctl("enable", "--now", unit)  # returns once READY=1 was said
    assert len(machine.lines(unit, "daemon_started")) == 1
    machine.until(enrolled, "not enrolled after the start")
    machine.until(lambda: "Shop is up" in machine.show(unit, "StatusText"), "no status")

    pid = machine.show(unit, "MainPID")
    machine.run("sed", "-i", "s/workers = 4/workers = 2/", config)
    machine.systemctl("reload", unit)
    machine.until(lambda: machine.lines(unit, "config_reloaded"), "not reloaded")
    machine.until(lambda: machine.show(unit, "ActiveState") == "active", "not active after the reload")
    assert machine.show(unit, "MainPID") == pid

    machine.run("sed", "-i", "s/workers = 2/workers = 0/", config)
    machine.systemctl("reload", unit)
    machine.until(lambda: "REFUSED" in machine.show(unit, "StatusText"), "a refused config does not show")
    machine.run("sed", "-i", "s/workers = 0/workers = 2/", config)

    for buyer, signal in ((2, "KILL"), (3, "STOP")):  # a crash; a hang, which only the watchdog notices
        restarts = int(machine.show(unit, "NRestarts"))
        machine.systemctl("kill", "--kill-whom=main", f"--signal={signal}", unit)
        world.sell(buyer, 1)
        machine.until(enrolled, f"not enrolled after {signal}")
        assert int(machine.show(unit, "NRestarts")) == restarts + 1

    machine.upgrade("wcsync/__init__.py", '__version__ = "', '__version__ = "9.')
    world.sell(4, 2)
    machine.systemctl("restart", unit)
    assert machine.lines(unit, "daemon_started")[-1]["version"].startswith("9.")
    machine.until(enrolled, "not enrolled after the upgrade")

    machine.systemctl("stop", unit)
    assert machine.show(unit, "Result") == "success"
    assert machine.show(unit, "ExecMainStatus") == "0"
    assert machine.lines(unit, "daemon_stopped")[-1]["ending"] == "stopped"
    assert '"unexplained": 0' in machine.run("/opt/wcsync/bin/wcsync", "status", "--json")
    log = machine.run("cat", f"/run/{unit}.log")
    assert SHOP_SECRET not in log
    assert MOODLE_TOKEN not in log


@pytest.mark.prove
def test_a_config_with_a_mistake_is_not_started_again_and_again(machine: Machine) -> None:
    machine.run("sed", "-i", "s/workers = 4/workers = 0/", "/etc/wcsync/config.toml")
    machine.run("systemctl", "start", "wcsync", check=False)
    assert machine.show("wcsync", "ActiveState") == "failed"
    assert machine.show("wcsync", "ExecMainStatus") == "78"
    assert machine.show("wcsync", "NRestarts") == "0"


@pytest.mark.prove
def test_shops_beside_each_other_have_a_user_and_a_ledger_each(machine: Machine, world: World) -> None:
    machine.systemctl("start", "wcsync@north", "wcsync")
    world.sell(1, 0)
    machine.until(lambda: machine.lines("wcsync@north", "orders_polled"), "north does not poll")
    found = machine.run("stat", "-L", "-c", "%u %a", "/var/lib/wcsync-north", "/var/lib/wcsync").splitlines()
    assert len(set(found)) == 2, found
    assert all(line.endswith(" 700") and not line.startswith("0 ") for line in found), found
    config = ("--config", "/etc/wcsync/north/config.toml")
    assert '"orders": 1' in machine.run("/opt/wcsync/bin/wcsync", "status", "--json", *config)
    for unit in ("wcsync@north", "wcsync"):
        machine.systemctl("stop", unit)
        assert machine.show(unit, "Result") == "success"
