"""The mapping as a spreadsheet file: it means what it meant, and holds no formula."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wcsync.errors import ConfigError
from wcsync.lms.registry import KINDS
from wcsync.mappers.mapping import Mapping, TargetKey, read_mapping
from wcsync.mappers.mapping_export import guarded, render_csv
from wcsync.mappers.selectors import as_line
from wcsync.model import LmsName, Product, ProductId

KEYS: dict[LmsName, tuple[TargetKey, ...]] = {
    LmsName("campus"): KINDS["moodle"].target_keys,
    LmsName("academy"): KINDS["360learning"].target_keys,
}
GROUP, PATH = "5f8d0a3c2b1e4d0012ab34cd", "60a1b2c3d4e5f60012ab34ce"

SHOP = [
    Product(product_id=ProductId(1), name="Excel avanzado", sku="XL-1"),
    Product(product_id=ProductId(2), name='=HYPERLINK("http://evil.test";"Excel")', sku="=1+1"),
    Product(product_id=ProductId(3), name="Taza", sku="MUG-1"),
    Product(product_id=ProductId(4), name="Dos cursos", sku="+34"),
    Product(
        product_id=ProductId(10),
        name="Inglés",
        sku="EN",
        kind="variable",
        variation_ids=(ProductId(11), ProductId(12)),
    ),
    Product(product_id=ProductId(11), parent_id=ProductId(10), name="Inglés - A1", sku="EN-A1"),
    Product(product_id=ProductId(12), parent_id=ProductId(10), name="Inglés - B2", sku="EN-B2"),
    Product(product_id=ProductId(20), name="Sin fila", sku=""),
]
MAPPING = f"""
    [[map]]
    sku = "xl-*"
    lms = "campus"
    courses = ["42", "43"]
    group = ["7", "8"]

    [[map]]
    sku = "MUG-*"
    ignore = true

    [[map]]
    product_id = 4
    lms = "campus"
    course = "44"
    until = 2027-06-30
    on_withdraw = "ask"

    [[map]]
    product_id = 4
    lms = "academy"
    group = "{GROUP}"
    path = "{PATH}"
    with_subscription = true
    seats = "hold"

    [[map]]
    sku = "EN*"
    lms = "campus"
    course = "50"

    [[map]]
    variation_id = 12
    lms = "campus"
    course = "51"
    days = 90
