"""Which courses products look like: a training company's shop beside its Moodle and its 360Learning."""

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from wcsync.mappers.likeness import Judgement, Likeness, compare, profile
from wcsync.mappers.mapping import Mapping, TargetKey, read_mapping
from wcsync.mappers.suggested_rows import render_rows
from wcsync.mappers.suggestions import Suggestion, Suggestions, suggest
from wcsync.model import LmsName, Offer, Product, ProductId

CAMPUS, ACADEMY = LmsName("campus"), LmsName("academy")
COURSE_KEYS = {CAMPUS: "course", ACADEMY: "group"}
KEYS = {
    CAMPUS: (TargetKey(name="course", pattern=r"\d+", doc="a number", course=True, required=True),),
    ACADEMY: (
        TargetKey(name="group", pattern="[0-9a-f]{4}", doc="an id", course=True, required=True),
        TargetKey(name="path", pattern="[0-9a-f]{4}", doc="an id"),
    ),
}


def course(number: int, title: str, *codes: str, concern: str = "") -> Offer:
    return Offer(lms=CAMPUS, key="course", value=str(number), title=title, codes=codes, concern=concern)


def group(value: str, title: str, concern: str = "") -> Offer:
    return Offer(lms=ACADEMY, key="group", value=value, title=title, concern=concern)


def path(value: str, title: str) -> Offer:
    return Offer(lms=ACADEMY, key="path", value=value, title=title)


def product(product_id: int, name: str, sku: str = "", **more: Any) -> Product:
    return Product(product_id=ProductId(product_id), name=name, sku=sku, **({"virtual": True} | more))


COURSES = [
    course(10, "Excel avanzado", "XL-AV"),
    course(11, "Excel básico", "XL-BA"),
    course(12, "Excel para contables", "XL-CO"),
    course(20, "Inglés B1", "ENG-B1"),
    course(21, "Inglés B2", "ENG-B2"),
    course(22, "Inglés A1"),
    course(23, "Inglés A2"),
    course(30, "Prevención de riesgos laborales 20 horas", "PRL20"),
    course(31, "Prevención de riesgos laborales 60 horas", "PRL60"),
    course(40, "Manipulador de alimentos"),
    course(41, "Carretillero (presencial)"),
    course(50, "Contabilidad I"),
    course(51, "Contabilidad II"),
    course(60, "Community manager"),
    course(61, "Community Manager"),
    course(70, "Anglais débutant"),
    course(71, "Python for data science"),
    course(80, "Protección de datos", concern="it is hidden"),
    course(90, "Ofimática 2024", "OF-24"),
    course(91, "Windows Server 2019"),
    course(101, "Fotografía", "101"),
]


def look(
    *products: Product,
    offers: Sequence[Offer] = COURSES,
    mapping: Mapping | None = None,
    sold: dict[ProductId, int] | None = None,
) -> Suggestions:
    return suggest(products, offers, mapping or Mapping(), COURSE_KEYS, sold or {})


def best(name: str, sku: str = "", offers: Sequence[Offer] = COURSES) -> tuple[str, str] | None:
    """The likeliest candidate: how likely, and which."""
    [row] = look(product(1, name, sku), offers=offers).rows
    if not row.candidates:
        return None
    return row.candidates[0].likeness.word, row.candidates[0].offer.value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Curso Excel avanzado (online)", "10"),
        ("CURSO DE EXCEL AVANZADO", "10"),
        ("Excel Avanzado – e-learning", "10"),
        ("Inglés B1", "20"),
        ("Curso de Ingles nivel B2", "21"),
        ("Inglés por niveles - A1", "22"),
        ("Prevención de riesgos laborales 20h", "30"),
        ("Curso Prevención de Riesgos Laborales (60 h) en línea", "31"),
        ("Contabilidad 2", "51"),
        ("Formation Anglais débutants (en ligne)", "70"),
        ("Training course: Python for Data Science", "71"),
        ("Carretillero presencial", "41"),
    ],
)
def test_the_same_name_in_other_words_is_certain(name: str, value: str) -> None:
    assert best(name) == ("certain", value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Manipulador de alimentos 10h", "40"),
        ("Manipuladores de alimentos", "40"),
        ("Carretillero", "41"),
        ("Community manager", "61"),
        ("Protección de datos", "80"),
        ("Ofimática", "90"),
    ],
    ids=["hours on one side", "a letter more", "classroom on one side", "two of one name", "hidden", "year"],
)
def test_what_is_nearly_the_same_is_likely_and_never_certain(name: str, value: str) -> None:
    assert best(name) == ("likely", value)


