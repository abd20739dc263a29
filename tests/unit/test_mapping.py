"""The mapping says what a product sells; its file is read whole or refused with every mistake and its line."""

import re
from decimal import Decimal
from importlib.resources import files

import pytest

from wcsync.errors import ConfigError, Problem
from wcsync.lms import threesixty
from wcsync.lms.moodle import TARGET_KEYS
from wcsync.mappers.mapping import Mapping, MapRow, Match, TargetKey, read_mapping
from wcsync.model import CourseId, Line, LineId, LmsName, Option, ProductId, Target

CAMPUS, ACADEMY, FACTORY = LmsName("campus"), LmsName("academy"), LmsName("factory")
LMS = {
    CAMPUS: (
        TargetKey(name="course", pattern="[1-9][0-9]{0,9}", doc="the number of the course", course=True),
        TargetKey(name="group", pattern="[1-9][0-9]*", doc="the number of a group", many=True),
        TargetKey(name="role", pattern="[1-9][0-9]*", doc="the number of a role"),
    ),
    ACADEMY: (TargetKey(name="path", pattern="[0-9a-f]{4,}", doc="the id of a path", required=True),),
}
WITH_GROUPS = LMS | {
    FACTORY: (
        TargetKey(name="group", pattern="[0-9a-f]{4}", doc="the id of a sold group", course=True),
        TargetKey(name="path", pattern="[0-9a-f]{4}", doc="the id of a path"),
    )
}
HEADER = "product_id,variation_id,sku,lms,course,group,role,path,ignore,note\n"


def target(course: str, lms: LmsName = CAMPUS, *options: Option) -> Target:
    return Target(lms=lms, course_id=CourseId(course), options=options)


def line(sku: str = "", product_id: int = 0, variation_id: int = 0) -> Line:
    return Line(
        line_id=LineId(1),
        product_id=ProductId(product_id),
        variation_id=ProductId(variation_id),
        sku=sku,
        name="a product",
        quantity=Decimal(1),
    )


def read_toml(text: str) -> Mapping:
    return read_mapping("mapping.toml", text.encode(), LMS)


def read_csv(text: str) -> Mapping:
    return read_mapping("mapping.csv", text.encode(), LMS)


def refuse(name: str, content: str | bytes) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        read_mapping(name, content if isinstance(content, bytes) else content.encode(), LMS)
    return list(caught.value.problems)


def row(selector: str, course: str = "1", more: str = "") -> str:
    return f'[[map]]\n{selector}\nlms = "campus"\ncourse = "{course}"\n{more}\n'


def courses(mapping: Mapping, sold: Line) -> list[str] | None:
    match = mapping.match(sold)
    return None if match is None else [target.course_id for target in match.targets]


# -- what a line sells -------------------------------------------------------------------------------------------------

TIERS = (
    row("variation_id = 12", "1")
    + row("product_id = 10", "2")
    + row('sku = "EN-A1"', "3")
    + row('sku = "EN-*"', "4")
    + row('sku = "EN-?1"', "5")
    + row('sku = "*"', "6")
)


@pytest.mark.parametrize(
    ("sold", "course"),
    [
        pytest.param(line("EN-A1", 10, 12), "1", id="variation before all"),
        pytest.param(line("EN-A1", 10, 13), "2", id="product before SKU"),
        pytest.param(line("EN-A1", 11), "3", id="SKU before wildcard"),
        pytest.param(line("EN-B1", 11), "5", id="narrowest wildcard"),
        pytest.param(line("EN-B2", 11), "4", id="wider wildcard"),
        pytest.param(line("FR-B2", 11), "6", id="widest wildcard"),
    ],
)
def test_the_narrowest_selector_decides_alone(sold: Line, course: str) -> None:
    sku_is_course = 'sku_is_course = "campus"\n'
    assert courses(read_toml(sku_is_course + TIERS), sold) == [course]


