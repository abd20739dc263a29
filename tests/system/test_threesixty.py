"""The commands between a shop and a 360Learning company."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.daemon_files import LEDGER, academy_section, store_section, write_secrets
from tests.openapi import WatchedThreeSixty
from wcsync.cli import main
from wcsync.sandbox.faults import Fault
from wcsync.sandbox.shop import SandboxShop

EMAIL = "anna.marked@personal.example.test"

SECRETS = {
    "key": "ck_sandbox",
    "key_secret": "cs_sandbox",
    "academy_id": "sandboxid",
    "academy_secret": "sandboxsecret",
}


class Academy:
    """A shop that sells one group of a company, and the files of a daemon between them."""

    def __init__(self, folder: Path, shop: SandboxShop, company: WatchedThreeSixty) -> None:
        self.folder, self.shop, self.company = folder, shop, company
        self.product = shop.add_product("Python")
        self.group = company.add_group("Python")
        path, _ = company.add_path("Python", self.group)
        write_secrets(folder, SECRETS)
        orders = '[orders]\nstart = "2000-01-01"\n'
        (folder / "config.toml").write_text(
            store_section(shop.url) + orders + academy_section(company.url) + LEDGER
        )
        (folder / "mapping.toml").write_text(
            f'[[map]]\nproduct_id = {self.product}\nlms = "academy"\ngroup = "{self.group}"\npath = "{path}"\n'
        )

    def buy(self) -> int:
        return self.shop.buy(EMAIL, "Anna", "Buyer", [(self.product, 1)])

    def wcsync(self, *words: str) -> Any:
        arguments = [*words, "--json", "--config", str(self.folder / "config.toml")]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        assert "marked@personal" not in result.output
        assert "sandboxsecret" not in result.output
        return json.loads(result.stdout)


@pytest.fixture
def academy(tmp_path: Path) -> Iterator[Academy]:
    with SandboxShop() as shop, WatchedThreeSixty() as company:
        yield Academy(tmp_path, shop, company)
        assert company.faults_seen == []


def test_what_was_paid_gets_in_and_what_was_refunded_gets_out(academy: Academy) -> None:
    order_id = academy.buy()
    assert academy.wcsync("run", "--once")["enrolled"] == 1
    assert academy.company.learners() == {(EMAIL, academy.group)}
    assert len(academy.company.enrolled()) == 1
    academy.shop.set_status(order_id, "refunded")
    academy.wcsync("run", "--once")
    assert (academy.company.learners(), academy.company.enrolled()) == (set(), set())
    assert [user.status for user in academy.company.accounts(EMAIL)] == ["invited"]


def test_a_lost_answer_ends_in_one_user_once_the_quarantine_is_over(academy: Academy) -> None:
    fault = Fault(kind="reset_after", match=lambda request: request.text.startswith("POST /api/v2/users"))
    academy.company.faults.add(fault)
    academy.buy()
    assert academy.wcsync("run", "--once")["due"] == 1
    assert academy.company.faults.fired == [fault]
    assert len(academy.company.accounts(EMAIL)) == 1
    assert academy.company.learners() == {(EMAIL, academy.group)}


def test_check_finds_a_healthy_company_in_order(academy: Academy) -> None:
    assert "Sandbox Academy" in json.dumps(academy.wcsync("check"))