@pytest.mark.parametrize(
    "name",
    [
        "Inglés C1",
        "Inglés",
        "Excel intermedio",
        "Excel",
        "Prevención de riesgos laborales 30h",
        "Prevención de riesgos 20h",
        "Contabilidad III",
        "Contabilidad",
        "Windows Server 2022",
        "Excel avanzado para contables",
        "Carretillero semipresencial",
    ],
)
def test_near_misses_are_at_most_a_maybe(name: str) -> None:
    found = best(name)
    assert found is None or found[0] == "maybe", found


@pytest.mark.parametrize("name", ["Taza con logo", "Access avanzado", "Java", "Curso online", "", "🎓"])
def test_what_has_nothing_in_common_is_not_mentioned(name: str) -> None:
    assert best(name) is None


@pytest.mark.parametrize(
    ("sku", "name", "found"),
    [
        ("eng-b1", "English for everybody", ("certain", "20")),
        ("ENG-B1", "Inglés B1", ("certain", "20")),
        ("ENGB1", "English for everybody", ("maybe", "20")),
        ("101", "Taza", ("maybe", "101")),
        ("101", "Fotografía", ("certain", "101")),
        ("10", "Taza", ("maybe", "10")),
        ("10", "Excel avanzado", ("certain", "10")),
    ],
    ids=[
        "short name",
        "short name and name",
        "short name without its dash",
        "a number by chance",
        "a number and the name",
        "an id by chance",
        "an id and the name",
    ],
)
def test_a_sku_counts_first_unless_it_is_a_mere_number(sku: str, name: str, found: tuple[str, str]) -> None:
    assert best(name, sku) == found


@pytest.mark.parametrize("name", ["Inglés B2", "Excel básico"])
def test_where_sku_and_name_say_different_courses_both_are_shown_and_neither_is_certain(name: str) -> None:
    [row] = look(product(1, name, "ENG-B1")).rows
    assert not row.certain
    assert {"20"} < {one.offer.value for one in row.candidates}


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Hepatitis A y B", "Hepatitis B"),
        ("Inglés I y II", "Inglés II"),
        ("I Guerra Mundial", "Guerra Mundial"),
        ("Módulo 1.1", "Módulo 1"),
        ("IELTS 6.5", "IELTS 5.6"),
        ("Módulo 1 Unidad 2", "Módulo 2 Unidad 1"),
        ("Inglés A2-B1", "Inglés B1-A2"),
        ("Traducción inglés-español", "Traducción español-inglés"),
        ("Marketing online", "Marketing"),
        ("Diseño de e-learning", "Diseño"),
        ("Aula virtual Moodle", "Moodle"),
        ("カード", "ガード"),
        ("किताब", "कुताब"),
    ],
)
def test_names_of_two_courses_that_share_their_words_are_never_certain(name: str, other: str) -> None:
    for one, another in ((name, other), (other, name)):
        found = best(one, offers=[course(1, another)])
        assert found is None or found[0] != "certain", found


@pytest.mark.parametrize(
    "name", ["Online course: Excel", "Curso online de Excel", "Excel, en línea", "Excel [e-learning]"]
)
def test_how_a_course_is_held_is_no_part_of_its_name_where_it_is_said_apart(name: str) -> None:
    assert best(name, offers=[course(1, "Excel")]) == ("certain", "1")


@pytest.mark.parametrize("sku", ["XL", "-", "A"])
def test_a_short_name_of_a_letter_or_two_may_be_chance(sku: str) -> None:
    offers = [course(1, "Excel", sku)]
    assert best("Camiseta", sku, offers) == ("maybe", "1")
    assert best("Excel", sku, offers) == ("certain", "1")


def test_a_sku_is_not_certain_where_the_name_says_another_course() -> None:
    offers = [course(1, "Java", "PY-101"), course(2, "Python"), course(3, "Python")]
    assert best("Python", "PY-101", offers) == ("likely", "1")
    offers = [course(1, "Java", "PY-101"), course(2, "Python")]
    assert best("Python", "PY101", offers) == ("likely", "2")


def test_a_short_name_that_two_courses_have_is_not_certain() -> None:
    twice = [course(1, "Uno", "SAME"), course(2, "Dos", "SAME")]
    found = best("Tres", "SAME", offers=twice)
    assert found is not None
    assert found[0] == "likely"