def test_the_wildcard_with_more_written_characters_wins_wherever_it_stands() -> None:
    mapping = read_toml(row('sku = "*"', "1") + row('sku = "EN-*"', "2") + row('sku = "EN-A?"', "3"))
    assert courses(mapping, line("EN-A1")) == ["3"]


def test_of_equally_narrow_wildcards_the_first_in_the_file_wins() -> None:
    first, second = row('sku = "A*"', "1"), row('sku = "*1"', "2")
    assert [courses(read_toml(text), line("A1")) for text in (first + second, second + first)] == [
        ["1"],
        ["2"],
    ]


@pytest.mark.parametrize(
    ("pattern", "sku", "fits"),
    [
        ("EN-*", "EN-", True),
        ("EN-*", "en-a1", True),
        ("EN-*", "DEN-A1", False),
        ("*-A1", "EN-A1", True),
        ("*-A1", "EN-A12", False),
        ("EN-?1", "EN-A1", True),
        ("EN-?1", "EN-1", False),
        ("*A*B*", "xAyBz", True),
        ("*A*B*", "xByAz", False),
        ("A*A", "A", False),
        ("A*A", "AA", True),
        ("A*B?C", "AxBBxC", True),
        ("[A]*", "[a]x", True),
        ("[A]*", "ax", False),
        ("A.C*", "ABC", False),
        ("*", "", False),
    ],
)
def test_a_wildcard_fits(pattern: str, sku: str, fits: bool) -> None:
    mapping = Mapping(rows=(MapRow(source="x", sku=pattern, targets=(target("1"),)),))
    assert (mapping.match(line(sku)) is not None) == fits


def test_no_wildcard_takes_long() -> None:
    mapping = Mapping(rows=(MapRow(source="x", sku="*a" * 40 + "*b", targets=(target("1"),)),))
    assert mapping.match(line("a" * 5000)) is None


def test_skus_are_compared_like_the_shop_compares_them() -> None:
    assert courses(read_toml(row('sku = " Py-101 "')), line(" pY-101")) == ["1"]


def test_a_line_no_row_is_about_sells_nothing() -> None:
    assert read_toml(TIERS.replace('"*"', '"XX*"')).match(line("FR", 99, 98)) is None


def test_a_product_that_is_gone_matches_no_row() -> None:
    assert read_toml(row("product_id = 10")).match(line()) is None


def test_all_rows_of_one_product_give_their_courses_in_the_order_of_the_file() -> None:
    mapping = read_toml(
        row("product_id = 10", "9") + row("product_id = 11", "8") + row("product_id = 10", "7")
    )
    assert mapping.match(line(product_id=10)) == Match(
        targets=(target("9"), target("7")), source="mapping.toml:1, mapping.toml:11"
    )


def test_one_row_may_give_several_courses() -> None:
    text = '[[map]]\nsku = "A"\nlms = "campus"\ncourses = ["3", 1, "2"]\ngroup = 5\n'
    match = read_toml(text).match(line("a"))
    assert match is not None
    assert match.targets == tuple(target(course, CAMPUS, ("group", "5")) for course in ("3", "1", "2"))


def test_a_key_with_several_values_becomes_several_options() -> None:
    match = read_toml(row('sku = "A"', "1", 'group = ["7", 5]\nrole = 3')).match(line("A"))
    assert match is not None
    assert match.targets == (target("1", CAMPUS, ("group", "5"), ("group", "7"), ("role", "3")),)


def test_a_course_twice_in_one_match_is_given_once() -> None:
    rows = [MapRow(source=str(n), sku="A", targets=(target("1"), target("2"))) for n in range(2)]
    assert courses(Mapping(rows=tuple(rows)), line("A")) == ["1", "2"]


def test_a_product_that_is_no_course_is_ignored() -> None:
    mapping = read_toml(row('sku = "A"') + '[[map]]\nsku = "MUG-*"\nignore = true\nnote = "no course"\n')
    assert mapping.match(line("MUG-1")) == Match(
        targets=(), source="mapping.toml:6", ignore=True, by_name=False
    )


