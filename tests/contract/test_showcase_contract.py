"""What every `Showcase` keeps, and what WooCommerce's keeps besides."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pytest
import stamina

from tests.fakes_showcase import FakeShowcase
from wcsync.course import (
    Attribute,
    Image,
    Patch,
    ProductDraft,
    Pushed,
    SkuTaken,
    StoredProduct,
    Term,
    TermKind,
)
from wcsync.errors import PermanentError, ServiceBlocked, TransientError
from wcsync.model import ProductId, UnreadableProduct
from wcsync.pulse import asking
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.faults import Fault, Kind
from wcsync.sandbox.shop import SandboxShop
from wcsync.store.base import BATCH_LIMIT, BatchFailed, Showcase
from wcsync.store.client import WooCommerce
from wcsync.store.refusal import MAY_NOT_WRITE

NO_SUCH = ProductId(99_999)


class Stage(Protocol):
    """A showcase, and hands to fill it."""

    showcase: Showcase

    def add(self, name: str, sku: str = "", **values: Any) -> ProductId:
        """`description`, `short_description`, `meta`, `tags` and `attributes` (name → options) as stored."""

    def add_choice(self, product_id: ProductId, option: str, sku: str = "") -> ProductId: ...

    def add_image(self, name: str) -> int: ...

    def edit(self, product_id: ProductId, **values: Any) -> None: ...

    def trash(self, product_id: ProductId) -> None: ...

    @property
    def uploads(self) -> int: ...


class FakeStage:
    def __init__(self) -> None:
        self.fake = FakeShowcase()
        self.showcase: Showcase = self.fake

    def add(self, name: str, sku: str = "", **values: Any) -> ProductId:
        new = max(self.fake.products, default=10) + 1
        self.fake.add(new, name=name, sku=sku, **self._own(values))
        return ProductId(new)

    def add_choice(self, product_id: ProductId, option: str, sku: str = "") -> ProductId:
        new = max(self.fake.products) + 1
        self.fake.add_choice(new, product_id, sku=sku or option)
        return ProductId(new)

    def add_image(self, name: str) -> int:
        new = max(self.fake.media, default=5000) + 1
        self.fake.media[new] = Image(image_id=new, src=f"https://shop.example.com/{new}.png", name=name)
        return new

    def edit(self, product_id: ProductId, **values: Any) -> None:
        self.fake.edit(product_id, **self._own(values))

    def trash(self, product_id: ProductId) -> None:
        self.fake.edit(product_id, status="trash")

    @property
    def uploads(self) -> int:
        return self.fake.uploads

    def _own(self, values: dict[str, Any]) -> dict[str, Any]:
        for kind in TermKind:
            if kind in values:
                values[kind] = tuple(self.fake.ensure_term(kind, name) for name in values[kind])
        if "attributes" in values:
            rows = enumerate(values["attributes"].items())
            values["attributes"] = tuple(
                Attribute(name=name, options=tuple(options), position=place)
                for place, (name, options) in rows
            )
        if "images" in values:
            values["images"] = tuple(self.fake.media[image_id] for image_id in values["images"])
        return values


class SandboxStage:
    def __init__(self, shop: SandboxShop, client: WooCommerce) -> None:
        self.shop = shop
        self.client = client
        self.showcase: Showcase = client.showcase

    def add(self, name: str, sku: str = "", **values: Any) -> ProductId:
        return ProductId(self.shop.add_product(name, sku=sku, **values))

    def add_choice(self, product_id: ProductId, option: str, sku: str = "") -> ProductId:
        return ProductId(self.shop.add_variation(product_id, option, sku=sku))

    def add_image(self, name: str) -> int:
        return self.shop.add_image(name)

    def edit(self, product_id: ProductId, **values: Any) -> None:
        self.shop.edit_product(product_id, **values)

    def trash(self, product_id: ProductId) -> None:
        self.shop.trash_product(product_id)

    @property
    def uploads(self) -> int:
        return self.shop.uploads

    def asked(self, method: str = "GET") -> list[Request]:
        sent = [one.request for one in self.shop.requests]
        return [one for one in sent if one.method == method and "/products" in one.path]

    def fail(self, kind: Kind, **fault: Any) -> None:
        self.shop.faults.add(Fault(kind=kind, match=lambda request: request.method != "GET", **fault))


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@contextlib.contextmanager
def sandbox(**settings: Any) -> Iterator[SandboxStage]:
    with SandboxShop() as shop:
        client = WooCommerce(
            url=shop.url,
            consumer_key="ck_sandbox",
            consumer_secret="cs_sandbox",
            **{"timeout_s": 5.0} | settings,
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


def one(stage: Stage, product_id: ProductId) -> StoredProduct:
    [found] = stage.showcase.fetch_stored(ids=[product_id])
    assert isinstance(found, StoredProduct), found
    return found


def stored(pushed: Pushed) -> StoredProduct:
    assert pushed.stored is not None, pushed
    return pushed.stored


def ids(found: Sequence[StoredProduct | UnreadableProduct]) -> set[int | None]:
    assert len({row.product_id for row in found}) == len(found), found
    return {row.product_id for row in found}


def texts_of(product: StoredProduct) -> tuple[str, str, str]:
    return product.name, product.description, product.short_description


# reading


def test_products_are_found_by_id_and_by_sku_each_once(stage: Stage) -> None:
    python, excel = stage.add("Python", "PY-101"), stage.add("Excel", "XL-1")
    stage.add("Word", "WD-1")
    found = stage.showcase.fetch_stored(ids=[python, NO_SUCH], skus=[" py-101 ", "xl-1", "NOPE"])
    assert ids(found) == {python, excel}


def test_a_product_in_the_trash_is_found_and_says_so(stage: Stage) -> None:
    python, excel = stage.add("Python", "PY-101"), stage.add("Excel", "XL-1")
    stage.trash(python)
    stage.trash(excel)
    found = stage.showcase.fetch_stored(ids=[python], skus=["XL-1"])
    assert {(row.product_id, row.status) for row in found if isinstance(row, StoredProduct)} == {
        (python, "trash"),
        (excel, "trash"),
    }


def test_texts_are_read_exactly_as_they_are_stored(stage: Stage) -> None:
    python = stage.add("A &amp; B", description="uno\n\ndos [gallery]", short_description="<b>x</b>")
    assert texts_of(one(stage, python)) == ("A &amp; B", "uno\n\ndos [gallery]", "<b>x</b>")


def test_lists_and_meta_are_read_whole(stage: Stage) -> None:
    image_id = stage.add_image("Portada")
    python = stage.add(
        "Python",
        tags=["python"],
        categories=["Cursos"],
        attributes={"Nivel": ["A1", "B2"]},
        images=[image_id],
        meta={"_wcsync_hash": "a", "color": "azul"},
    )
    found = one(stage, python)
    assert [term.name for term in (*found.tags, *found.categories)] == ["python", "Cursos"]
    assert [(row.name, row.options, row.attribute_id) for row in found.attributes] == [
        ("Nivel", ("A1", "B2"), 0)
    ]
    assert [(image.image_id, image.name) for image in found.images] == [(image_id, "Portada")]
    assert found.meta == {"_wcsync_hash": "a", "color": "azul"}


def test_a_variation_is_told_with_its_parent_and_without_what_is_its_parents(stage: Stage) -> None:
    english = stage.add("Inglés", "EN", tags=["idiomas"], images=[stage.add_image("Portada")])
    first, second = stage.add_choice(english, "A1", "EN-A1"), stage.add_choice(english, "A2", "EN-A2")
    by_id = stage.showcase.fetch_stored(ids=[first, second])
    by_sku = stage.showcase.fetch_stored(skus=["EN-A1", "EN-A2"])
    assert ids(by_id) == ids(by_sku) == {first, second}
    for row in (*by_id, *by_sku):
        assert isinstance(row, StoredProduct)
        assert (row.parent_id, row.kind, row.name, row.tags, row.images) == (english, "variation", "", (), ())


def test_the_catalogue_is_walked_to_its_end_each_product_before_its_variations(stage: Stage) -> None:
    python, english = stage.add("Python"), stage.add("Inglés")
    choice = stage.add_choice(english, "A1")
    stage.trash(stage.add("Word"))
    excel = stage.add("Excel")
    walked = [row.product_id for row in stage.showcase.fetch_stored_catalogue()]
    assert walked == [python, english, choice, excel]


# writing


def test_whoever_reads_many_products_is_asked_between_the_questions(stage: Stage) -> None:
    asked = list[int]()
    parent = stage.add("Choice", sku="CHOICE")
    choices = [stage.add_choice(parent, option) for option in ("A", "B")]
    trashed = stage.add("Old", sku="OLD")
    stage.trash(trashed)
    with asking(lambda: asked.append(1)):
        stage.showcase.fetch_stored(ids=[parent, trashed, *choices], skus=["CHOICE"])
        once = len(asked)
        list(stage.showcase.fetch_stored_catalogue())
    assert once >= 4
    assert len(asked) >= once + 2


def test_a_patch_changes_what_it_names_and_nothing_else(stage: Stage) -> None:
    python = stage.add("Python", "PY-101", description="antes", short_description="breve", meta={"a": "1"})
    before = one(stage, python)
    [pushed] = stage.showcase.push_patches([Patch(product_id=python, description="<p>después</p>")])
    after = one(stage, python)
    assert texts_of(after) == ("Python", "<p>después</p>", "breve")
    assert stored(pushed) == after
    assert (after.guarded, after.meta, after.sku) == (before.guarded, {"a": "1"}, "PY-101")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('Curso & "ñ" <3 \' \\ x', 'Curso &amp; "ñ" &lt;3 &#039;  x'),
        ("<p>á & b</p>\n<p>2</p>", "<p>á &amp; b</p>\n<p>2</p>"),
        ('línea 1\n\nlínea 2 [gallery] C:\\temp\\n \\" x', 'línea 1\n\nlínea 2 [gallery] C:tempn " x'),
        ("Curso <b>x</b>1 &amp; 漢字 🎓", "Curso <b>x</b>1 &amp; 漢字 🎓"),
    ],
    ids=["name", "paragraphs", "backslashes", "tags"],
)
def test_the_answer_to_a_push_is_what_is_stored_from_then_on(stage: Stage, sent: str, kept: str) -> None:
    python = stage.add("Python")
    alone = stage.showcase.push_patch(Patch(product_id=python, name=sent, description=sent))
    [in_batch] = stage.showcase.push_patches([Patch(product_id=python, short_description=sent)])
    assert texts_of(stored(alone))[:2] == (kept, kept)
    assert texts_of(stored(in_batch)) == texts_of(one(stage, python)) == (kept, kept, kept)


def test_patches_are_answered_in_their_order_with_one_reason_for_each_refusal(stage: Stage) -> None:
    python, excel = stage.add("Python"), stage.add("Excel")
    patches = [
        Patch(product_id=excel, name="Excel 2"),
        Patch(product_id=NO_SUCH, name="Nada"),
        Patch(product_id=python, meta={"_price": "0.01"}),
        Patch(product_id=python + 1000, name="Nada"),  # type: ignore[arg-type]  # an id of a product still
    ]
    pushed = stage.showcase.push_patches(patches)
    assert [one.product_id for one in pushed] == [patch.product_id for patch in patches]
    assert [one.code for one in pushed] == [
        "",
        "woocommerce_rest_product_invalid_id",
        "unsendable",
        "woocommerce_rest_product_invalid_id",
    ]
    assert [bool(one.problem) for one in pushed] == [False, True, True, True]
    assert one(stage, python).meta == {}


def test_one_patch_alone_is_refused_as_in_a_batch(stage: Stage) -> None:
    pushed = stage.showcase.push_patch(Patch(product_id=NO_SUCH, name="Nada"))
    assert (pushed.stored, pushed.code) == (None, "woocommerce_rest_product_invalid_id")
    assert pushed.problem == "there is no such product any more" or pushed.problem.startswith("refused")


def test_a_push_repeated_changes_nothing_more(stage: Stage) -> None:
    patch = Patch(
        product_id=stage.add("Python"), name="R & D", meta={"_wcsync_author": "Ana"}, attributes=(OURS,)
    )
    first, second = stage.showcase.push_patch(patch), stage.showcase.push_patch(patch)
    assert stripped(stored(first)) == stripped(stored(second))


OURS = Attribute(name="Habilidades", options=("Python", "R & D"), position=7)


def stripped(product: StoredProduct) -> tuple[object, ...]:
    """All but when it was changed."""
    return texts_of(product), product.attributes, product.meta, product.images, product.guarded


def test_attributes_are_sent_back_unharmed_with_ours_among_them(stage: Stage) -> None:
    python = stage.add("Python", attributes={"Nivel": ["A1", "c, d"], "Idioma": ["Español", "漢字"]})
    theirs = one(stage, python).attributes
    pushed = stage.showcase.push_patch(Patch(product_id=python, attributes=(*theirs, OURS)))
    assert stored(pushed).attributes == (*theirs, OURS)
    assert stored(stage.showcase.push_patch(Patch(product_id=python, attributes=()))).attributes == ()


def test_meta_keys_are_changed_and_taken_away_one_by_one(stage: Stage) -> None:
    python = stage.add("Python", meta={"color": "azul", "_wcsync_old": "x", "_wcsync_author": "Ana"})
    patch = Patch(
        product_id=python, meta={"_wcsync_old": None, "_wcsync_author": "Eva", "_wcsync_new": "C:\\x"}
    )
    expected = {"color": "azul", "_wcsync_author": "Eva", "_wcsync_new": "C:\\x"}
    assert stored(stage.showcase.push_patch(patch)).meta == expected == one(stage, python).meta


@pytest.mark.parametrize("kind", TermKind)
def test_terms_are_made_once_and_put_on_products_by_number(stage: Stage, kind: TermKind) -> None:
    first, again = (stage.showcase.ensure_term(kind, name) for name in ("R & D ñ", " r & d  Ñ "))
    assert first.term_id == again.term_id > 0
    others: dict[str, Any] = {kind: ["Otra"]}
    python = stage.add("Python", **others)
    [other] = getattr(one(stage, python), kind)
    patch = Patch(product_id=python, **{kind: (other, first)})  # type: ignore[arg-type]  # both are lists of terms
    kept = getattr(stored(stage.showcase.push_patch(patch)), kind)
    assert {term.term_id for term in kept} == {other.term_id, first.term_id}
    assert {term.name for term in kept} == {"Otra", "R & D ñ"}


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "\ud83d"], ids=["empty", "blank", "long", "damaged"])
def test_a_name_no_term_can_have_is_refused_before_it_is_sent(stage: Stage, name: str) -> None:
    with pytest.raises(PermanentError, match="cannot have"):
        stage.showcase.ensure_term(TermKind.TAGS, name)


def test_images_are_put_in_order_by_number_and_fetched_only_without_one(stage: Stage) -> None:
    first, second = stage.add_image("Uno"), stage.add_image("Dos")
    python = stage.add("Python", images=[first])
    [theirs] = one(stage, python).images
    patch = Patch(product_id=python, images=(Image(image_id=second), theirs))
    assert [image.image_id for image in stored(stage.showcase.push_patch(patch)).images] == [second, first]
    assert [(image.name, image.image_id) for image in one(stage, python).images] == [
        ("Dos", second),
        ("Uno", first),
    ]
    assert stage.uploads == 0


def test_an_image_the_shop_does_not_have_is_refused_and_nothing_changed(stage: Stage) -> None:
    python = stage.add("Python")
    pushed = stage.showcase.push_patch(
        Patch(product_id=python, name="Otro", images=(Image(image_id=99_999),))
    )
    assert (pushed.stored, pushed.code) == (None, "woocommerce_product_invalid_image_id")
    assert one(stage, python).name == "Python"


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "batch"])
def test_a_variation_is_written_with_description_image_and_meta(stage: Stage, alone: bool) -> None:
    english, image_id = stage.add("Inglés", "EN"), stage.add_image("A1")
    choice = stage.add_choice(english, "A1", "EN-A1")
    patch = Patch(
        product_id=choice,
        parent_id=english,
        description="<p>Nivel A1</p>",
        images=(Image(image_id=image_id),),
        meta={"_wcsync_author": "Ana"},
    )
    before = one(stage, choice)
    pushed = stage.showcase.push_patch(patch) if alone else stage.showcase.push_patches([patch])[0]
    after = one(stage, choice)
    assert stored(pushed) == after
    assert (after.description, after.guarded) == ("<p>Nivel A1</p>\n", before.guarded)
    assert ([image.image_id for image in after.images], after.meta) == ([image_id], {"_wcsync_author": "Ana"})


@pytest.mark.parametrize(
    "changes",
    [
        {"name": " "},
        {"description": ""},
        {"images": ()},
        {"name": "x" * 65_536},
        {"short_description": "ñ" * 40_000},
        {"description": "\ud83d"},
        {"attributes": (Attribute(name="", options=("x",)),)},
        {"attributes": (Attribute(name="A", options=("\0",)),)},
        {"meta": {"_sku": "HACK"}},
        {"meta": {"_STOCK_status": "instock"}},
        {"meta": {"": "x"}},
        {"meta": {"k" * 256: "x"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_would_empty_or_spoil_a_product_is_refused_and_not_sent(
    stage: Stage, changes: dict[str, Any]
) -> None:
    python = stage.add("Python", "PY-101", description="texto", images=[stage.add_image("Uno")])
    before = one(stage, python)
    pushed = stage.showcase.push_patch(Patch(product_id=python, **changes))
    assert (pushed.stored, pushed.code) == (None, "unsendable")
    assert one(stage, python) == before


# making products


def test_a_draft_is_a_product_that_nobody_sees(stage: Stage) -> None:
    draft = ProductDraft(
        sku="PY-101", name="R & D", description="<p>x</p>", attributes=(OURS,), meta={"_wcsync_lms": "campus"}
    )
    made = stage.showcase.push_draft(draft)
    assert isinstance(made, StoredProduct)
    assert (made.kind, made.status, made.sku, made.name) == ("simple", "draft", "PY-101", "R &amp; D")
    assert (made.attributes, made.meta) == ((OURS,), {"_wcsync_lms": "campus"})
    assert one(stage, made.product_id) == made


def test_no_second_product_is_made_with_the_same_sku(stage: Stage) -> None:
    python, excel = stage.add("Python", "PY-101"), stage.add("Excel", "XL-1")
    stage.trash(excel)
    assert stage.showcase.push_draft(ProductDraft(sku="py-101", name="x")) == SkuTaken(product_id=python)
    assert stage.showcase.push_draft(ProductDraft(sku="XL-1", name="x")) == SkuTaken(product_id=None)


@pytest.mark.parametrize(
    "draft",
    [ProductDraft(sku="", name="x"), ProductDraft(sku="A", name=" "), ProductDraft(sku="A" * 101, name="x")],
    ids=["no SKU", "no name", "long SKU"],
)
def test_a_draft_that_cannot_be_is_refused(stage: Stage, draft: ProductDraft) -> None:
    with pytest.raises(PermanentError, match="was not made"):
        stage.showcase.push_draft(draft)


# WooCommerce alone


def test_a_thousand_products_cost_ten_questions_by_id_or_by_sku(woo: SandboxStage) -> None:
    wanted = [woo.add(f"Curso {n}", f"CURSO-DE-VERANO-{n:04}") for n in range(1000)]
    assert len(woo.showcase.fetch_stored(ids=wanted)) == 1000
    assert len(woo.asked()) == math.ceil(1000 / BATCH_LIMIT)
    woo.shop.requests.clear()
    assert len(woo.showcase.fetch_stored(skus=[f"CURSO-DE-VERANO-{n:04}" for n in range(1000)])) == 1000
    assert len(woo.asked()) == math.ceil(1000 / BATCH_LIMIT)


def test_what_is_missing_costs_one_question_more_for_each_id_and_one_for_all_skus(woo: SandboxStage) -> None:
    wanted = [woo.add(f"Curso {n}", f"C-{n}") for n in range(10)]
    woo.showcase.fetch_stored(ids=[*wanted, NO_SUCH])
    assert len(woo.asked()) == 2
    woo.shop.requests.clear()
    woo.showcase.fetch_stored(skus=["C-1", "NOPE", "NADA"])
    assert len(woo.asked()) == 2


def test_the_variations_of_one_product_cost_two_questions(woo: SandboxStage) -> None:
    english = woo.add("Inglés", "EN")
    choices = [woo.add_choice(english, f"A{n}", f"EN-{n}") for n in range(30)]
    woo.shop.requests.clear()
    assert ids(woo.showcase.fetch_stored(skus=[f"EN-{n}" for n in range(30)])) == set(choices)
    assert len(woo.asked()) == 2
    woo.shop.requests.clear()
    assert ids(woo.showcase.fetch_stored(ids=choices)) == set(choices)
    assert len(woo.asked()) == 3


def test_products_too_big_for_one_answer_are_asked_for_in_smaller_windows(woo: SandboxStage) -> None:
    wanted = [woo.add(f"Curso {n}") for n in range(40)]
    woo.shop.faults.add(Fault(kind="huge"))
    assert ids(woo.showcase.fetch_stored(ids=wanted)) == set(wanted)
    sizes = [dict(request.query)["per_page"] for request in woo.asked()]
    assert sizes == ["100", "25", "25"]


def test_a_slow_shop_may_still_act(woo: SandboxStage) -> None:
    python = woo.add("Python")
    woo.fail("delay_after", seconds=0.6)
    client = WooCommerce(
        url=woo.shop.url, consumer_key="ck_sandbox", consumer_secret="cs_sandbox", timeout_s=0.2
    )
    with contextlib.closing(client), pytest.raises(TransientError) as caught:
        client.showcase.push_patches([Patch(product_id=python, description="x")])
    assert caught.value.answer_lost
    assert one(woo, python).description == "x"


def test_a_refusal_of_a_word_or_a_draft_is_about_that_one_alone(woo: SandboxStage) -> None:
    body = '{"code":"rest_invalid_param","message":"x","data":{"status":400,"params":{"name":"x"}}}'
    woo.fail("status", status=400, body=body, times=2)
    with pytest.raises(PermanentError, match="refuses 'x' among its tags"):
        woo.showcase.ensure_term(TermKind.TAGS, "x")
    with pytest.raises(PermanentError, match="rest_invalid_param: name"):
        woo.showcase.push_draft(ProductDraft(sku="X", name="x"))


def test_a_hundred_patches_are_one_call(woo: SandboxStage) -> None:
    wanted = [woo.add(f"Curso {n}") for n in range(BATCH_LIMIT)]
    pushed = woo.showcase.push_patches([Patch(product_id=one, description="<p>x</p>") for one in wanted])
    assert [stored(one).description for one in pushed] == ["<p>x</p>"] * BATCH_LIMIT
    assert len(woo.asked("POST")) == 1


def test_what_a_person_must_not_lose_shows_in_the_digest(woo: SandboxStage) -> None:
    python = woo.add("Python", "PY-101")
    seen = {one(woo, python).guarded}
    for change in (
        {"status": "draft"},
        {"sku": "PY-102"},
        {"price": "5"},
        {"catalog_visibility": "hidden"},
        {"virtual": False},
        {"manage_stock": True},
        {"type": "variable"},
    ):
        woo.shop.edit_product(python, **change)
        seen.add(one(woo, python).guarded)
    assert len(seen) == 8
    woo.shop.edit_product(python, name="Otro", description="x", stock_status="outofstock")
    assert one(woo, python).guarded in seen


def test_a_batch_that_dies_half_way_says_so_and_part_of_it_is_done(woo: SandboxStage) -> None:
    first, second = woo.add("Uno"), woo.add("Dos")
    woo.shop.item_limit = 1
    with pytest.raises(BatchFailed, match="broke down"):
        woo.showcase.push_patches([Patch(product_id=one, description="x") for one in (first, second)])
    assert (one(woo, first).description, one(woo, second).description) == ("x", "")


def test_a_server_that_takes_no_such_amount_says_so(woo: SandboxStage) -> None:
    python = woo.add("Python")
    woo.fail("status", status=413)
    with pytest.raises(BatchFailed, match="413"):
        woo.showcase.push_patches([Patch(product_id=python, description="x")])
    woo.fail(
        "status",
        status=413,
        body='{"code":"woocommerce_rest_request_entity_too_large","message":"x","data":{}}',
    )
    with pytest.raises(BatchFailed, match="413"):
        woo.showcase.push_patch(Patch(product_id=python, description="x"))


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "batch"])
@pytest.mark.parametrize(
    "kind",
    ["html200", "truncated", "empty", "invalid_utf8", "wrong_type", "reset_after", "reset_in_body", "status"],
)
def test_an_answer_that_is_none_is_a_lost_one(woo: SandboxStage, kind: Kind, alone: bool) -> None:
    patch = Patch(product_id=woo.add("Python"), description="x")
    woo.fail(kind)
    with pytest.raises(TransientError) as caught:
        woo.showcase.push_patch(patch) if alone else woo.showcase.push_patches([patch])
    assert caught.value.answer_lost
    assert len(woo.asked("PUT" if alone else "POST")) == 1


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "batch"])
def test_warnings_that_php_prints_before_an_answer_are_skipped(woo: SandboxStage, alone: bool) -> None:
    patch = Patch(product_id=woo.add("Python"), description="x")
    woo.fail("php_warning")
    pushed = woo.showcase.push_patch(patch) if alone else woo.showcase.push_patches([patch])[0]
    assert stored(pushed).description == "x"


ANSWERS_OF_OTHERS = {
    "fewer": '{"update":[{"id":11,"name":"x"}]}',
    "more": '{"update":[{"id":11},{"id":12},{"id":13}]}',
    "in another order": '{"update":[{"id":12},{"id":11}]}',
    "no number": '{"update":[{"name":"x"},{"id":12}]}',
    "no list": '{"update":{"id":11}}',
    "nothing": "[]",
    "neither": '{"update":[{"id":11,"error":"x"},{"id":12}]}',
    "unreadable": '{"update":[{"id":11,"images":"x"},{"id":12}]}',
}


@pytest.mark.parametrize("answer", ANSWERS_OF_OTHERS.values(), ids=ANSWERS_OF_OTHERS.keys())
def test_an_answer_that_does_not_fit_what_was_sent_is_a_lost_one(woo: SandboxStage, answer: str) -> None:
    assert [woo.add("Uno"), woo.add("Dos")] == [11, 12]
    patches = [Patch(product_id=ProductId(number), description="x") for number in (11, 12)]
    woo.fail("status", status=200, body=answer)
    with pytest.raises(TransientError) as caught:
        woo.showcase.push_patches(patches)
    assert caught.value.answer_lost


def test_an_answer_about_another_product_is_a_lost_one(woo: SandboxStage) -> None:
    python = woo.add("Python")
    woo.fail("status", status=200, body='{"id":12,"name":"x"}')
    with pytest.raises(TransientError, match="another") as caught:
        woo.showcase.push_patch(Patch(product_id=python, name="x"))
    assert caught.value.answer_lost


@pytest.mark.parametrize(("status", "lost"), [(429, False), (503, True)])
def test_a_busy_shop_says_when_to_come_again(woo: SandboxStage, status: int, lost: bool) -> None:
    python = woo.add("Python")
    woo.fail("status", status=status, headers={"Retry-After": "42"})
    with pytest.raises(TransientError) as caught:
        woo.showcase.push_patches([Patch(product_id=python, description="x")])
    assert (caught.value.retry_after_s, caught.value.answer_lost) == (42.0, lost)


WRITES = {
    "patch": lambda showcase: showcase.push_patch(Patch(product_id=ProductId(11), name="x")),
    "batch": lambda showcase: showcase.push_patches([Patch(product_id=ProductId(11), name="x")]),
    "term": lambda showcase: showcase.ensure_term(TermKind.TAGS, "x"),
    "draft": lambda showcase: showcase.push_draft(ProductDraft(sku="X", name="x")),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_key_that_may_read_only_blocks_and_says_where_to_change_it(woo: SandboxStage, write: Any) -> None:
    woo.add("Python")
    woo.shop.gate.permissions = "read"
    with pytest.raises(ServiceBlocked) as caught:
        write(woo.showcase)
    assert caught.value.finding == MAY_NOT_WRITE


CANNOT = '{"code":"woocommerce_rest_cannot_%s","message":"Lo siento.","data":{"status":%d}}'


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, CANNOT % ("edit", 403), "key_user_may_not"),
        (401, CANNOT % ("batch", 401), "key_user_may_not"),
        (401, CANNOT % ("view", 401), "wrong_key"),
        (403, "<html>Forbidden</html>", "firewall"),
        (401, "<html>Log in</html>", "password_prompt"),
        (404, '{"code":"rest_no_route","message":"x","data":{"status":404}}', "no_woocommerce"),
    ],
    ids=["edit", "batch", "key", "firewall", "prompt", "route"],
)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_what_would_refuse_every_write_blocks(
    woo: SandboxStage, status: int, body: str, code: str, write: Any
) -> None:
    woo.fail("status", status=status, body=body)
    with pytest.raises(ServiceBlocked) as caught:
        write(woo.showcase)
    assert caught.value.finding is not None
    assert caught.value.finding.code == code


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_half_a_refusal_of_a_write_is_no_firewall(woo: SandboxStage, write: Any) -> None:
    """WooCommerce spoke, and what it said was damaged on its way: asked again, it says it whole."""
    woo.fail("status", status=400, body='{"code":"term_exists","mess')
    with pytest.raises(TransientError, match="half of it"):
        write(woo.showcase)


def test_a_category_is_found_wherever_it_stands_in_the_tree(woo: SandboxStage) -> None:
    below = woo.shop.terms["categories"].insert("R & D")
    assert woo.showcase.ensure_term(TermKind.CATEGORIES, "r & d") == Term(name="R & D", term_id=below)
    assert woo.asked("POST") == []


def test_losing_the_race_for_a_tag_reads_as_found(woo: SandboxStage) -> None:
    theirs = woo.shop.terms["tags"].insert("python ñ")
    assert woo.showcase.ensure_term(TermKind.TAGS, "Python ñ").term_id == theirs


def test_an_image_is_fetched_by_the_shop_from_its_address(woo: SandboxStage) -> None:
    python = woo.add("Python")
    picture = Image(image_id=0, src="http://127.0.0.1:9/none.png", name="wcsync-0123", alt="Python")
    pushed = woo.showcase.push_patch(Patch(product_id=python, name="Otro", images=(picture,)))
    assert (pushed.stored, pushed.code) == (None, "woocommerce_product_image_upload_error")
    assert "fetch the image" in pushed.problem
    assert one(woo, python).name == "Python"


def test_a_shop_wide_attribute_is_sent_back_by_its_number(woo: SandboxStage) -> None:
    level = woo.shop.add_attribute("Nivel")
    row = {"id": level, "options": ["A1", "B2"], "visible": True, "variation": True, "position": 3}
    english = ProductId(woo.shop.add_product("Inglés", attributes=[row]))
    [theirs] = one(woo, english).attributes
    assert (theirs.attribute_id, theirs.name, theirs.variation) == (level, "Nivel", True)
    pushed = woo.showcase.push_patch(Patch(product_id=english, attributes=(theirs, OURS)))
    assert stored(pushed).attributes == (theirs, OURS)


def test_nothing_is_sent_when_nothing_can_be(woo: SandboxStage) -> None:
    assert woo.showcase.push_patches([]) == []
    woo.showcase.push_patches([Patch(product_id=ProductId(11), meta={"_sku": "x"})])
    assert woo.asked("POST") == []


@pytest.mark.parametrize(
    "patches",
    [
        [Patch(product_id=ProductId(11))],
        [Patch(product_id=ProductId(11), name="x"), Patch(product_id=ProductId(11), name="y")],
        [
            Patch(product_id=ProductId(11), name="x"),
            Patch(product_id=ProductId(12), parent_id=ProductId(11), description="y"),
        ],
        [Patch(product_id=ProductId(n), name="x") for n in range(1, 102)],
        [Patch(product_id=ProductId(11), images=(Image(image_id=0, src="https://lms.example.com/a.png"),))],
        [Patch(product_id=ProductId(11), tags=(Term(name="x"),))],
        [Patch(product_id=ProductId(12), parent_id=ProductId(11), name="x")],
    ],
    ids=[
        "nothing",
        "twice",
        "mixed",
        "too many",
        "image to fetch",
        "term without number",
        "name of a variation",
    ],
)
def test_a_mistake_of_ours_is_never_sent(stage: Stage, patches: list[Patch]) -> None:
    with pytest.raises(AssertionError):
        stage.showcase.push_patches(patches)