def test_one_name_in_two_lmss_is_not_certain() -> None:
    found = best("Excel avanzado", offers=[course(10, "Excel avanzado"), group("aaaa", "Excel avanzado")])
    assert found == ("likely", "10")


def test_no_product_has_more_than_three_candidates_and_a_certain_one_stands_alone() -> None:
    many = [course(n, f"Excel {n}") for n in range(1, 30)]
    [row] = look(product(1, "Excel"), offers=many).rows
    assert len(row.candidates) == 3
    [row] = look(product(1, "Excel 7"), offers=many).rows
    assert [one.offer.value for one in row.candidates] == ["7"]


def mapped(*rows: str) -> Mapping:
    return read_mapping("mapping.toml", "".join(f"[[map]]\n{row}\n" for row in rows).encode(), KEYS)


GOES = 'lms = "campus"\ncourse = "10"'


def test_products_with_a_row_or_ignored_are_left_out() -> None:
    mapping = mapped(f'sku = "A"\n{GOES}', "product_id = 2\nignore = true")
    found = look(product(1, "Excel avanzado", "A"), product(2, "Excel básico"), mapping=mapping)
    assert found == Suggestions(rows=(), others=0)


def test_a_course_that_is_mapped_already_is_still_proposed_and_says_so() -> None:
    [row] = look(product(2, "Excel avanzado"), mapping=mapped(f"product_id = 1\n{GOES}")).rows
    assert [one.mapped_by for one in row.candidates] == ["mapping.toml:1"]


def test_sold_products_come_first_then_the_likelier() -> None:
    sold = {ProductId(3): 5, ProductId(4): 9}
    shop = [
        product(1, "Manipuladores de alimentos"),
        product(2, "Excel avanzado"),
        product(3, "Nunca visto"),
        product(4, "Taza", virtual=False),
        product(5, "Llavero", virtual=False),
    ]
    found = look(*shop, sold=sold)
    assert [row.product.product_id for row in found.rows] == [4, 3, 2, 1]
    assert found.others == 1


def test_goods_are_left_out_unless_they_look_like_a_course() -> None:
    found = look(product(1, "Taza", virtual=False), product(2, "Inglés B1", virtual=False))
    assert [row.product.product_id for row in found.rows] == [2]
    assert found.others == 1


@pytest.mark.parametrize("more", [{"kind": "grouped"}, {"kind": "external"}, {"status": "trash"}])
def test_what_is_never_in_an_order_is_left_out(more: dict[str, str]) -> None:
    assert look(product(1, "Inglés B1", **more)).rows == ()


def family(*choices: str, name: str = "Inglés por niveles") -> list[Product]:
    ids = tuple(ProductId(20 + n) for n in range(len(choices)))
    parent = product(2, name, "EN", kind="variable", variation_ids=ids)
    return [
        parent,
        *(
            product(one, f"{name} - {choice}", f"EN-{choice}", kind="variation", parent_id=ProductId(2))
            for one, choice in zip(ids, choices, strict=True)
        ),
    ]


def test_variations_that_are_courses_of_their_own_get_rows_of_their_own() -> None:
    found = look(*family("A1", "A2", "B1"))
    assert [(row.selector, row.candidates[0].offer.value) for row in found.rows] == [
        (("sku", "EN-A1"), "22"),
        (("sku", "EN-A2"), "23"),
        (("sku", "EN-B1"), "20"),
    ]


def test_a_product_whose_variations_are_one_course_is_mapped_by_its_number() -> None:
    found = look(*family("Mañana", "Tarde", name="Excel avanzado"), sold={ProductId(20): 2})
    [row] = found.rows
    assert (row.selector, row.sold, row.candidates[0].offer.value) == (("product_id", "2"), 2, "10")


@pytest.mark.parametrize(
    ("sku", "selector"),
    [
        ("PY-1", "sku"),
        ("", "product_id"),
        ("PY*", "product_id"),
        ("1,00E+05", "product_id"),
        ("A\u200bB", "product_id"),
    ],
    ids=["plain", "none", "wildcard", "spoilt by spreadsheets", "invisible character"],
)
def test_a_row_names_the_sku_only_where_that_is_safe(sku: str, selector: str) -> None:
    [row] = look(product(7, "Inglés B1", sku)).rows
    assert row.selector[0] == selector


def test_a_sku_that_two_products_have_names_neither() -> None:
    found = look(product(7, "Inglés B1", "EN"), product(8, "Inglés B2", "en"))
    assert {row.selector for row in found.rows} == {("product_id", "7"), ("product_id", "8")}