def test_a_narrower_row_takes_a_product_out_of_an_ignored_many() -> None:
    mapping = read_toml('[[map]]\nsku = "M*"\nignore = true\n' + row('sku = "M1"'))
    assert courses(mapping, line("M1")) == ["1"]


@pytest.mark.parametrize(
    ("sku", "expected"),
    [("42", ["42"]), (" 42 ", ["42"]), ("0", None), ("A1", None), ("", None), ("4 2", None)],
)
def test_the_sku_is_the_course_if_it_looks_like_one(sku: str, expected: list[str] | None) -> None:
    assert courses(read_toml('sku_is_course = "campus"'), line(sku, 10)) == expected


def test_the_sku_is_the_course_only_if_no_row_is_about_the_product() -> None:
    mapping = read_toml('sku_is_course = "campus"\n' + row("product_id = 10", "7"))
    assert [courses(mapping, line("42", 10)), courses(mapping, line("42", 11))] == [["7"], ["42"]]


def test_a_mapping_is_a_value() -> None:
    assert read_toml(TIERS) == read_toml(TIERS)
    assert hash(read_toml(TIERS)) == hash(read_toml(TIERS))


def test_a_mapping_survives_being_kept() -> None:
    mapping = read_toml('sku_is_course = "campus"\n' + TIERS + row('sku = "Ñ"', "7", "group = 3"))
    kept = Mapping.from_json(mapping.to_json())
    assert kept == mapping
    assert courses(kept, line("en-a1")) == ["3"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"rows": 3}', '{"rows": [{"sku": 1}]}', "\0"])
def test_what_is_no_kept_mapping_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a kept mapping"):
        Mapping.from_json(text)


ONE = row('sku = "A"', "1") + row('sku = "B"', "2")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("# a comment\n\n" + ONE, id="comment"),
        pytest.param(row('sku = "b"', "2", 'note = "x"') + row('sku = "a"', "1"), id="order, case and note"),
        pytest.param(ONE.replace('"1"', "1"), id="number for text"),
        pytest.param(ONE.replace('course = "1"', 'courses = ["1"]'), id="a list of one"),
    ],
)
def test_the_fingerprint_stays_while_the_meaning_does(other: str) -> None:
    assert read_toml(other).fingerprint == read_toml(ONE).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(ONE.replace('"2"', '"3"'), id="another course"),
        pytest.param(ONE.replace('"B"', '"C"'), id="another product"),
        pytest.param(ONE + row('sku = "C"'), id="one more row"),
        pytest.param(ONE + "group = 3", id="one more option"),
        pytest.param('sku_is_course = "campus"\n' + ONE, id="sku_is_course"),
        pytest.param(ONE + '[[map]]\nsku = "C"\nignore = true\n', id="one more ignored"),
        pytest.param(ONE.replace('sku = "B"', "product_id = 1"), id="another selector"),
    ],
)
def test_the_fingerprint_changes_with_the_meaning(other: str) -> None:
    assert read_toml(other).fingerprint != read_toml(ONE).fingerprint


def test_the_fingerprint_tells_the_order_of_equally_narrow_wildcards() -> None:
    first, second = row('sku = "A*"', "1"), row('sku = "*1"', "2")
    assert read_toml(first + second).fingerprint != read_toml(second + first).fingerprint


def test_a_fingerprint_once_given_is_kept() -> None:
    assert Mapping(fingerprint="as given").fingerprint == "as given"


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mapping.toml", "mapping.csv"])
def test_the_examples_can_be_used(name: str) -> None:
    content = files("wcsync.mappers").joinpath("examples", name).read_bytes()
    mapping = read_mapping(name, content, {CAMPUS: TARGET_KEYS})
    assert courses(mapping, line("anything", 1020)) == ["42", "43"]