"""


def table(text: str = MAPPING) -> Mapping:
    return read_mapping("mapping.toml", text.encode(), KEYS)


def meaning(mapping: Mapping, product: Product) -> object:
    match = mapping.match(as_line(product))
    return None if match is None else (match.ignore, set(match.deals()), match.seats)


def rows(content: bytes, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), delimiter=delimiter))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("bom", [False, True], ids=["plain", "bom"])
def test_read_as_mapping_csv_it_means_the_same_for_every_product(delimiter: str, bom: bool) -> None:
    before = table()
    content = render_csv(SHOP, before, KEYS, delimiter=delimiter, bom=bom)
    after = read_mapping("mapping.csv", content, KEYS)
    for product in SHOP:
        if not product.variation_ids:
            assert meaning(after, product) == meaning(before, product), product
    assert content.startswith(b"\xef\xbb\xbf") is bom


def test_a_parent_is_not_given_a_row_that_would_decide_for_its_variations() -> None:
    before = table(
        '[[map]]\nsku = "EN"\nlms = "campus"\ncourse = "50"\n[[map]]\nproduct_id = 1\nlms = "campus"\ncourse = "9"'
    )
    after = read_mapping("mapping.csv", render_csv(SHOP, before, KEYS), KEYS)
    assert [meaning(after, product) for product in SHOP[5:7]] == [None, None]


def test_variations_stand_below_their_parent_and_each_row_says_what_decides() -> None:
    told = rows(render_csv(SHOP, table(), KEYS))
    assert [(row["product_id"], row["variation_id"]) for row in told][5:8] == [
        ("10", ""),
        ("10", "11"),
        ("10", "12"),
    ]
    assert told[0]["note"] == "XL-1 · Excel avanzado · [mapping.toml:2]"
    assert told[-1]["note"] == "Sin fila · [no row]"


ODD = st.one_of(st.text(max_size=30), st.text("\x00\r\n\"',;\t|=+-@\u202e\ufeff\x1b\u2028 a", max_size=20))


@given(st.lists(st.tuples(ODD, ODD), min_size=1, max_size=4), st.sampled_from(",;\t"), st.booleans())
def test_whatever_products_are_called_the_file_can_be_read_again(
    told: list[tuple[str, str]], delimiter: str, bom: bool
) -> None:
    before = table(
        '[[map]]\nsku = "*"\nlms = "campus"\ncourse = "42"\n[[map]]\nproduct_id = 1\nignore = true\n'
        '[[map]]\nproduct_id = 20\nlms = "campus"\ncourse = "43"'
    )
    shop = [Product(product_id=ProductId(n), name=name, sku=sku) for n, (name, sku) in enumerate(told, 1)]
    shop.append(SHOP[-1])
    after = read_mapping("mapping.csv", render_csv(shop, before, KEYS, delimiter=delimiter, bom=bom), KEYS)
    for product in shop:
        assert meaning(after, product) == meaning(before, product)


def test_products_without_a_row_say_later_and_stay_without_one() -> None:
    told = rows(render_csv(SHOP, table(), KEYS))
    assert (told[-1]["ignore"], told[-1]["lms"]) == ("later", "")


def test_filling_in_a_row_that_says_later_maps_its_product() -> None:
    content = render_csv([SHOP[0], SHOP[-1]], table(), KEYS).decode()
    filled = content.replace("20,,,,,,later", "20,,,campus,77,,later")
    assert filled != content
    after = read_mapping("mapping.csv", filled.encode(), KEYS)
    match = after.match(as_line(SHOP[-1]))
    assert match is not None
    assert [target.course_id for target in match.targets] == ["77"]


def test_a_file_that_says_later_everywhere_maps_nothing() -> None:
    with pytest.raises(ConfigError, match="maps nothing"):
        read_mapping("mapping.csv", render_csv(SHOP, Mapping(), KEYS), KEYS)


@pytest.mark.parametrize("said", ['lms = "campus"', 'course = "42"'])
def test_later_does_not_hide_half_a_row(said: str) -> None:
    with pytest.raises(ConfigError, match="does not say which"):
        table(f'[[map]]\nproduct_id = 1\nignore = "later"\n{said}')


def test_no_cell_is_a_formula() -> None:
    for row in rows(render_csv(SHOP, table(), KEYS)):
        assert not [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@given(st.one_of(st.from_regex(r"\A'*[=+\-@][^\x00\r\n]{0,9}\Z"), st.text("'=+-@x", min_size=1)))
def test_a_guarded_sku_is_read_back_as_it_was(sku: str) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["sku", "lms", "course"], [guarded(sku), "campus", "42"]])
    try:
        [row] = read_mapping("mapping.csv", text.getvalue().encode(), KEYS).rows
    except ConfigError:
        return  # blanks, or what no SKU can hold
    assert row.sku == sku.strip(" \u00a0")


def test_a_date_is_written_so_that_no_spreadsheet_takes_it_for_one() -> None:
    told = [row for row in rows(render_csv(SHOP, table(), KEYS)) if row["product_id"] == "4"]
    assert [(row["until"], row["with_subscription"], row["seats"]) for row in told] == [
        ("'2027-06-30", "", "hold"),
        ("", "true", "hold"),
    ]


def test_a_name_of_endless_length_does_not_spoil_the_file() -> None:
    shop = [Product(product_id=ProductId(1), name="x" * 1_000_000, sku="XL-1")]
    content = render_csv(shop, table(), KEYS)
    assert len(content) < 1000
    assert meaning(read_mapping("mapping.csv", content, KEYS), shop[0]) == meaning(table(), shop[0])
