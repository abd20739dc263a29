"""What the shop says about the mapping's rows."""

import pytest

from tests.fakes import FakeStore
from wcsync.errors import TransientError
from wcsync.mappers.mapping import TargetKey, read_mapping
from wcsync.mappers.selectors import as_line
from wcsync.model import LmsName, Product, ProductId, UnreadableProduct
from wcsync.products import RowFinding, examine_products

KEYS: dict[LmsName, tuple[TargetKey, ...]] = {LmsName("campus"): ()}
GOES = 'lms = "campus"\ncourse = "42"\n'


def product(product_id: int, sku: str = "", **more: object) -> Product:
    return Product(
        product_id=ProductId(product_id),
        **({"sku": sku, "name": f"Curso {product_id}"} | more),  # type: ignore[arg-type]  # any fields
    )


ENGLISH = product(20, "EN", kind="variable", variation_ids=(ProductId(21), ProductId(22)))
A1 = product(21, "EN-A1", parent_id=ProductId(20), kind="variation")
B2 = product(22, "EN-B2", parent_id=ProductId(20), kind="variation")
INHERITED = [
    product(21, "EN", parent_id=ProductId(20), kind="variation"),
    product(22, "EN", parent_id=ProductId(20), kind="variation"),
]


def look(*rows: str, products: list[Product], store: FakeStore | None = None) -> list[RowFinding]:
    """`rows` without their lms and course, which each of them gets but one that says ignore."""
    text = "".join(f"[[map]]\n{row}\n{'' if 'ignore' in row else GOES}" for row in rows)
    if all("ignore" in row for row in rows):
        text = f'sku_is_course = "campus"\n{text}'  # a file that maps nothing is none
    store = store or FakeStore()
    store.products += products
    return examine_products(store, read_mapping("mapping.toml", text.encode(), KEYS))


def codes(*rows: str, products: list[Product]) -> list[tuple[str, bool]]:
    return [(found.code, found.wrong) for found in look(*rows, products=products)]


def test_rows_about_products_that_are_sold_need_no_word() -> None:
    rows = ["product_id = 17", 'sku = "py-101"', "variation_id = 21", 'sku = "EN-B2"', 'sku = "PY-*"']
    assert look(*rows, products=[product(17), product(18, "PY-101"), ENGLISH, A1, B2]) == []


def test_what_is_found_names_line_and_remedy() -> None:
    first, second = look("product_id = 17", 'sku = "PY-1"', products=[])
    assert (first.where, second.where) == ("mapping.toml:1", "mapping.toml:5")
    assert "no product 17" in first.message
    assert '"PY-1"' in second.message
    assert first.remedy


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("product_id = 99", "unknown_product"),
        ("variation_id = 99", "unknown_variation"),
        ('sku = "NOPE"', "unknown_sku"),
        ("product_id = 21", "is_a_variation"),
        ("variation_id = 20", "is_no_variation"),
        ("product_id = 30", "never_ordered"),
        ('sku = "PACK"', "never_ordered"),
        ("product_id = 31", "never_ordered"),
        ('sku = "EN"', "sku_of_parent"),
    ],
)
def test_a_row_that_no_sale_can_ever_match_is_wrong(row: str, code: str) -> None:
    shop = [ENGLISH, A1, B2, product(30, "PACK", kind="grouped"), product(31, kind="external")]
    assert codes(row, products=shop) == [(code, True)]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("product_id = 40", "in_trash"),
        ('sku = "OUT"', "in_trash"),
        ("product_id = 41", "not_published"),
        ("product_id = 17\nvariation_id = 21", "other_parent"),
        ('sku = "TWICE"', "shared_sku"),
        ('sku = "ZZ-*"', "wildcard_unmatched"),
        ("product_id = 99\nignore = true", "unknown_product"),
        ('sku = "NOPE"\nignore = true', "unknown_sku"),
    ],
)
def test_what_is_odd_but_may_be_meant_is_a_note(row: str, code: str) -> None:
    shop = [
        product(40, "OUT", status="trash"),
        product(41, status="draft"),
        product(17),
        ENGLISH,
        A1,
        B2,
        product(50, "TWICE"),
        product(51, "twice"),
    ]
    assert codes(row, products=shop) == [(code, False)]


@pytest.mark.parametrize("row", ["product_id = 30\nignore = true", "product_id = 41\nignore = true"])
def test_a_product_that_is_ignored_may_be_anything(row: str) -> None:
    assert codes(row, products=[product(30, kind="grouped"), product(41, status="draft")]) == []


def test_the_sku_of_a_parent_is_right_where_its_variations_have_none_of_their_own() -> None:
    assert codes('sku = "EN"', products=[ENGLISH, *INHERITED]) == []


def test_the_sku_of_a_parent_is_right_where_some_variation_has_none_of_its_own() -> None:
    assert codes('sku = "EN"', products=[ENGLISH, A1, INHERITED[1]]) == []


def test_a_row_by_sku_beside_one_by_number_never_decides() -> None:
    found = look('sku = "PY-101"', "product_id = 17", products=[product(17, "PY-101")])
    assert [(one.where, one.code, one.wrong) for one in found] == [("mapping.toml:1", "never_decides", False)]
    assert "mapping.toml:5" in found[0].message


def test_a_row_by_sku_that_decides_for_one_of_two_products_is_left_alone() -> None:
    found = codes(
        'sku = "PY-101"', "product_id = 17", products=[product(17, "PY-101"), product(18, "PY-101")]
    )
    assert found == [("shared_sku", False)]


def test_a_product_whose_variations_all_have_rows_never_decides() -> None:
    rows = ["product_id = 20", "variation_id = 21", "variation_id = 22"]
    assert codes(*rows, products=[ENGLISH, A1, B2]) == [("never_decides", False)]
    assert codes(*rows[:2], products=[ENGLISH, A1, B2]) == []


def test_a_product_that_cannot_be_read_is_not_said_to_be_gone() -> None:
    store = FakeStore(unreadable_products=[UnreadableProduct(product_id=ProductId(17), reason="price: odd")])
    [found] = look("product_id = 17", products=[], store=store)
    assert (found.code, found.wrong) == ("unreadable", False)
    assert "price: odd" in found.message


def test_the_catalogue_is_not_walked_for_a_mapping_without_wildcards() -> None:
    class Unwalkable(FakeStore):
        def fetch_catalogue(self):  # type: ignore[no-untyped-def]  # never called
            raise AssertionError("walked")

    assert look("product_id = 17", products=[product(17)], store=Unwalkable()) == []


def test_a_shop_that_does_not_answer_is_an_error_and_no_finding() -> None:
    def down() -> None:
        raise TransientError("shop: does not answer")

    with pytest.raises(TransientError):
        look("product_id = 17", products=[], store=FakeStore(before_products=down))


def test_hostile_names_show_no_control_characters() -> None:
    [found] = look("variation_id = 17", products=[product(17, name="\x1b[2J\u202eCurso")])
    assert "\x1b" not in found.message
    assert "\u202e" not in found.message


def test_the_line_of_a_variation_is_what_an_order_would_hold() -> None:
    line = as_line(A1)
    assert (line.product_id, line.variation_id, line.sku) == (20, 21, "EN-A1")
    line = as_line(ENGLISH)
    assert (line.product_id, line.variation_id, line.sku) == (20, 0, "EN")
