"""What every `Store` keeps when it is asked for products, and what WooCommerce's keeps besides."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol
from urllib.parse import quote

import pytest
import stamina

from tests.fakes import FakeStore
from wcsync.errors import ServiceBlocked, TransientError, WcsyncError
from wcsync.model import Product, ProductId, UnreadableProduct
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.faults import Fault
from wcsync.sandbox.shop import SandboxShop
from wcsync.store.base import Store
from wcsync.store.client import WooCommerce

PAGE_SIZE = 4


class Stage(Protocol):
    """A store, and hands to fill it."""

    store: Store

    def add(self, name: str, sku: str = "", status: str = "publish") -> ProductId: ...

    def add_choice(self, product_id: ProductId, option: str, sku: str = "") -> ProductId: ...


class FakeStage:
    def __init__(self) -> None:
        self.fake = FakeStore()
        self.store: Store = self.fake

    def add(self, name: str, sku: str = "", status: str = "publish") -> ProductId:
        product_id = self._next_id()
        self.fake.products.append(Product(product_id=product_id, name=name, sku=sku, status=status))
        return product_id

    def add_choice(self, product_id: ProductId, option: str, sku: str = "") -> ProductId:
        [parent] = [one for one in self.fake.products if one.product_id == product_id]
        choice = self._next_id()
        name = f"{parent.name} - {option}"
        self.fake.products.append(
            Product(
                product_id=choice, parent_id=product_id, name=name, sku=sku or parent.sku, kind="variation"
            )
        )
        return choice

    def _next_id(self) -> ProductId:
        return ProductId(max((one.product_id for one in self.fake.products), default=10) + 1)


class SandboxStage:
    def __init__(self, shop: SandboxShop, client: WooCommerce) -> None:
        self.shop = shop
        self.store: Store = client

    def add(self, name: str, sku: str = "", status: str = "publish") -> ProductId:
        return ProductId(self.shop.add_product(name, sku=sku, status=status))

    def add_choice(self, product_id: ProductId, option: str, sku: str = "") -> ProductId:
        return ProductId(self.shop.add_variation(product_id, option, sku=sku))


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@contextlib.contextmanager
def sandbox(page_size: int = PAGE_SIZE) -> Iterator[SandboxStage]:
    with SandboxShop() as shop:
        client = WooCommerce(
            url=shop.url,
            consumer_key="ck_sandbox",
            consumer_secret="cs_sandbox",
            page_size=page_size,
            timeout_s=5.0,
        )
        with contextlib.closing(client):
            yield SandboxStage(shop, client)


@pytest.fixture(params=["fake", "sandbox"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "fake":
        yield FakeStage()
    else:
        with sandbox() as there:
            yield there


@pytest.fixture
def woo() -> Iterator[SandboxStage]:
    with sandbox() as there:
        yield there


@pytest.fixture
def stage_of_hundred() -> Iterator[SandboxStage]:
    with sandbox(page_size=100) as there:
        yield there


def ids(found: list[Product | UnreadableProduct]) -> set[int | None]:
    assert len({one.product_id for one in found}) == len(found), found
    return {one.product_id for one in found}


def asked(woo: SandboxStage) -> int:
    return len([one for one in woo.shop.requests if "/products" in one.request.path])


def test_products_are_found_by_id_and_by_sku_each_once(stage: Stage) -> None:
    python, excel = stage.add("Python", "PY-101"), stage.add("Excel", "XL-1")
    stage.add("Word", "WD-1")
    found = stage.store.fetch_products(ids=[python, excel], skus=["PY-101"])
    assert ids(found) == {python, excel}


def test_what_the_shop_does_not_know_is_left_out(stage: Stage) -> None:
    python = stage.add("Python", "PY-101")
    found = stage.store.fetch_products(ids=[python, ProductId(99_999)], skus=["NOPE"])
    assert ids(found) == {python}


def test_nothing_asked_for_is_nothing_found(stage: Stage) -> None:
    stage.add("Python", "PY-101")
    assert stage.store.fetch_products() == []
    assert stage.store.fetch_products(skus=["", " "]) == []


def test_skus_are_compared_without_case_and_outer_blanks(stage: Stage) -> None:
    python = stage.add("Python", "PY-101")
    assert ids(stage.store.fetch_products(skus=[" py-101 "])) == {python}


def test_all_products_with_one_sku_are_found(stage: Stage) -> None:
    same = {stage.add(f"Python {language}", "PY-101") for language in ("es", "fr", "en", "de", "it", "pt")}
    assert ids(stage.store.fetch_products(skus=["PY-101"])) == same


def test_variations_are_found_by_id_and_by_sku(stage: Stage) -> None:
    english = stage.add("Inglés", "EN")
    choices = [stage.add_choice(english, level, f"EN-{level}") for level in ("A1", "A2", "B1", "B2", "C1")]
    by_id = stage.store.fetch_products(ids=choices)
    [by_sku] = stage.store.fetch_products(skus=["EN-B2"])
    assert ids(by_id) == set(choices)
    assert isinstance(by_sku, Product)
    assert (by_sku.product_id, by_sku.parent_id, by_sku.name, by_sku.kind) == (
        choices[3],
        english,
        "Inglés - B2",
        "variation",
    )


def test_the_catalogue_is_every_product_with_its_variations_behind_it(stage: Stage) -> None:
    english = stage.add("Inglés", "EN")
    others = [stage.add(f"Curso {n}", f"C-{n}") for n in range(PAGE_SIZE * 2)]
    choices = [stage.add_choice(english, level) for level in ("A1", "A2", "B1", "B2", "C1")]
    walked = list(stage.store.fetch_catalogue())
    assert [one.product_id for one in walked] == [english, *choices, *others]
    assert [one.name for one in walked if isinstance(one, Product)][:3] == [
        "Inglés",
        "Inglés - A1",
        "Inglés - A2",
    ]


def test_drafts_are_in_the_catalogue_and_the_trash_is_not(stage: Stage) -> None:
    draft = stage.add("Borrador", status="draft")
    stage.add("Fuera", status="trash")
    assert [one.product_id for one in stage.store.fetch_catalogue()] == [draft]


def test_an_empty_shop_has_an_empty_catalogue(stage: Stage) -> None:
    assert list(stage.store.fetch_catalogue()) == []


def test_trashed_products_are_found_by_id_and_by_sku(stage: Stage) -> None:
    trashed = stage.add("Fuera", "OUT-1", status="trash")
    for found in (stage.store.fetch_products(ids=[trashed]), stage.store.fetch_products(skus=["OUT-1"])):
        assert [one.status for one in found if isinstance(one, Product)] == ["trash"]


def test_a_hundred_rows_cost_few_calls(woo: SandboxStage) -> None:
    client = WooCommerce(url=woo.shop.url, consumer_key="ck_sandbox", consumer_secret="cs_sandbox")
    wanted = [woo.add(f"Curso {n}", f"C-{n}") for n in range(150)]
    with contextlib.closing(client):
        found = client.fetch_products(ids=wanted, skus=[f"C-{n}" for n in range(150)])
    assert ids(found) == set(wanted)
    assert asked(woo) == 4


def test_the_variations_of_one_product_cost_a_call_for_a_page_and_not_one_each(woo: SandboxStage) -> None:
    english = woo.add("Inglés")
    choices = [woo.add_choice(english, str(n)) for n in range(PAGE_SIZE)]
    assert ids(woo.store.fetch_products(ids=choices)) == set(choices)
    assert asked(woo) == 4  # the list that finds none, one variation, its parent, all of them


def test_a_sku_that_holds_a_comma_is_found(woo: SandboxStage) -> None:
    wanted = {woo.add("Uno", "A,B"), woo.add("Dos", "D 1")}
    woo.add("Otro", "A")
    assert ids(woo.store.fetch_products(skus=["A,B", "D 1"])) == wanted


@pytest.mark.parametrize("status", [414, 400, 404])
def test_a_server_that_takes_no_long_address_is_asked_with_short_ones_from_then_on(
    woo: SandboxStage, status: int
) -> None:
    skus = [f"{n}-{'Ñ' * 200}" for n in range(8)]
    wanted = {woo.add(f"Curso {n}", sku) for n, sku in enumerate(skus)}
    woo.shop.faults.add(Fault(kind="status", status=status, times=None, match=has_long_address))
    assert ids(woo.store.fetch_products(skus=skus)) == wanted
    assert len(woo.shop.faults.fired) == 1
    assert ids(woo.store.fetch_products(skus=skus)) == wanted
    assert len(woo.shop.faults.fired) == 1


def has_long_address(request: Request) -> bool:
    return len(quote(dict(request.query).get("sku", ""))) > 1500


def test_a_hundred_skus_of_usual_length_are_one_question(stage_of_hundred: SandboxStage) -> None:
    woo = stage_of_hundred
    wanted = {woo.add(f"Curso {n}", f"COURSE-PYTHON-BEGINNERS-{n:05}") for n in range(100)}
    assert (
        ids(woo.store.fetch_products(skus=[f"COURSE-PYTHON-BEGINNERS-{n:05}" for n in range(100)])) == wanted
    )
    assert asked(woo) == 1


def test_a_variation_without_a_sku_has_its_parents(woo: SandboxStage) -> None:
    english = woo.add("Inglés", "EN")
    woo.add_choice(english, "A1")
    _, choice = woo.store.fetch_catalogue()
    assert isinstance(choice, Product)
    assert choice.sku == "EN"


def test_names_are_plain_text(woo: SandboxStage) -> None:
    product = woo.add("Redacción &amp; <b>estilo</b> &#039;A&#039;\n ")
    [found] = woo.store.fetch_products(ids=[product])
    assert isinstance(found, Product)
    assert found.name == "Redacción & estilo 'A'"


def test_one_malformed_product_costs_only_itself(woo: SandboxStage) -> None:
    first, bad, last = woo.add("Uno"), woo.add("Roto"), woo.add("Tres")
    woo.shop.edit_product(bad, price={"not": "a price"})
    for found in (
        woo.store.fetch_products(ids=[first, bad, last]),
        list(woo.store.fetch_catalogue()),
    ):
        assert [one.product_id for one in found] == [first, bad, last]
        assert found[1] == UnreadableProduct(product_id=bad, reason="price: missing or of an unexpected kind")


@pytest.mark.parametrize("gone", [1, 2, 3, PAGE_SIZE, PAGE_SIZE * 2])
def test_products_deleted_while_the_catalogue_is_read_hide_no_other(woo: SandboxStage, gone: int) -> None:
    there = [woo.add(f"Curso {n}") for n in range(PAGE_SIZE * 4)]
    seen = list[int | None]()
    for number, product in enumerate(woo.store.fetch_catalogue()):
        seen.append(product.product_id)
        if number == PAGE_SIZE * 2:
            for product_id in there[:gone]:
                woo.shop.trash_product(product_id)
    assert seen == there


def test_a_product_that_comes_back_while_the_catalogue_is_read_repeats_no_other(woo: SandboxStage) -> None:
    there = [woo.add(f"Curso {n}") for n in range(PAGE_SIZE * 3)]
    woo.shop.trash_product(there[0])
    seen = list[int | None]()
    for product in woo.store.fetch_catalogue():
        seen.append(product.product_id)
        woo.shop.edit_product(there[0], status="publish")
    assert seen == there[1:]


def test_a_product_deleted_before_its_variations_were_read_has_none(woo: SandboxStage) -> None:
    english = woo.add("Inglés")
    woo.add_choice(english, "A1")
    last = woo.add("Otro")
    seen = []
    for product in woo.store.fetch_catalogue():
        seen.append(product.product_id)
        if product.product_id == english:
            woo.shop.delete_product_for_good(english)
    assert seen == [english, last]


def test_the_catalogue_is_read_as_far_as_somebody_looks(woo: SandboxStage) -> None:
    for n in range(PAGE_SIZE * 3):
        woo.add(f"Curso {n}")
    next(woo.store.fetch_catalogue())
    assert asked(woo) == 1


def test_no_description_travels(woo: SandboxStage) -> None:
    woo.add_choice(woo.add("Inglés"), "A1")
    list(woo.store.fetch_catalogue())
    assert all(dict(one.request.query).get("_fields") for one in woo.shop.requests)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(kind="html200"), TransientError),
        (Fault(kind="truncated"), TransientError),
        (Fault(kind="empty"), TransientError),
        (Fault(kind="wrong_type"), TransientError),
        (Fault(kind="maintenance"), TransientError),
        (Fault(kind="status", status=403, body=b"<html>"), ServiceBlocked),
        (Fault(kind="status", status=404, body=b"<html>"), ServiceBlocked),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else "",
)
@pytest.mark.parametrize("call", ["ids", "variation", "skus", "catalogue"])
def test_each_failure_is_the_right_kind_of_error_and_never_an_empty_list(
    woo: SandboxStage, fault: Fault, kind: type[WcsyncError], call: str
) -> None:
    python = woo.add("Python", "PY-101")
    choice = woo.add_choice(python, "A1")
    if call == "variation":  # the list that does not hold it comes first
        fault = replace(fault, match=f"/products/{choice}")
    woo.shop.faults.add(fault)
    calls: dict[str, Callable[[], object]] = {
        "ids": lambda: woo.store.fetch_products(ids=[python]),
        "variation": lambda: woo.store.fetch_products(ids=[choice]),
        "skus": lambda: woo.store.fetch_products(skus=["PY-101"]),
        "catalogue": lambda: list(woo.store.fetch_catalogue()),
    }
    with pytest.raises(kind):
        calls[call]()


def test_a_cache_that_answers_every_window_with_the_first_is_found_out(woo: SandboxStage) -> None:
    first = [woo.add(f"Curso {n}") for n in range(PAGE_SIZE * 2)][:PAGE_SIZE]
    walk = woo.store.fetch_catalogue()
    for _ in range(PAGE_SIZE):
        next(walk)
    body = b"[" + b",".join(b'{"id":%d}' % product_id for product_id in first) + b"]"
    woo.shop.faults.add(Fault(kind="status", status=200, body=body, times=None))
    with pytest.raises(TransientError, match="cache"):
        next(walk)
