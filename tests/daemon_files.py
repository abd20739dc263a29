"""What lies in a daemon's folder: the sections of its config, one function for each, and its secrets."""

from collections.abc import Mapping
from pathlib import Path

LEDGER = """
[ledger]
path = "ledger.db"
"""


def store_section(url: str, *more: str) -> str:
    """`more`: further lines, here as in every section."""
    keys = ('consumer_key = { file = "key" }', 'consumer_secret = { file = "key_secret" }')
    return _section("[store]", f'url = "{url}"', *keys, *more)


def campus_section(url: str, *more: str) -> str:
    """A Moodle."""
    return _lms("campus", "moodle", url, 'token = { file = "token" }', *more)


def academy_section(url: str, *more: str) -> str:
    """A company of 360Learning."""
    keys = ('client_id = { file = "academy_id" }', 'client_secret = { file = "academy_secret" }')
    return _lms("academy", "360learning", url, *keys, *more)


def alerts_section(smtp_port: int) -> str:
    """A mail and a web call, at once. Their secrets: `smtp`, `hook`."""
    mail = (
        'host = "127.0.0.1"',
        f"port = {smtp_port}",
        'security = "none"',
        'user = "wcsync"',
        'password = { file = "smtp" }',
        'sender = "wcsync@shop.example.test"',
        'to = ["ops@shop.example.test"]',
        "timeout_s = 2",
    )
    web = ('name = "chat"', 'url = { file = "hook" }', "timeout_s = 2")
    return (
        _section("[alerts]", "quiet_s = 0", "batch_s = 0")
        + _section("[alerts.mail]", *mail)
        + _section("[[alerts.web]]", *web)
    )


def write_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    """Each in a file of its own, for its owner alone."""
    for name, secret in secrets.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(secret)


def _lms(name: str, kind: str, url: str, *lines: str) -> str:
    return _section("[[lms]]", f'name = "{name}"', f'kind = "{kind}"', f'url = "{url}"', *lines)


def _section(*lines: str) -> str:
    return "\n".join(("", *lines, ""))
