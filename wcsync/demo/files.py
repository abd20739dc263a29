"""The files of a daemon between the demo's shop and its LMSs."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.threesixty import SandboxThreeSixty

Row = Mapping[str, str | bool | int]

POLL_S = 1.0
SHOP_TIMEOUT_S = 1.0


def write_secrets(folder: Path, shop: SandboxShop, moodle: SandboxMoodle, academy: SandboxThreeSixty) -> None:
    client_id, credentials = next(iter(academy.credentials.items()))
    for name, secret in (
        ("key", shop.gate.consumer_key),
        ("secret", shop.gate.consumer_secret),
        ("token", next(iter(moodle.tokens))),
        ("academy_id", client_id),
        ("academy_secret", credentials.client_secret),
    ):
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secret)


def write_mapping(folder: Path, rows: Iterable[Row]) -> None:
    texts = ("\n".join(["[[map]]", *(_line(*pair) for pair in row.items())]) for row in rows)
    (folder / "mapping.toml").write_text("\n\n".join(texts) + "\n", encoding="utf-8")


def write_config(path: Path, *, shop_url: str, moodle_url: str, academy_url: str) -> None:
    path.write_text(
        f"""\
[store]
url = "{shop_url}"
consumer_key = {{ file = "key" }}
consumer_secret = {{ file = "secret" }}
timeout_s = {SHOP_TIMEOUT_S}

[orders]
poll_every_s = {POLL_S}
start = "2000-01-01"

[retry]
first_delay_s = 1

[course_sync]
enabled = true
every_s = 60

[[lms]]
name = "campus"
kind = "moodle"
url = "{moodle_url}"
token = {{ file = "token" }}
timeout_s = 1
quarantine_s = 3

[[lms]]
name = "academy"
kind = "360learning"
url = "{academy_url}"
client_id = {{ file = "academy_id" }}
client_secret = {{ file = "academy_secret" }}
timeout_s = 1
quarantine_s = 3

[ledger]
path = "ledger.db"

[mapping]
path = "mapping.toml"
""",
        encoding="utf-8",
    )


def _line(key: str, value: str | bool | int) -> str:
    return f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {str(value).lower()}"