GROUPS = [group("aaaa", "Excel avanzado"), group("bbbb", "Todos", "it is the root group")]


def test_a_group_brings_the_path_of_the_same_name() -> None:
    [row] = look(product(1, "Curso Excel avanzado"), offers=[*GROUPS, path("ccc1", "Excel avanzado")]).rows
    [candidate] = row.candidates
    assert candidate.offer.value == "aaaa"
    assert [one.value for one in candidate.beside] == ["ccc1"]
    rows = tomllib.loads(render_rows([row]))["map"]
    assert (rows[0]["group"], rows[0]["path"]) == ("aaaa", "ccc1")


def test_a_path_without_a_group_says_that_one_must_be_made() -> None:
    [row] = look(product(1, "Inglés B1"), offers=[*GROUPS, path("ccc2", "Inglés B1")]).rows
    [candidate] = row.candidates
    assert (candidate.missing, candidate.likeness) == ("group", Likeness.LIKELY)
    text = render_rows([row])
    assert "no group fits, so make one" in text
    assert tomllib.loads(text) == {}


def test_what_the_shop_sells_as_a_subscription_is_suggested_with_one() -> None:
    sold = replace(product(1, "Excel avanzado", "XL"), kind="variable-subscription")
    [row] = read_mapping("mapping.toml", render_rows(look(sold).rows).encode(), KEYS).rows
    assert row.terms.access.with_subscription


def test_only_what_is_certain_is_a_row_and_the_rest_is_comment() -> None:
    found = look(
        product(1, "Excel avanzado", "XL"),
        product(2, "Manipuladores de alimentos"),
        product(3, "Desconocido"),
    )
    text = render_rows(found.rows)
    mapping = read_mapping("mapping.toml", text.encode(), KEYS)
    assert [(row.sku, row.targets[0].course_id) for row in mapping.rows] == [("XL", "10")]
    assert "# ignore = true" in text


def test_a_commented_row_is_right_once_its_marks_are_taken_away() -> None:
    found = look(product(2, "Manipuladores de alimentos", 'A "quoted" \\ SKU'))
    text = render_rows(found.rows)
    block = [line.removeprefix("# ") for line in text.splitlines() if not line.startswith("#   ")][1:]
    [row] = read_mapping("mapping.toml", "\n".join(block).encode(), KEYS).rows
    assert (row.sku, row.targets[0].course_id) == ('A "quoted" \\ SKU', "40")


@pytest.mark.parametrize(
    "name",
    [
        '\n[[map]]\nsku = "evil"\nlms = "campus"\ncourse = "11"\n#',
        'Inglés B1 """ \\u0000 \x00 \x1b[2J \x7f \u2028 \u202e',
        "x" * 5000,
    ],
    ids=["rows in a name", "control characters", "endless"],
)
def test_hostile_names_stay_in_their_comments(name: str) -> None:
    hostile = [course(10, name, "XL"), course(11, f"{name} 2")]
    found = look(product(1, name, "XL"), product(2, f"{name} 2"), offers=hostile)
    text = render_rows(found.rows)
    assert {row.get("course") for row in tomllib.loads(text).get("map", [])} <= {"10", "11"}
    assert "evil" not in str(tomllib.loads(text))
    assert max(map(len, text.splitlines())) < 500
    assert "\x1b" not in text


def likeness(one: str, other: str) -> Judgement | None:
    return compare(profile(one), profile(other))


def test_languages_with_pluses_and_sharps_are_languages_of_their_own() -> None:
    assert profile("C++") != profile("C#") != profile("C")
    assert likeness("C++ avanzado", "C# avanzado") is None


def test_why_says_what_differs() -> None:
    found = likeness("Inglés B1", "Inglés B2")
    assert found is not None
    assert "B1 is not B2" in found.why


def test_many_products_and_courses_take_no_minutes() -> None:
    offers = [course(n + 2, f"Curso número {n} de la materia {n % 50}") for n in range(500)]
    shop = [product(n + 1, f"Materia {n % 50} número {n}", f"S-{n}") for n in range(500)]
    found = look(*shop, offers=offers)
    assert len(found.rows) == 500


def test_a_suggestion_without_candidates_is_not_certain() -> None:
    row = Suggestion(product=product(1, "x"), selector=("product_id", "1"), sold=0, candidates=())
    assert not row.certain
