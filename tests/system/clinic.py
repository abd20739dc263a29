"""A shop, a Moodle and a 360Learning company, the files of a daemon between them, and the doctor who looks at all."""

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import trustme
from click.testing import CliRunner, Result

from tests.daemon_files import write_secrets
from tests.openapi import WatchedThreeSixty
from wcsync.cli import main
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop

SECRETS = {
    "key": "ck_marked_4471_secret",
    "secret": "cs_marked_8ab2_secret",
    "token": "tok_marked_77de_secret",
    "academy_id": "id_marked_1c0d_secret",
    "academy_secret": "as_marked_90ee_secret",
}

Trouble = tuple[str, str, bool]
"""(service, code, fatal) of what is not in order."""


@dataclass
class Lms:
    """One [[lms]] section and the rows of the mapping that are about it."""

    keys: dict[str, str]
    rows: list[dict[str, str]] = field(default_factory=list)


class Clinic:
    """Healthy until a test takes something away. `store`, `lms` and `more` become the config when it is checked."""

    def __init__(self, folder: Path, ca: trustme.CA, ca_path: Path) -> None:
        self.folder = folder
        self.ca = ca
        self.ahead = timedelta()
        self.store: dict[str, str] = {}
        self.more = ""
        self.ledger = "ledger.db"
        self.select: dict[str, str] = {}
        self.lms: dict[str, Lms] = {}
        self.shop = self._open_shop(server_side(ca.issue_cert("127.0.0.1")))
        self.store["ca_file"] = f'"{ca_path}"'
        write_secrets(folder, SECRETS)
        self.course = "42"

    @cached_property
    def moodle(self) -> SandboxMoodle:
        moodle = SandboxMoodle(token=SECRETS["token"]).start()
        moodle.add_course("Python", course_id=42)
        return moodle

    @cached_property
    def company(self) -> WatchedThreeSixty:
        return WatchedThreeSixty(
            client_id=SECRETS["academy_id"], client_secret=SECRETS["academy_secret"]
        ).start()

    def reopen_shop(self, tls: ssl.SSLContext | None, **more: Any) -> SandboxShop:
        """Another shop in its place: over plain http without `tls`."""
        self.shop.stop()
        self.shop = self._open_shop(tls, **more)
        return self.shop

    def send_to_moodle(self, **options: str) -> None:
        url, token = f'"{self.moodle.url}"', '{ file = "token" }'
        self.lms["campus"] = Lms({"kind": '"moodle"', "url": url, "token": token})
        self.lms["campus"].rows.append({"course": self.course, **options})

    def send_to_academy(self, **options: str) -> None:
        keys = {
            "kind": '"360learning"',
            "url": f'"{self.company.url}"',
            "client_id": '{ file = "academy_id" }',
            "client_secret": '{ file = "academy_secret" }',
        }
        self.lms["academy"] = Lms(keys, [options])

    def check(self, *words: str) -> Result:
        return self._run("check", *words)

    def check_mapping(self) -> Result:
        return self._run("mapping", "check", "--remote", "--json")

    def _run(self, *words: str) -> Result:
        if not self.lms:
            self.send_to_moodle()
        self._write_files()
        result = CliRunner().invoke(main, [*words, "--config", str(self.folder / "config.toml")])
        for secret in SECRETS.values():
            assert secret not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def diagnoses(self) -> list[dict[str, Any]]:
        result = self.check("--json")
        found: list[dict[str, Any]] = json.loads(result.stdout)["diagnoses"]
        fatal = [one for one in found if one["fatal"]]
        expected = 0 if not fatal else 78 if any(one["file"] for one in fatal) else 69
        assert result.exit_code == expected, result.output
        return found

    def troubles(self) -> list[Trouble]:
        return [(one["service"], one["code"], one["fatal"]) for one in self.diagnoses() if not one["ok"]]

    def close(self) -> None:
        self.shop.stop()
        if "moodle" in vars(self):
            self.moodle.stop()
        if "company" in vars(self):
            self.company.stop()
            assert self.company.faults_seen == []

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def _open_shop(self, tls: ssl.SSLContext | None, **more: Any) -> SandboxShop:
        keys = {"consumer_key": SECRETS["key"], "consumer_secret": SECRETS["secret"]}
        shop = SandboxShop(**(keys | {"tls": tls, "clock": self.now} | more)).start()
        self.product = shop.add_product("Python", sku="PY-101")
        shop.buy("anna.marked@personal.example.test", "Anna", "Buyer", [(self.product, 1)])
        self.store["url"] = f'"{shop.url}"'
        return shop

    def _write_files(self) -> None:
        store = {
            "consumer_key": '{ file = "key" }',
            "consumer_secret": '{ file = "secret" }',
            "timeout_s": "0.5",
        }
        parts = ["[store]", *_lines(store | self.store)]
        rows = []
        for name, lms in self.lms.items():
            parts += ["[[lms]]", f'name = "{name}"', "timeout_s = 1.0", *_lines(lms.keys)]
            for row in lms.rows:
                quoted = {key: f'"{value}"' for key, value in row.items()}
                about = self.select or {"product_id": str(self.product)}
                rows += ["[[map]]", *_lines(about), f'lms = "{name}"', *_lines(quoted), ""]
        parts += ["[ledger]", f'path = "{self.ledger}"', self.more]
        (self.folder / "config.toml").write_text("\n".join(parts))
        if not (self.folder / "mapping.toml").exists():
            (self.folder / "mapping.toml").write_text("\n".join(rows))


def server_side(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def _lines(keys: dict[str, str]) -> list[str]:
    return [f"{key} = {value}" for key, value in keys.items()]


Arrange = Callable[[Clinic], object]
"""Brings a clinic into some state."""
