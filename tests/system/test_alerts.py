"""Trouble finds the people: the real commands, a mail server, a hook and a watchman on loopback."""

import json
from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.daemon_files import alerts_section, write_secrets
from tests.smtp import SmtpServer
from tests.system.world import MOODLE_TOKEN, World
from wcsync.cli import main
from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.server import SandboxServer

pytestmark = pytest.mark.prove
"""Whole daemons; what they tell is tried with the troubles."""

PASSWORD = "smtp_marked_51ab_secret"


class Hook(SandboxServer):
    """Takes calls below /hook and pings below /ping."""

    def handle(self, request: Request) -> Response:
        return Response(body=b"ok", status=200 if "/marked_path" in request.path else 404)

    def calls(self, kind: str) -> list[Request]:
        return [entry.request for entry in self.requests if entry.path.startswith(f"/{kind}/")]


@pytest.fixture
def post() -> Iterator[SmtpServer]:
    with SmtpServer(login=("wcsync", PASSWORD)) as server:
        yield server


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        yield server


HEARTBEAT = """
[heartbeat]
url = { file = "ping" }
every_s = 1
"""


def tell(world: World, post: SmtpServer, hook: Hook) -> None:
    """Adds every way to the world's config."""
    secrets = {
        "smtp": PASSWORD,
        "hook": f"{hook.url}/hook/marked_path",
        "ping": f"{hook.url}/ping/marked_path",
    }
    write_secrets(world.folder, secrets)
    with world.config_path.open("a") as config:
        config.write(alerts_section(post.port) + HEARTBEAT)


def block(world: World) -> None:
    """Moodle knows our token no more."""
    world.moodle.tokens["another"] = world.moodle.tokens.pop(MOODLE_TOKEN)


def unblock(world: World) -> None:
    world.moodle.tokens[MOODLE_TOKEN] = world.moodle.tokens.pop("another")


def wcsync(world: World, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--config", str(world.config_path)])


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_a_blocked_lms_is_told_once_by_every_way_and_told_as_over(
    world: World, post: SmtpServer, hook: Hook
) -> None:
    tell(world, post, hook)
    world.sell(1, 0)
    block(world)
    for _ in range(2):  # a second process tells nothing twice
        assert wcsync(world, "run", "--once").exit_code == 0
    assert [letter.message["Subject"].partition("] ")[2] for letter in post.letters] == ["campus is blocked"]
    assert len(hook.calls("hook")) == 1
    unblock(world)
    for _ in range(2):  # seen well, then called over
        assert wcsync(world, "run", "--once").exit_code == 0
    assert [letter.message["Subject"].partition("] ")[2] for letter in post.letters] == [
        "campus is blocked",
        "over: campus is blocked",
    ]
    assert [json.loads(call.body)["type"] for call in hook.calls("hook")] == ["failure", "success"]


def test_a_cycle_pings_the_watchman_only_if_the_shop_was_read(
    world: World, post: SmtpServer, hook: Hook
) -> None:
    tell(world, post, hook)
    assert wcsync(world, "run", "--once").exit_code == 0
    assert len(hook.calls("ping")) == 1
    world.shop.stop_answering()
    assert wcsync(world, "run", "--once").exit_code == 69
    assert len(hook.calls("ping")) == 1
    world.shop.resume()


def test_dead_ways_hold_up_no_enrolment_and_leak_nothing(world: World, post: SmtpServer, hook: Hook) -> None:
    tell(world, post, hook)
    post.__exit__()
    hook.stop_answering()
    world.sell(1, 0)
    world.shop.buy("", "Nobody", "Here", [(world.products[0], 1)])  # parked: it is told of
    result = wcsync(world, "run", "--once")
    assert result.exit_code == 0
    assert world.moodle.active_enrolments() == world.expected()
    assert "heartbeat_failing" in result.stderr
    assert not [
        secret for secret in (PASSWORD, "marked_path", "shop.example.test") if secret in result.stderr
    ]
    services = {
        row["name"]: row["condition"] for row in document(wcsync(world, "status", "--json"))["services"]
    }
    assert (services["alert mail"], services["alert web chat"]) == ("down", "down")


def test_the_daemon_tells_of_trouble_and_shows_signs_of_life(
    world: World, post: SmtpServer, hook: Hook
) -> None:
    world.sell(1, 0)
    block(world)
    assert wcsync(world, "run", "--once").exit_code == 0  # nobody is to be told yet
    tell(world, post, hook)
    process = world.start()
    deadline = monotonic() + 60
    while monotonic() < deadline and not (post.letters and len(hook.calls("ping")) > 1):
        sleep(0.1)
    process.terminate()
    assert process.wait(timeout=30) == 0
    log = world.log_path.read_text()
    assert post.letters, log[-2000:]
    assert '"troubles_told"' in log
    assert not [secret for secret in (PASSWORD, "marked_path", "ops@shop") if secret in log]


# -- wcsync alert test -----------------------------------------------------------------------------------------------
def test_a_test_alert_goes_out_by_every_way_without_a_ledger(
    world: World, post: SmtpServer, hook: Hook
) -> None:
    tell(world, post, hook)
    result = wcsync(world, "alert", "test")
    assert result.exit_code == 0
    assert result.stdout.count("ok    alert ") == 2
    assert "this is a test" in post.letters[0].message["Subject"]
    assert len(hook.calls("hook")) == 1
    assert not (world.folder / "ledger.db").exists()


def test_a_test_says_what_is_wrong_with_each_way_and_tries_the_others(
    world: World, post: SmtpServer, hook: Hook
) -> None:
    tell(world, post, hook)
    (world.folder / "smtp").write_text("wrong")
    result = wcsync(world, "alert", "test")
    assert result.exit_code == 69
    assert "FAIL  alert mail: does not accept user and password (535" in result.stdout
    assert "ok    alert web chat: sent" in result.stdout


def test_a_test_with_json_prints_one_document(world: World, post: SmtpServer, hook: Hook) -> None:
    tell(world, post, hook)
    hook.stop_answering()
    result = wcsync(world, "alert", "test", "--json")
    assert result.exit_code == 69
    mail, chat = document(result)["ways"]
    assert mail == {"way": "alert mail", "ok": True, "reason": ""}
    assert (chat["way"], chat["ok"]) == ("alert web chat", False)
    assert "cannot be reached" in chat["reason"]


def test_a_test_without_any_way_says_how_to_add_one(world: World) -> None:
    result = wcsync(world, "alert", "test")
    assert result.exit_code == 78
    assert "[alerts.mail]" in result.stderr
