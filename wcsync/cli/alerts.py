"""The command that tries every way to tell people."""

import sys
from pathlib import Path
from typing import Any

import click

from wcsync import screen
from wcsync.app import build_channels, instance_of, utc_now
from wcsync.cli.common import EXIT_CONFIG, EXIT_UNAVAILABLE, main, read_config, with_config, with_json
from wcsync.errors import REMOTE_ERRORS
from wcsync.mappers.alerts import Kind, News, Turn, digest_news, dump_news
from wcsync.model import Message
from wcsync.notify.base import Channel
from wcsync.times import render_instant


@main.group()
def alert() -> None:
    """Tell people of trouble."""


@alert.command("test")
@with_json
@with_config
def alert_test(*, config_path: Path | None, as_json: bool) -> None:
    """Send one test message by every way.

    By each way of [alerts], right now, and says what became of each. The ledger has no part in it.
    """
    config = read_config(config_path)
    channels = build_channels(config, utc_now)
    results = [_try(channel, instance_of(config)) for channel in channels]
    if as_json:
        screen.print_json({"ways": results})
    for result in results if not as_json else ():
        outcome = "sent: look whether it has arrived" if result["ok"] else result["reason"]
        screen.say(f"{'ok  ' if result['ok'] else 'FAIL'}  {result['way']}: {outcome}")
    if not channels:
        click.echo(
            "no way is configured: add [alerts.mail] or [[alerts.web]] (see config.example.toml)", err=True
        )
        sys.exit(EXIT_CONFIG)
    sys.exit(0 if all(result["ok"] for result in results) else EXIT_UNAVAILABLE)


def _try(channel: Channel, instance: str) -> dict[str, Any]:
    try:
        channel.deliver(_test_message(channel.name, instance), lambda: None)
    except REMOTE_ERRORS as exc:
        return {"way": channel.service, "ok": False, "reason": str(exc).removeprefix(f"{channel.service}: ")}
    finally:
        channel.close()
    return {"way": channel.service, "ok": True, "reason": ""}


def _test_message(way: str, instance: str) -> Message:
    now = utc_now()
    news = News(
        turn=Turn.BEGAN,
        key="test",
        occurrence=1,
        kind=Kind.SERVICE,
        title="this is a test",
        detail=f"somebody ran `wcsync alert test` for {instance}",
        advice="Nothing is wrong and there is nothing to do.",
        since=now,
    )
    payload = dump_news([news])
    return Message(
        key=f"{way}/test/{render_instant(now)}",
        channel=way,
        subject="test",
        digest=digest_news(payload),
        payload=payload,
        created_at=now,
        attempts=1,
        lease=1,
        sending_since=now,
        open_since=None,
    )
