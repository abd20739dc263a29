"""A shop, a Moodle and a 360Learning company with a daemon's files between them, in a time that is moved."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tests.daemon_files import LEDGER, academy_section, campus_section, store_section, write_secrets
from wcsync.cli import main
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.moodle_records import Enrolment
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.shop_lines import Sold
from wcsync.sandbox.threesixty import SandboxThreeSixty

ANA, BEA, CID = (f"{name}.marked@personal.example.test" for name in ("ana", "bea", "cid"))
FILES = {
    "key": "ck_sandbox",
    "key_secret": "cs_sandbox",
    "token": "sandboxtoken",
    "academy_id": "sandboxid",
    "academy_secret": "sandboxsecret",
}
ORDERS = """
[orders]
start = "2000-01-01"
page_size = 25
"""


class Till:
    """Sells, lets time pass and asks the commands. `time` is frozen, and moves all clocks."""

    def __init__(
        self, folder: Path, time: Any, shop: SandboxShop, moodle: SandboxMoodle, academy: SandboxThreeSixty
    ) -> None:
        self.folder, self.time, self.shop, self.moodle, self.academy = folder, time, shop, moodle, academy
        self.rows: list[str] = []
        write_secrets(folder, FILES)
        self.configure()

    def configure(self, sections: str = "", campus_keys: str = "") -> None:
        """The config with more in it."""
        sites = (
            store_section(self.shop.url),
            campus_section(self.moodle.url, campus_keys),
            academy_section(self.academy.url),
        )
        (self.folder / "config.toml").write_text("".join((*sites, ORDERS, LEDGER, sections)))

    # -- the shop ----------------------------------------------------------------------------------------------------
    def sells_course(self, terms: str = "", **product: Any) -> tuple[int, int]:
        """A product and its course in Moodle. `terms`: more lines of its mapping row."""
        course = self.moodle.add_course(f"Course {len(self.rows)}")
        number = self.shop.add_product(f"Course {len(self.rows)}", price="100", **product)
        self._add_row(f'product_id = {number}\nlms = "campus"\ncourse = "{course}"\n{terms}')
        return number, course

    def sells_group(self, terms: str = "") -> tuple[int, str]:
        """A product and its group in 360Learning."""
        group = self.academy.add_group("Group")
        self.academy.add_path("Path", group)
        number = self.shop.add_product("Group", price="100")
        self._add_row(f'product_id = {number}\nlms = "academy"\ngroup = "{group}"\n{terms}')
        return number, group

    def buy(
        self, email: str, product: int, quantity: int = 1, *, meta: Mapping[str, Any] | None = None
    ) -> int:
        return self.shop.buy(email, lines=[Sold(product_id=product, quantity=quantity, meta=meta or {})])

    def line_of(self, order_id: int) -> int:
        return int(self.shop.orders[order_id]["line_items"][0]["id"])

    def notes(self, order_id: int) -> list[str]:
        found = self.shop.notes.get(order_id, [])
        return [note["note"] for note in found if "(wcsync" in note["note"]]

    # -- the daemon --------------------------------------------------------------------------------------------------
    def pass_days(self, days: float = 0.01) -> None:
        """So much time goes by, and then everything is looked at and worked off."""
        self.time.tick(timedelta(days=days))
        for _ in range(2):
            self.run("run", "--once")
            self.time.tick(1)

    def run(self, *words: str, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(main, [*words, "--config", str(self.folder / "config.toml")])
        assert result.exit_code == exit_code, (result.output, result.exception)
        return result

    def ask(self, *words: str, exit_code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", exit_code=exit_code).stdout)

    def parked(self) -> list[str]:
        return sorted(entry["kind"] for entry in self.ask("parked", "list"))

    # -- the LMSs ----------------------------------------------------------------------------------------------------
    def inside(self, place: int | str) -> set[str]:
        """Who can enter a course of Moodle, or is in a group of 360Learning."""
        found: set[tuple[str, Any]] = {*self.moodle.active_enrolments(), *self.academy.learners()}
        return {email for email, where in found if where == place}

    def enrolment(self, email: str, course: int) -> Enrolment:
        [account] = self.moodle.accounts(email)
        found = self.moodle.find_enrolment(account.id, course)
        assert found is not None
        return found

    def ends_at(self, email: str, course: int) -> datetime:
        """Until when an enrolment lasts."""
        return datetime.fromtimestamp(self.enrolment(email, course).timeend, tz=UTC)

    def ends_in_days(self, email: str, course: int) -> float:
        """How long it lasts from now on."""
        return (self.ends_at(email, course) - self.moodle.clock()).total_seconds() / 86400

    def _add_row(self, row: str) -> None:
        self.rows.append(f"[[map]]\n{row}\n")
        (self.folder / "mapping.toml").write_text("\n".join(self.rows))