def test_the_row_that_is_commented_out_can_be_used() -> None:
    content = files("wcsync.mappers").joinpath("examples", "mapping.toml").read_text(encoding="utf-8")
    text = re.sub(r"^# (?=\[\[map|[a-z_]+ = \S+$)", "", content, flags=re.MULTILINE)
    text = text.replace("sku_is_course =", "# sku_is_course =")
    lms = {CAMPUS: TARGET_KEYS, ACADEMY: threesixty.TARGET_KEYS}
    match = read_mapping("mapping.toml", text.encode(), lms).match(line(product_id=1030))
    assert match is not None
    [sold] = match.targets
    assert (sold.lms, sold.course_id) == (ACADEMY, "5f8d0a3c2b1e4d0012ab34cd")
    assert [key for key, _ in sold.options] == ["path", "session"]


def test_the_two_examples_mean_the_same() -> None:
    folder = files("wcsync.mappers").joinpath("examples")
    read = [
        read_mapping(name, folder.joinpath(name).read_bytes(), {CAMPUS: TARGET_KEYS}).fingerprint
        for name in ("mapping.toml", "mapping.csv")
    ]
    assert read[0] == read[1]


CSV = [
    pytest.param("sku,lms,course\nA,campus,1|2\n", id="plain"),
    pytest.param("\ufeffsku;lms;course\r\nA;campus;1|2\r\n", id="Excel: BOM, semicolon, CRLF"),
    pytest.param("sku\tlms\tcourse\rA\tcampus\t1 | 2", id="tab, old Mac line ends, no last one"),
    pytest.param("sep=;\r\nsku;lms;course\r\nA;campus;1|2\r\n", id="the delimiter named on top"),
    pytest.param("\n\nsku,lms,course\n\n,,\nA,campus,1|2\n\n", id="blank lines"),
    pytest.param('"SKU","LMS","Course"\n"A","campus","1|2"\n', id="quoted, capitals"),
    pytest.param("Course, LMS ,Product ID,SKU,,\n1|2, campus ,, A ,,\n", id="another order, stray columns"),
    pytest.param('note,sku,lms,course\n"a, ""b"";\nc",A,campus,1|2\n', id="note over two lines"),
    pytest.param("sku,lms,course\nA,campus,1\nA,campus,2\n", id="two rows"),
    pytest.param("sku,lms,course,ignore,group\nA,campus,1|2,FALSO\n", id="short row"),
]


@pytest.mark.parametrize("text", CSV)
def test_a_csv_is_read_as_a_spreadsheet_saves_it(text: str) -> None:
    assert courses(read_csv(text), line("a")) == ["1", "2"]


@pytest.mark.parametrize("word", ["true", "TRUE", "yes", "x", "1", "VERDADERO"])
def test_a_spreadsheet_says_ignore_in_its_own_words(word: str) -> None:
    match = read_csv(f"sku,lms,course,ignore\nA,campus,1,\nM,,,{word}\n").match(line("M"))
    assert match is not None
    assert match.ignore


def test_lines_of_a_csv_count_as_an_editor_counts_them() -> None:
    text = 'sep=,\nnote,sku,lms,course\n\n"over\ntwo lines",A,campus,1\n,B,campus,x\n'
    assert [problem.where for problem in refuse("mapping.csv", text)] == ["mapping.csv:6"]


SCATTERED = """\
# a comment [[map]]
sku_is_course = "nobody"

[[map]]  # one
sku = '''A
'''
lms = "campus"
course = [
  "1", # course = "9"
  "2",
]
role = "x"
[[map]]

[[map]]
variation_id = -3
lms = 'campus'
courses = [
4,
4.5]
"""


