"""How things stand, in words for `systemctl status`."""

from wcsync.gate import SHOP
from wcsync.health import Condition, Health


def in_words(name: str, health: Health) -> str:
    words = {Condition.UP: "is up", Condition.DOWN: "is unavailable", Condition.BLOCKED: "is BLOCKED"}
    since = "" if health.condition is Condition.UP else f" since {health.since:%Y-%m-%d %H:%M} UTC"
    return f"{'Shop' if name == SHOP else f'LMS {name}'} {words[health.condition]}{since}."
