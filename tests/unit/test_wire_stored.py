"""Products as WooCommerce stores them, read from what a real shop answered, and what is written to it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wcsync.course import Attribute, Image, Patch, ProductDraft, StoredProduct, Term
from wcsync.errors import MalformedReply, ServiceBlocked
from wcsync.mappers.courses.metakeys import is_protected
from wcsync.model import ProductId, UnreadableProduct
from wcsync.store.refusal import MAY_NOT_WRITE, USER_MAY_NOT_WRITE, explain_write, why_not_written
from wcsync.store.wire import patches, pushed, stored, terms
from wcsync.store.wire.answers import Refusal

RECORDINGS = Path(__file__).parents[1] / "recordings" / "woocommerce"
PYTHON, ENGLISH = ProductId(13), ProductId(21)


def recorded(name: str) -> list[dict[str, Any]]:
    exchanges: list[dict[str, Any]] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return exchanges


def answer(name: str, note: str) -> dict[str, Any]:
    [body] = [one["response"]["body"] for one in recorded(name) if one.get("note") == note]
    assert isinstance(body, dict)
    return body


def as_bytes(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def read(body: object, **changes: Any) -> StoredProduct:
    whole = {"id": 13} | (body if isinstance(body, dict) else {}) | changes
    found = stored.parse_one(as_bytes(whole))
    assert isinstance(found, StoredProduct), found
    return found


EVERY_PRODUCT = [
    pytest.param(body, id=f"{name}-{place}")
    for name in (
        "products_batch",
        "products_batch_fatal",
        "products_write",
        "products_write2",
        "products_images",
    )
    for place, exchange in enumerate(recorded(name))
    for body in [exchange["response"]["body"]]
    if isinstance(body, dict) and "code" not in body and not {"update", "create"} & body.keys()
]


@pytest.mark.parametrize("body", EVERY_PRODUCT)
def test_every_recorded_product_can_be_read(body: dict[str, Any]) -> None:
    found = read(body)
    for field in ("name", "description", "short_description"):
        assert getattr(found, field) == body.get(field, "")
    assert [image.image_id for image in found.images] == [one["id"] for one in body.get("images", [])]


def test_the_batch_that_failed_in_parts_is_read_item_by_item() -> None:
    body = recorded("products_batch")[0]["response"]["body"]
    body["update"] = [one for one in body["update"] if one["id"] is not None]
    written, unknown, drafted = pushed.parse_batch(as_bytes(body), [PYTHON, ProductId(999_999), PYTHON])
    assert isinstance(written, StoredProduct)
    assert isinstance(drafted, StoredProduct)
    assert (written.name, written.short_description, written.sku) == (
        'Curso <b>x</b>1 &amp; "ñ"',
        "ok",
        "HACK",
    )
    assert unknown == Refusal(code="woocommerce_rest_product_invalid_id", status=400, message="Invalid ID.")
    assert (written.status, drafted.status) == ("publish", "draft")
    assert written.guarded != drafted.guarded


def test_a_variation_written_as_a_product_is_told_apart_from_one_that_is_gone() -> None:
    [body] = [one["response"]["body"] for one in recorded("products_batch2")]
    body["update"] = [one for one in body["update"] if one["id"] is not None]
    results = pushed.parse_batch(as_bytes(body), [PYTHON, ProductId(999_999), ProductId(22)])
    whys = [why_not_written(result) for result in results if isinstance(result, Refusal)]
    assert whys == ["there is no such product any more", "it is a variation now; it was written as a product"]


@pytest.mark.parametrize(
    "name", ["products_batch", "products_batch_fatal"], ids=["more than a hundred", "died half-way"]
)
def test_an_error_in_place_of_a_batch_is_no_answer_to_its_items(name: str) -> None:
    [body] = [one["response"]["body"] for one in recorded(name) if one["response"]["status"] in {413, 500}]
    with pytest.raises(MalformedReply):
        pushed.parse_batch(as_bytes(body), [PYTHON])


def test_what_was_put_is_read_as_the_same_from_the_answer_and_from_the_next_reading() -> None:
    told, then = answer("products_write2", "repair"), answer("products_write2", "draft, context=edit")
    assert read(told).name == read(then).name == 'Curso &amp; "ñ" &lt;3 &#039;  x'
    assert read(then).description == "<p>á &amp; b</p>\n<p>2</p>"


def test_meta_values_are_texts_and_others_are_left_out() -> None:
    found = read(answer("products_write", "GET after")).meta
    assert found == {
        "_lms_course_id": "lms-003",
        "_wcsync_hash": "b",
        "dup": "3",
        "_int": "5",
        "_bool": "1",
        "_float": "1.5",
        "_empty": "",
        "_html": "<script>alert(1)</script><b>x</b>",
        "_slash": 'C:\\x \\" y',
        "_json": '{"a":"b\\n"}',
    }


def test_a_meta_value_that_is_no_text_yet_is_read_as_it_will_be() -> None:
    rows = [
        {"key": "true", "value": True},
        {"key": "false", "value": False},
        {"key": "five", "value": 5},
        {"key": "null", "value": None},
        {"key": "twice", "value": "first"},
        {"key": "twice", "value": "second"},
        {"key": None, "value": "x"},
    ]
    assert read({}, meta_data=rows).meta == {"true": "1", "false": "", "five": "5", "twice": "first"}


def test_attributes_are_read_as_they_stand() -> None:
    found = read(answer("products_write", "attributes (local)")).attributes
    assert found == (
        Attribute(name="Nivel", options=("A1", "B2"), visible=True),
        Attribute(name="Idioma", options=("Español", "漢字"), visible=False),
    )
    odd = read(
        {}, attributes={"2": {"id": 4, "name": "R &amp; D", "options": {"1": "a &amp; b", "3": 5}}}
    ).attributes
    assert odd == (Attribute(name="R &amp; D", options=("a &amp; b", "5"), attribute_id=4, visible=False),)


def test_terms_are_plain() -> None:
    found = read({}, tags=[{"id": 3, "name": "R &amp; D", "slug": "r-d"}], categories=None)
    assert (found.tags, found.categories) == ((Term(term_id=3, name="R & D"),), ())


def test_a_variation_of_a_list_is_told_with_its_parent_whatever_the_list_says() -> None:
    row = {"id": 22, "description": "<p>x</p>\n", "image": {"id": 5, "src": "https://x/5.png"}, "name": "A1"}
    alone, other, plain = stored.parse_family(
        as_bytes([row, row | {"parent_id": 21, "type": "variation"}, row | {"image": None}]), ENGLISH
    )
    assert isinstance(alone, StoredProduct)
    assert isinstance(plain, StoredProduct)
    assert alone == other
    assert (alone.parent_id, alone.kind, alone.name) == (ENGLISH, "variation", "")
    assert (alone.images, plain.images) == ((Image(image_id=5, src="https://x/5.png"),), ())


def test_a_product_of_an_old_group_is_no_variation() -> None:
    assert read({"parent_id": 21, "type": "simple", "name": "x"}).parent_id == 0
    assert read({"parent_id": 21, "type": "variation", "name": "x"}).parent_id == 21
    assert read({"parent_id": 21, "type": "subscription_variation", "name": "x"}).kind == "variation"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": 13, "images": "x"}, "images"),
        ({"id": 13, "tags": [{"name": "x"}]}, "tags"),
        ({"id": 13, "attributes": [{"options": [{}]}]}, "attributes"),
        ({"id": -1}, "id"),
        ({"name": "x"}, "id"),
        ("x", "id"),
    ],
    ids=["images", "tag without id", "options", "negative id", "no id", "text"],
)
def test_a_product_that_cannot_be_read_is_named(row: object, reason: str) -> None:
    [found] = stored.parse_many(as_bytes([row]))
    assert isinstance(found, UnreadableProduct)
    assert found.reason.startswith(reason)


@pytest.mark.parametrize("content", [b'{"id":13}', b"<html>", b""], ids=["object", "page", "nothing"])
def test_a_list_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedReply):
        stored.parse_many(content)


FULL = Patch(
    product_id=PYTHON,
    name="R &amp; D",
    description="<p>x</p>",
    short_description="x",
    attributes=(
        Attribute(name="Nivel", options=("A1",), attribute_id=4, position=2, variation=True),
        Attribute(name="Habilidades", options=("a", "b")),
    ),
    tags=(Term(name="python", term_id=16),),
    categories=(Term(name="Cursos", term_id=17),),
    images=(
        Image(image_id=0, src="https://lms.example.com/a.png", name="wcsync-0", alt="Python"),
        Image(image_id=5, src="https://shop.example.com/5.png", name="Portada", alt="x"),
    ),
    meta={"_wcsync_author": "Ana", "_wcsync_old": None},
)


def test_a_patch_is_written_field_by_field_and_by_numbers_where_there_are_any() -> None:
    assert patches.why_unsendable(FULL) == ""
    assert patches.render_patch(FULL) == {
        "name": "R &amp; D",
        "description": "<p>x</p>",
        "short_description": "x",
        "attributes": [
            {"id": 4, "position": 2, "visible": True, "variation": True, "options": ["A1"]},
            {
                "name": "Habilidades",
                "position": 0,
                "visible": True,
                "variation": False,
                "options": ["a", "b"],
            },
        ],
        "tags": [{"id": 16}],
        "categories": [{"id": 17}],
        "images": [{"src": "https://lms.example.com/a.png", "name": "wcsync-0", "alt": "Python"}, {"id": 5}],
        "meta_data": [{"key": "_wcsync_author", "value": "Ana"}, {"key": "_wcsync_old", "value": None}],
    }


def test_a_batch_names_each_product_and_only_what_changes() -> None:
    two = [replace(Patch(product_id=PYTHON), name="x"), Patch(product_id=ProductId(14), tags=())]
    assert patches.render_batch(two) == {"update": [{"id": 13, "name": "x"}, {"id": 14, "tags": []}]}


def test_a_variation_has_one_image() -> None:
    patch = Patch(product_id=ProductId(22), parent_id=ENGLISH, images=(Image(image_id=5),))
    assert patches.render_patch(patch) == {"image": {"id": 5}}
    with pytest.raises(AssertionError):
        patches.why_unsendable(replace(patch, images=(Image(image_id=5), Image(image_id=6))))


def test_a_draft_can_neither_be_seen_nor_bought() -> None:
    body = patches.render_draft(ProductDraft(sku="PY-101", name="Python"))
    assert {key: body[key] for key in ("type", "status", "catalog_visibility", "virtual")} == {
        "type": "simple",
        "status": "draft",
        "catalog_visibility": "hidden",
        "virtual": True,
    }
    assert not [key for key in body if "price" in key or "stock" in key]


@pytest.mark.parametrize(
    "draft",
    [
        ProductDraft(sku="A\0", name="x"),
        ProductDraft(sku="A", name="x", short_description="x" * 70_000),
        ProductDraft(sku="A", name="x", meta={"_price": "0"}),
        ProductDraft(sku="A", name="x", attributes=(Attribute(name=" ", options=()),)),
    ],
    ids=["SKU", "text", "meta", "attribute"],
)
def test_a_draft_is_looked_at_as_a_patch_is(draft: ProductDraft) -> None:
    assert patches.why_draft_unsendable(draft)


def test_an_image_is_fetched_from_the_web_alone() -> None:
    image = Image(image_id=0, src="file:///etc/passwd")
    with pytest.raises(AssertionError):
        patches.why_unsendable(Patch(product_id=PYTHON, images=(image,)))


@pytest.mark.parametrize(
    "patch",
    [
        Patch(product_id=PYTHON, images=(Image(image_id=0, src="https://x/\ud83d", name="x"),)),
        Patch(product_id=PYTHON, meta={"_wcsync_x": "\0"}),
        Patch(product_id=PYTHON, meta={" _wcsync_x": "y"}),
    ],
    ids=["image", "meta value", "meta key"],
)
def test_damaged_letters_are_never_sent(patch: Patch) -> None:
    assert patches.why_unsendable(patch)


SHOPS_OWN = [
    "_sku", "_SKU", "_price", "_regular_price", "_sale_price_dates_from", "_thumbnail_id", "_stock",
    "_stock_status", "_manage_stock", "_product_attributes", "_product_image_gallery", "_visibility",
    "_virtual", "_downloadable", "_tax_class", "_edit_lock", "_wp_old_slug", "attribute_nivel",
    "total_sales", "_subscription_price",
]  # fmt: skip


@pytest.mark.parametrize("key", SHOPS_OWN)
def test_keys_that_change_a_product_are_the_shops(key: str) -> None:
    assert is_protected(key)


@pytest.mark.parametrize(
    "key", ["_wcsync_price", "_yoast_wpseo_metadesc", "color", "_lms_course_id", "author"]
)
def test_all_other_keys_are_free(key: str) -> None:
    assert not is_protected(key)


def test_a_term_that_is_there_is_known_by_the_refusal() -> None:
    body = answer("products_write", "create tag again")
    assert terms.parse_existing(as_bytes(body)) == 17
    assert terms.parse_existing(as_bytes(body | {"code": "other"})) is None
    assert terms.parse_existing(as_bytes(body | {"data": 400})) is None
    assert terms.parse_new_term(as_bytes(answer("products_write", "create tag"))) == 17


@pytest.mark.parametrize("said", [{}, [], {"id": True}, {"id": "x"}], ids=str)
def test_a_new_term_without_a_number_is_none(said: object) -> None:
    with pytest.raises(MalformedReply):
        terms.parse_new_term(as_bytes(said))


def test_odd_members_of_a_list_of_terms_are_left_out() -> None:
    said = [{"id": 3, "name": "R &amp; D"}, {"id": 4}, "x"]
    assert terms.parse_terms(as_bytes(said)) == [Term(term_id=3, name="R & D")]
    assert terms.render_search("R & D")["search"] == "R &amp; D"
    with pytest.raises(MalformedReply):
        terms.parse_terms(b"{}")


def test_a_taken_sku_is_told_with_its_owner_where_the_shop_knows_it() -> None:
    [error] = [
        one["response"]["body"]["create"][0]["error"]
        for one in recorded("products_batch")
        if one.get("note") == "batch create duplicate sku"
    ]
    assert pushed.says_sku_taken(as_bytes(error))
    assert pushed.parse_sku_owner(as_bytes(error)) is None
    named = {"code": "product_invalid_sku", "message": "x", "data": {"status": 400, "resource_id": 13}}
    assert pushed.says_sku_taken(as_bytes(named))
    assert pushed.parse_sku_owner(as_bytes(named)) == 13


def test_a_refusal_in_any_language_is_told_in_ours() -> None:
    told = Refusal(code="rest_invalid_param", status=400, params=("name",), message="Parámetro no válido")
    assert why_not_written(told) == "the shop does not take it (rest_invalid_param: name)"
    assert why_not_written(Refusal(code="x")) == "the shop does not take it (x)"


@pytest.mark.parametrize(
    ("status", "refusal", "finding"),
    [
        (
            401,
            Refusal(code="woocommerce_rest_authentication_error", message="La clave no puede."),
            MAY_NOT_WRITE,
        ),
        (401, Refusal(code="woocommerce_rest_cannot_batch", message="Lo siento."), USER_MAY_NOT_WRITE),
        (403, Refusal(code="woocommerce_rest_cannot_create", message="Lo siento."), USER_MAY_NOT_WRITE),
    ],
    ids=["key", "batch", "create"],
)
def test_why_nothing_may_be_written_is_told_in_any_language(
    status: int, refusal: Refusal, finding: object
) -> None:
    error = explain_write("shop", status, refusal, "basic")
    assert isinstance(error, ServiceBlocked)
    assert error.finding == finding
