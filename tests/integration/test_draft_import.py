"""Products made from the courses of a sandbox Moodle in a sandbox shop, by the real clients and the real ledger."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.fakes import CAMPUS, FakeClock
from wcsync.config.course_sync import CourseSyncSettings
from wcsync.course import StoredProduct
from wcsync.credentials import Secret
from wcsync.drafts import DraftMaker, Made
from wcsync.errors import TransientError
from wcsync.ledger.ledger import SqliteLedger
from wcsync.lms.moodle import TARGET_KEYS, Moodle, MoodleSettings
from wcsync.mappers.courses.marks import Mark, Standing
from wcsync.mappers.courses.rendering import render
from wcsync.mappers.mapping import read_mapping
from wcsync.mapping_file import append_rows
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.faults import Fault, Kind
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop
from wcsync.store.client import WooCommerce

KEYS = {CAMPUS: TARGET_KEYS}
QUARANTINE_S = 90.0


class Place:
    """A shop that sells one of a Moodle's three courses."""

    def __init__(self, folder: Path, shop: SandboxShop, moodle: SandboxMoodle) -> None:
        self.shop, self.moodle, self.clock = shop, moodle, FakeClock()
        sold = moodle.add_course("Excel", "XL-1")
        self.python = moodle.add_course("Python & más", "PY-101", summary="<p>All of <b>it</b>.</p>")
        moodle.add_course("Not yet", "NY-1", visible=False)
        shop.add_product("Excel", sku="XL-1")
        self.path = folder / "mapping.toml"
        self.path.write_text(f'[[map]]\nsku = "XL-1"\nlms = "campus"\ncourse = "{sold}"\n')
        self.ledger = SqliteLedger(folder / "ledger.db")
        settings = MoodleSettings(name="campus", url=moodle.url, token=Secret("sandboxtoken"))
        self.lms = Moodle(settings)
        self.store = WooCommerce(
            url=shop.url, consumer_key="ck_sandbox", consumer_secret="cs_sandbox", timeout_s=1.0
        )

    def maker(self) -> DraftMaker:
        return DraftMaker(
            lms=self.lms,
            showcase=self.store.showcase,
            mirror=self.ledger.mirror,
            table=read_mapping(self.path.name, self.path.read_bytes(), KEYS),
            rules=CourseSyncSettings().rules(),
            render=render,
            clock=self.clock,
            quarantine_s=QUARANTINE_S,
        )

    def make(self) -> list[Made]:
        content, maker = self.path.read_bytes(), self.maker()
        made = list(maker.make(maker.plan()))
        rows = [one.row for one in made if one.row is not None]
        if rows:
            append_rows(self.path, content, rows, KEYS)
        return made

    def fail(self, kind: Kind) -> None:
        self.shop.faults.add(
            Fault(kind=kind, match=_makes_a_product, seconds=1.5 if kind == "delay_after" else 0.3)
        )

    def stored(self) -> list[StoredProduct]:
        return [
            one
            for one in self.store.showcase.fetch_stored_catalogue()
            if isinstance(one, StoredProduct) and one.sku != "XL-1"
        ]

    def marks(self, product: StoredProduct) -> defaultdict[str, Mark]:
        """What the mirror knows of its fields."""
        number = product.product_id
        known = self.ledger.mirror.read_marks([number])[number]
        return defaultdict(lambda: Mark(product_id=number, field=""), known)

    def close(self) -> None:
        for part in (self.ledger, self.lms, self.store):
            part.close()


def _makes_a_product(request: Request) -> bool:
    return request.method == "POST"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with SandboxShop() as shop, SandboxMoodle() as moodle, closing(Place(tmp_path, shop, moodle)) as made:
        yield made


def test_a_course_becomes_a_draft_that_nobody_sees_and_a_row(place: Place) -> None:
    assert {one.reason for one in place.make()} == {"", "it is hidden"}
    [product] = place.stored()
    raw = place.shop.product(product.product_id)
    assert (raw["status"], raw["virtual"], raw["catalog_visibility"]) == ("draft", True, "hidden")
    assert (product.sku, product.name) == ("PY-101", "Python &amp; más")
    assert "<b>it</b>" in product.description or "<strong>it</strong>" in product.description
    assert product.meta["_wcsync_made_from"] == f"campus/{place.python}"
    mapping = read_mapping(place.path.name, place.path.read_bytes(), KEYS)
    assert [(row.sku, row.targets[0].course_id) for row in mapping.rows[1:]] == [
        ("PY-101", str(place.python))
    ]


def test_a_second_time_nothing_is_made(place: Place) -> None:
    place.make()
    content = place.path.read_bytes()
    assert [one.fresh for one in place.make()] == [False]
    assert (len(place.stored()), place.path.read_bytes()) == (1, content)


@pytest.mark.parametrize("kind", ["reset_after", "delay_after", "truncated", "late_effect"])
def test_an_answer_that_is_lost_or_spoilt_makes_no_second_product(place: Place, kind: Kind) -> None:
    place.fail(kind)
    with suppress(TransientError):
        place.make()
    deadline = monotonic() + 5
    while not place.stored() and monotonic() < deadline:
        sleep(0.05)
    assert [one.fresh for one in place.make()] == [False, False]
    assert len(place.stored()) == 1
    assert b"PY-101" in place.path.read_bytes()


def test_a_product_whose_answer_was_lost_is_ours_for_the_mirror_like_any_other(place: Place) -> None:
    place.fail("reset_after")
    with suppress(TransientError):
        place.make()
    [product] = place.stored()
    assert not place.marks(product)["description"].sent
    place.make()
    mark = place.marks(product)["description"]
    assert (mark.standing, bool(mark.sent), bool(mark.stored)) == (Standing.OURS, True, True)


def test_what_the_mirror_sent_it_and_may_still_come_stays_under_way(place: Place) -> None:
    content = place.path.read_bytes()
    place.make()
    [product] = place.stored()
    place.path.write_bytes(content)
    sent = Mark(product_id=product.product_id, field="images", pending="aa", pending_since=place.clock())
    place.ledger.mirror.record_marks([sent], place.clock())
    assert [one.product_id for one in place.make()].count(product.product_id) == 1
    assert place.marks(product)["images"].pending == "aa"


def test_what_a_person_wrote_into_it_meanwhile_stays_theirs(place: Place) -> None:
    place.fail("reset_after")
    with suppress(TransientError):
        place.make()
    [product] = place.stored()
    place.shop.edit_product(product.product_id, description="<p>Ours is better.</p>")
    place.make()
    assert place.marks(product)["description"].standing is Standing.FOREIGN


def test_a_product_in_the_trash_keeps_its_sku_and_is_told(place: Place) -> None:
    place.make()
    [product] = place.stored()
    place.shop.trash_product(product.product_id)
    place.path.write_text(place.path.read_text().split("\n\n")[0] + "\n")
    assert any("trash has the SKU PY-101" in one.reason for one in place.make())