def test_lines_of_a_toml_are_those_of_the_key() -> None:
    problems = refuse("mapping.toml", SCATTERED)
    assert [(problem.where, problem.message.split()[0]) for problem in problems] == [
        ("mapping.toml:2", "lms"),
        ("mapping.toml:5", "sku"),
        ("mapping.toml:12", "role"),
        ("mapping.toml:13", "the"),
        ("mapping.toml:13", "the"),
        ("mapping.toml:16", "variation_id"),
        ("mapping.toml:18", "courses"),
    ]


GOOD = row('sku = "GOOD"')
MISTAKES_TOML = [
    pytest.param(
        '[[map]]\nlms = "campus"\ncourse = 1\n', (1, "which product", "product_id or"), id="no selector"
    ),
    pytest.param(row('sku = "A"\nproduct_id = 3'), (1, "product_id and sku", "Keep one"), id="two selectors"),
    pytest.param(row('sku = ""'), (2, "sku is empty", "value"), id="empty SKU"),
    pytest.param(row("product_id = 0"), (2, 'product_id "0" is no id', "1017"), id="id 0"),
    pytest.param(row("product_id = 99999999999999999999"), (2, "nor a usual number", ""), id="endless id"),
    pytest.param(row("product_id = [1, 2]"), (2, "takes one value, not 2", "one row for each"), id="two ids"),
    pytest.param(row("product_id = true"), (2, "neither text nor", ""), id="id is true"),
    pytest.param(row("sku = 2026-01-01"), (2, "neither text nor", 'sku = "…"'), id="SKU is a date"),
    pytest.param(row("sku = [['A']]"), (2, "neither text nor", ""), id="list within a list"),
    pytest.param(
        row('sku = "A\\u200b"'), (2, "invisible character U+200B", "again"), id="invisible character"
    ),
    pytest.param(row('sku = "A\\nB"'), (2, "invisible character U+000A", "again"), id="control character"),
    pytest.param('[[map]]\nsku = "A"\ncourse = 1\n', (1, "which lms", "campus, academy"), id="no LMS"),
    pytest.param(
        '[[map]]\nsku = "A"\nlms = "Campis"\ncourse = 1\n',
        (3, 'lms "Campis" is not in the config', 'Did you mean "campus"?'),
        id="unknown LMS",
    ),
    pytest.param('[[map]]\nsku = "A"\nlms = "campus"\n', (1, "which course", "courses"), id="no course"),
    pytest.param(
        row('sku = "A"', "1", "courses = [2]"), (1, "both course and courses", ""), id="course twice"
    ),
    pytest.param(
        '[[map]]\nsku = "A"\nlms = "campus"\ncourses = []\n', (4, "courses is empty", ""), id="no courses"
    ),
    pytest.param(
        row('sku = "A"', "forty"), (4, 'course "forty"', "the number of the course"), id="odd course"
    ),
    pytest.param(
        row('sku = "A"', "1", 'group = "x"'), (5, 'group "x"', "the number of a group"), id="odd option"
    ),
    pytest.param(row('sku = "A"', "1", "role = [1, 2]"), (5, "takes one value", ""), id="two roles"),
    pytest.param(
        row('sku = "A"', "1", "gruop = 1"), (5, 'unknown key "gruop"', '"group"?'), id="unknown key"
    ),
    pytest.param(
        row('sku = "A"', "1", 'path = "ab12"'), (5, "means nothing to lms", "Remove"), id="foreign key"
    ),
    pytest.param(
        '[[map]]\nsku = "A"\nlms = "academy"\ncourse = "c"\n',
        (1, "needs path", "the id of a path"),
        id="key needed",
    ),
    pytest.param(
        row('sku = "A"', "1", "ignore = true"),
        (3, "both ignore and lms and course", "no course"),
        id="ignored course",
    ),
    pytest.param('[[map]]\nsku = "A"\nignore = "maybe"\n', (3, 'ignore is "maybe"', "true"), id="odd ignore"),
    pytest.param("[[map]]\nignore = true\n", (1, "which product", ""), id="ignored nothing"),
    pytest.param('[map]\nsku = "A"\n', (1, "not a list of rows", "[[map]]"), id="single brackets"),
    pytest.param("map = [3]\n", (1, "no row", "[[map]]"), id="row is a number"),
    pytest.param('sku_is_cuorse = "campus"\n', (1, "unknown key", '"sku_is_course"?'), id="unknown top key"),
    pytest.param("sku_is_course = true\n", (1, "no text", "campus"), id="sku_is_course is true"),
    pytest.param('sku_is_course = "academy"\n', (1, "needs path", "a row for each"), id="sku is not enough"),
    pytest.param('sku = "A\n', (1, "not closed", "quote"), id="not TOML"),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES_TOML)
