"""Whatever products and courses are called: what is proposed is alike, is TOML, and blurs no level."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from wcsync.mappers.likeness import Likeness, compare, fold, profile
from wcsync.mappers.mapping import Mapping
from wcsync.mappers.suggested_rows import render_rows
from wcsync.mappers.suggestions import suggest
from wcsync.model import LmsName, Offer, Product, ProductId

CAMPUS = LmsName("campus")
SUBJECTS = st.sampled_from(
    ["Inglés", "Excel", "Prevención de riesgos laborales", "Contabilidad", "Anglais des affaires", "C++"]
)
MARKS = st.sampled_from(
    ["A1", "B1", "B2", "20h", "60 horas", "II", "avanzado", "básico", "2024", "presencial", "365"]
)
FILLERS = st.sampled_from(
    ["Curso de {}", "{} (online)", "Formation {}", "{} – e-learning", "CURSO: {}", "The {} course"]
)
NAMES = st.one_of(st.text(max_size=60), st.builds("{} {}".format, SUBJECTS, MARKS))


def likeness(one: str, other: str) -> Likeness | None:
    found = compare(profile(one), profile(other))
    return found.likeness if found else None


@given(NAMES, NAMES)
def test_it_does_not_matter_which_name_comes_first(one: str, other: str) -> None:
    assert likeness(one, other) == likeness(other, one)


@given(NAMES)
def test_a_name_is_like_itself_if_it_says_anything(name: str) -> None:
    said = profile(name)
    expected = Likeness.CERTAIN if said.words else Likeness.LIKELY if said.marks else None
    assert likeness(name, name) == expected


@given(SUBJECTS, MARKS, FILLERS)
def test_case_accents_and_what_every_course_is_called_make_no_difference(
    subject: str, mark: str, filler: str
) -> None:
    name = f"{subject} {mark}"
    for other in (filler.format(name), name.upper(), fold(name)):
        assert likeness(name, other) is Likeness.CERTAIN, other


@given(SUBJECTS, MARKS, MARKS)
def test_courses_that_a_mark_tells_apart_are_never_certain(subject: str, one: str, other: str) -> None:
    if one != other:
        assert likeness(f"{subject} {one}", f"{subject} {other}") is not Likeness.CERTAIN


@given(NAMES, NAMES)
def test_certain_means_the_same_words_and_the_same_marks(one: str, other: str) -> None:
    if likeness(one, other) is Likeness.CERTAIN:
        assert profile(one) == profile(other)


SKUS = st.one_of(st.just(""), st.sampled_from(["1", "2", "EN-B1", "EN*", "=1+1"]), st.text(max_size=12))
PRODUCTS = st.lists(st.tuples(NAMES, SKUS), max_size=6).map(
    lambda told: [
        Product(product_id=ProductId(n), name=name, sku=sku.strip(), virtual=True)
        for n, (name, sku) in enumerate(told, start=1)
    ]
)
OFFERS = st.lists(st.tuples(NAMES, SKUS), max_size=6).map(
    lambda told: [
        Offer(lms=CAMPUS, key="course", value=str(n), title=title, codes=(code,))
        for n, (title, code) in enumerate(told, start=1)
    ]
)


@given(PRODUCTS, OFFERS)
def test_every_product_is_proposed_once_with_at_most_three_courses_in_rows_that_are_toml(
    products: list[Product], offers: list[Offer]
) -> None:
    found = suggest(products, offers, Mapping(), {CAMPUS: "course"}, {})
    assert sorted(row.product.product_id for row in found.rows) == [one.product_id for one in products]
    assert all(len(row.candidates) <= 3 for row in found.rows)
    rows = tomllib.loads(render_rows(found.rows)).get("map", [])
    assert [row["course"] for row in rows] == [
        row.candidates[0].offer.value for row in found.rows if row.certain
    ]


@given(PRODUCTS, OFFERS)
def test_the_order_of_products_and_courses_decides_nothing(
    products: list[Product], offers: list[Offer]
) -> None:
    shuffled = sorted(products, key=lambda one: (one.sku, one.name, one.product_id))
    assert suggest(shuffled, reversed(offers), Mapping(), {CAMPUS: "course"}, {}) == suggest(
        products, offers, Mapping(), {CAMPUS: "course"}, {}
    )
