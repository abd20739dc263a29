"""Alerts as messages, for tests of the ways they take."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.fakes import T0
from wcsync.mappers.alerts import ALERTS, Kind, News, Turn, digest_news, dump_news
from wcsync.model import Message


def news(**fields: Any) -> News:
    """That campus is blocked, or what `fields` make of it."""
    usual = News(
        turn=Turn.BEGAN,
        key="service/campus",
        occurrence=1,
        kind=Kind.SERVICE,
        title="campus is blocked",
        detail="it does not accept the token",
        advice="Mend it.",
        since=T0,
    )
    return replace(usual, **fields)


def alert_message(
    *items: News, channel: str = "mail", number: int = 1, open_since: datetime | None = None
) -> Message:
    payload = dump_news(items or [news()])
    return Message(
        key=f"{channel}/{ALERTS}/{number}",
        channel=channel,
        subject=ALERTS,
        digest=digest_news(payload),
        payload=payload,
        created_at=T0,
        attempts=1,
        lease=1,
        sending_since=T0,
        open_since=open_since,
    )