def test_a_mistake_in_toml_is_told_with_line_and_remedy(text: str, expected: tuple[int, str, str]) -> None:
    number, message, remedy = expected
    [problem] = refuse("mapping.toml", text if text.startswith(("sku", "map =", "[map]")) else text + GOOD)
    assert problem.where == f"mapping.toml:{number}"
    assert message in problem.message
    assert remedy in problem.remedy


MISTAKES_CSV = [
    pytest.param("sku,lms,course,gruop\n", (1, 'unknown column "gruop"', '"group"?'), id="unknown column"),
    pytest.param("sku,sku,lms,course\n", (1, "there twice", "Keep one"), id="column twice"),
    pytest.param("A,campus,1\n", (1, "does not begin with its column names", "product_id, "), id="no header"),
    pytest.param("sku,course\nA,1\n", (1, "no column lms", "Add it"), id="no column lms"),
    pytest.param(
        "lms,course\ncampus,1\n", (1, "product_id or variation_id or sku", "Add it"), id="no selector"
    ),
    pytest.param(
        "sku,lms,course\nA,campus,1,x\n", (2, 'the cell "x" is in column 4', "Name"), id="stray cell"
    ),
    pytest.param(
        "sku,lms,,course\nA,campus,x,1\n", (2, 'the cell "x" is in column 3', "Name"), id="nameless column"
    ),
    pytest.param('sku,lms,course\nA,campus,"1\nB,campus,2\n', (2, "not CSV", "quote"), id="open quote"),
    pytest.param('sku,lms,course\n"A"B,campus,1\n', (2, "not CSV", "quote"), id="quote within"),
    pytest.param("sku,lms,course\nA,campus,42.0\n", (2, "decimal number", "as text"), id="course 42.0"),
    pytest.param('sku,lms,course\nA,campus,"42,00"\n', (2, "decimal number", "as text"), id="course 42,00"),
    pytest.param("product_id,lms,course\n1 017,campus,1\n", (2, "thousands", "as text"), id="id 1 017"),
    pytest.param(
        "product_id,lms,course\n1\u202f017,campus,1\n", (2, "thousands", "as text"), id="narrow blank"
    ),
    pytest.param("product_id,lms,course\n1.017,campus,1\n", (2, "thousands", "as text"), id="id 1.017"),
    pytest.param(
        "product_id,lms,course\n1.02E+03,campus,1\n", (2, "scientific", "as text"), id="id 1.02E+03"
    ),
    pytest.param("product_id,lms,course\n'1017,campus,1\n", (2, "apostrophe", "Remove"), id="id '1017"),
    pytest.param("sku,lms,course\n1.0E+05,campus,1\n", (2, "scientific", "as text"), id="SKU 1.0E+05"),
    pytest.param("sku,lms,course\n#REF!,campus,1\n", (2, "formula failed", "value itself"), id="SKU #REF!"),
    pytest.param("sku,lms,course\nA,campus,#N/A\n", (2, "formula failed", "value itself"), id="course #N/A"),
    pytest.param("sku,lms,course\nA,campus,1||2\n", (2, "course is empty", ""), id="a course left out"),
    pytest.param("sku,lms,course\nA\x07,campus,1\n", (2, "U+0007", ""), id="control character"),
    pytest.param("sku,lms,course,role\nA,campus,1,1|2\n", (2, "role takes one value", ""), id="two roles"),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES_CSV)
def test_a_mistake_in_csv_is_told_with_line_and_remedy(text: str, expected: tuple[int, str, str]) -> None:
    number, message, remedy = expected
    [problem] = refuse("mapping.csv", text)
    assert problem.where == f"mapping.csv:{number}"
    assert message in problem.message
    assert remedy in problem.remedy


# -- an LMS whose courses have another name ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param(
            "m.toml", '[[map]]\nsku = "A"\nlms = "factory"\ngroup = "5f00"\npath = "60ab"\n', id="TOML"
        ),
        pytest.param("m.csv", "sku,lms,group,path\nA,factory,5f00,60ab\n", id="CSV"),
        pytest.param("m.csv", "sku,lms,course,group,path\nA,factory,,5f00,60ab\n", id="CSV, with a course"),
    ],
)
def test_a_course_is_read_from_the_key_the_lms_names(name: str, text: str) -> None:
    match = read_mapping(name, text.encode(), WITH_GROUPS).match(line("A"))
    assert match is not None
    assert match.targets == (target("5f00", FACTORY, ("path", "60ab")),)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("m.toml", '[[map]]\nsku = "A"\nlms = "factory"\ngroups = ["5f00", "5f01"]\n', id="TOML"),
        pytest.param("m.csv", "sku,lms,group\nA,factory,5f00|5f01\n", id="CSV"),
    ],
)
def test_several_courses_of_another_name_are_several_courses(name: str, text: str) -> None:
    assert courses(read_mapping(name, text.encode(), WITH_GROUPS), line("A")) == ["5f00", "5f01"]


def test_one_file_sells_what_each_lms_calls_a_course() -> None:
    text = "sku,lms,course,group\nA,campus,1,17\nA,factory,,5f00\n"
    match = read_mapping("m.csv", text.encode(), WITH_GROUPS).match(line("A"))
    assert match is not None
    assert match.targets == (target("1", CAMPUS, ("group", "17")), target("5f00", FACTORY))


def test_a_sku_may_be_the_course_of_an_lms_that_calls_it_otherwise() -> None:
    mapping = read_mapping("m.toml", b'sku_is_course = "factory"\n', WITH_GROUPS)
    assert courses(mapping, line("5f00")) == ["5f00"]
    assert courses(mapping, line("PY-101")) is None


@pytest.mark.parametrize(
    ("keys", "message", "remedy"),
    [
        pytest.param('path = "60ab"', "does not say which group", "Write group for one", id="no group"),
        pytest.param('group = "5f00"\ngroups = ["5f00"]', "both group and groups", "for several", id="both"),
        pytest.param('group = "5F00"', 'group "5F00" is nothing', "the id of a sold group", id="odd group"),
        pytest.param(
            'group = "5f00"\ncourse = "1"', "course means nothing", "group, groups, path", id="a course"
        ),
    ],
)
def test_a_mistake_is_told_in_the_words_of_the_lms(keys: str, message: str, remedy: str) -> None:
    text = f'[[map]]\nsku = "A"\nlms = "factory"\n{keys}\n'
    with pytest.raises(ConfigError) as caught:
        read_mapping("m.toml", text.encode(), WITH_GROUPS)
    told = caught.value.problems[0]
    assert message in told.message
    assert remedy in told.remedy


def test_a_header_without_any_course_names_all_that_would_do() -> None:
    with pytest.raises(ConfigError, match="no column course or group"):
        read_mapping("m.csv", b"sku,lms\nA,campus\n", WITH_GROUPS)


@pytest.mark.parametrize("sku", ["1E5", "1.5", "1.000", "#1", "0042"])
def test_a_sku_that_may_be_meant_so_is_taken(sku: str) -> None:
    assert courses(read_csv(f"sku,lms,course\n{sku},campus,1\n"), line(sku)) == ["1"]


def test_in_toml_a_sku_may_look_damaged() -> None:
    assert courses(read_toml(row('sku = "1.0E+05"')), line("1.0e+05")) == ["1"]


def test_a_row_said_twice_names_both_lines() -> None:
    [problem] = refuse("mapping.toml", row('sku = "A"') + row('sku = "B"') + row('sku = "a"'))
    assert (problem.where, problem.message) == (
        "mapping.toml:11",
        'sku "a" campus course 1 is already said in mapping.toml:1',
    )


def test_a_course_listed_twice_in_one_row_is_told() -> None:
    [problem] = refuse("mapping.csv", "sku,lms,course\nA,campus,1|1\n")
    assert "already said in mapping.csv:2" in problem.message


def test_a_product_ignored_and_mapped_names_both_lines() -> None:
    [problem] = refuse("mapping.toml", row('sku = "A"') + '[[map]]\nsku = "A"\nignore = true\n')
    assert (problem.where, problem.message) == (
        "mapping.toml:6",
        'sku "a" is both ignored and mapped, see mapping.toml:1',
    )


def test_every_mistake_is_told_at_once_by_line() -> None:
    text = "sku,lms,course\nA,nobody,1\nB,campus,x\nC,campus,1\nC,campus,1\n,campus,1,y\n"
    assert [problem.where for problem in refuse("mapping.csv", text)] == [
        f"mapping.csv:{number}" for number in (2, 3, 5, 6)
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("mapping.toml", b"", "is empty", id="empty TOML"),
        pytest.param("mapping.csv", b" \r\n", "is empty", id="blank CSV"),
        pytest.param("mapping.toml", b"# nothing yet\n", "maps nothing", id="comments alone"),
        pytest.param("mapping.csv", HEADER.encode(), "maps nothing", id="header alone"),
        pytest.param(
            "mapping.toml", b'[[map]]\nsku = "A"\nignore = true\n', "maps nothing", id="all ignored"
        ),
        pytest.param("mapping.csv", "sku\nñ".encode("latin-1"), "not UTF-8", id="Latin-1"),
        pytest.param("mapping.csv", "sku,lms".encode("utf-16"), "UTF-16", id="UTF-16"),
        pytest.param("mapping.toml", b"#" * 5_000_001, "larger than 5 MB", id="too large"),
        pytest.param("mapping.xlsx", b"PK", ".toml or a .csv", id="spreadsheet"),
        pytest.param("mapping", b"a", ".toml or a .csv", id="no ending"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(name: str, content: bytes, message: str) -> None:
    [problem] = refuse(name, content)
    assert problem.where.startswith(name)
    assert message in problem.message


def test_a_file_without_rows_can_be_used_if_the_sku_is_the_course() -> None:
    assert read_toml('sku_is_course = "campus"\n').sku_is_course == CAMPUS


def test_what_is_not_utf8_says_how_to_save_it() -> None:
    [problem] = refuse("mapping.csv", "sku,lms\nñ,campus\n".encode("latin-1"))
    assert (problem.where, "CSV UTF-8" in problem.remedy) == ("mapping.csv:2", True)


def test_a_message_shows_nothing_invisible_and_nothing_endless() -> None:
    [problem] = refuse("mapping.toml", row('sku = "A"', "1", f'"\\u202e{"x" * 500}" = 1'))
    assert "\u202e" not in problem.message
    assert len(problem.message) < 100


def test_ten_thousand_rows_are_read_with_a_source_each() -> None:
    text = HEADER + "".join(f",,S-{number},campus,{number},,,,,\n" for number in range(1, 10_001))
    mapping = read_csv(text)
    match = mapping.match(line("s-9999"))
    assert match == Match(targets=(target("9999"),), source="mapping.csv:10000")
