"""Products made from courses: each course's once, whatever happens in between, and none that people did not want."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import CAMPUS, FakeClock, FakeLms
from tests.fakes_showcase import FakeShowcase
from wcsync.course import Course, ProductDraft, Sellable, SkuTaken, StoredProduct
from wcsync.drafts import DraftMaker, Made, Plan
from wcsync.errors import ConfigError, PermanentError, ServiceBlocked, TransientError
from wcsync.ledger.ledger import SqliteLedger
from wcsync.lms.registry import KINDS
from wcsync.mappers.courses.decisions import decide
from wcsync.mappers.courses.drafting import MADE_FROM, Action, choose_skus, clean_sku
from wcsync.mappers.courses.rules import Rules
from wcsync.mappers.courses.wanted import Wanted, WantedPicture
from wcsync.mappers.mapping import Mapping, Match, read_mapping
from wcsync.mapping_file import append_rows
from wcsync.model import CourseId, Line, LineId, LmsName, ProductId, Target

KEYS = {CAMPUS: KINDS["moodle"].target_keys}
QUARANTINE_S = 90.0
OTHER_ROW = '[[map]]\nsku = "T-SHIRT"\nignore = true\n\n[[map]]\nsku = "EN"\nlms = "campus"\ncourse = "7"\n'


class KilledError(BaseException):
    pass


def target(course_id: str) -> Target:
    return Target(lms=CAMPUS, course_id=CourseId(course_id))


def sellable(course_id: str, code: str = "", title: str = "", concern: str = "") -> Sellable:
    title = title or f"Course {course_id}"
    return Sellable(target=target(course_id), title=title, code=code, concern=concern)


def render(courses: Sequence[Course], _rules: Rules, _picture: WantedPicture | None) -> Wanted:
    [course] = courses
    if course.name == "unfit":
        raise PermanentError("description: line 1 of the template: does not fit")
    return Wanted(
        name=course.name,
        description=f"<p>{course.name}</p>",
        attributes={"Author": ("Ana", "Luis")},
        meta={"_wcsync_course": course.course_id, "_wcsync_level": None},
    )


class Office:
    """A shop, an LMS with two courses, a ledger and a mapping file."""

    def __init__(self, folder: Path) -> None:
        self.shop, self.lms, self.clock = FakeShowcase(), FakeLms(), FakeClock()
        self.path = folder / "mapping.toml"
        self.path.write_text(OTHER_ROW)
        self.ledger = SqliteLedger(folder / "ledger.db")
        self.offer(sellable("42", "PY-101"), sellable("43"))

    def offer(self, *sellables: Sellable) -> None:
        self.lms.sellables = list(sellables)
        for one in sellables:
            course_id = one.target.course_id
            name = f"Curso {course_id}"
            self.lms.courses[course_id] = Course(lms=CAMPUS, course_id=course_id, site="", name=name)

    def table(self) -> Mapping:
        return read_mapping(self.path.name, self.path.read_bytes(), KEYS)

    def maker(self) -> DraftMaker:
        return DraftMaker(
            lms=self.lms,
            showcase=self.shop,
            mirror=self.ledger.mirror,
            table=self.table(),
            rules=Rules(),
            render=render,
            clock=self.clock,
            quarantine_s=QUARANTINE_S,
        )

    def plan(self, *only: str) -> Plan:
        return self.maker().plan(only)

    def make(self, *only: str) -> list[Made]:
        """As the command does it: rows are written at the end, also of a run that ends with an error."""
        content, maker, made = self.path.read_bytes(), self.maker(), list[Made]()
        try:
            made.extend(maker.make(maker.plan(only)))
        except Exception:
            self._add_rows(content, made)
            raise
        self._add_rows(content, made)
        return made

    def _add_rows(self, content: bytes, made: list[Made]) -> None:
        rows = [one.row for one in made if one.row is not None]
        if rows:
            append_rows(self.path, content, rows, KEYS)

    def made(self) -> dict[str, StoredProduct]:
        """What the shop holds of our making, by SKU."""
        return {one.sku: one for one in self.shop.products.values() if MADE_FROM in one.meta}

    def match(self, sku: str) -> Match | None:
        line = Line(
            line_id=LineId(1),
            product_id=ProductId(1),
            variation_id=ProductId(0),
            sku=sku,
            name="",
            quantity=Decimal(1),
        )
        return self.table().match(line)

    def sold(self) -> list[tuple[str | None, str]]:
        return [(row.sku, one.course_id) for row in self.table().rows[2:] for one in row.targets]

    def close(self) -> None:
        self.ledger.close()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.close()


def reasons(plan: Plan) -> list[str]:
    return [step.reason for step in plan.of(Action.SKIP)]


# -- making ------------------------------------------------------------------------------------------------------------


def test_a_course_that_nothing_sells_gets_a_draft_and_a_row(office: Office) -> None:
    office.make()
    product = office.made()["PY-101"]
    assert (product.status, product.name, product.description) == ("draft", "Curso 42", "<p>Curso 42</p>")
    assert product.meta == {"_wcsync_course": "42", MADE_FROM: "campus/42"}
    assert [attribute.options for attribute in product.attributes] == [("Ana", "Luis")]
    assert office.sold() == [("PY-101", "42"), ("campus-43", "43")]


def test_made_once_is_made_for_good(office: Office) -> None:
    office.make()
    writes, content = office.shop.writes, office.path.read_bytes()
    assert office.make() == []
    assert (office.shop.writes, office.path.read_bytes()) == (writes, content)


def test_a_plan_changes_nothing(office: Office) -> None:
    plan = office.plan()
    assert [(step.sku, step.action) for step in plan.steps] == [
        ("PY-101", Action.MAKE),
        ("campus-43", Action.MAKE),
    ]
    assert office.shop.writes == 0
    assert office.ledger.mirror.read_drafts(CAMPUS) == {}


def test_a_course_that_some_row_sells_is_left_out(office: Office) -> None:
    office.offer(sellable("7", "EN"), sellable("42"))
    plan = office.plan()
    assert ([step.sellable.target.course_id for step in plan.steps], plan.sold) == (["42"], 1)


@pytest.mark.parametrize("name", ["43", "X-43"])
def test_one_course_can_be_named_by_id_or_code(office: Office, name: str) -> None:
    office.offer(sellable("42"), sellable("43", "X-43"))
    office.make(name)
    assert list(office.made()) == ["X-43"]


def test_a_course_that_is_not_there_is_said_to_be_unknown(office: Office) -> None:
    plan = office.plan("42", "no such")
    assert (plan.unknown, len(plan.steps)) == (("no such",), 1)


def test_a_course_with_a_concern_is_left_to_people(office: Office) -> None:
    office.offer(sellable("42", concern="learners cannot see it"))
    assert reasons(office.plan()) == ["learners cannot see it"]


def test_what_one_row_would_sell_twice_is_left_to_people(office: Office) -> None:
    office.offer(sellable("42", title="A path"), sellable("42", title="Another"), sellable("43"))
    plan = office.plan()
    assert ["would sell it as well" in reason for reason in reasons(plan)] == [True, True]
    assert len(plan.of(Action.MAKE)) == 1


def test_courses_that_no_row_could_name_yet_keep_their_own_reason(office: Office) -> None:
    office.offer(sellable("", title="One", concern="no group"), sellable("", title="Two", concern="no group"))
    assert reasons(office.plan()) == ["no group", "no group"]
    assert office.shop.reads == 0


def test_a_course_that_no_row_could_name_gets_no_product_whatever_its_lms_says(office: Office) -> None:
    office.offer(sellable("", title="One"))
    assert reasons(office.plan()) == ["its LMS does not say what a row could call it"]


def test_thousands_of_courses_that_their_skus_sell_are_quickly_seen(office: Office) -> None:
    office.path.write_text(f'sku_is_course = "campus"\n{OTHER_ROW}')
    office.offer(*(sellable(str(number)) for number in range(1000, 4000)))
    for number in range(1000, 4000):
        office.shop.add(number, sku=str(number))
    began = process_time()
    assert office.plan().sold == 3000
    assert process_time() - began < 5


def test_a_path_that_is_sold_by_another_group_gets_no_second_product(office: Office) -> None:
    office.path.write_text('[[map]]\nsku = "EN"\nlms = "campus"\ncourse = "7"\ngroup = ["8", "9"]\n')
    by_group = replace(target("77"), options=(("group", "9"),))
    office.offer(replace(sellable("77"), target=by_group), sellable("42"))
    plan = office.plan()
    assert ([step.sellable.target.course_id for step in plan.steps], plan.sold) == (["42"], 1)


def test_a_course_can_be_named_by_what_else_its_row_would_name(office: Office) -> None:
    path = replace(sellable("77"), target=replace(target("77"), options=(("group", "9"),)))
    office.offer(path, sellable("42"))
    assert [step.sellable for step in office.plan("9").steps] == [path]


def test_a_course_that_cannot_be_read_is_told_with_the_reason(office: Office) -> None:
    del office.lms.courses[CourseId("42")]
    made = office.make()
    assert [one.reason for one in made] == ["there is no such course", ""]
    assert list(office.made()) == ["campus-43"]


def test_a_template_that_does_not_fit_costs_one_product(office: Office) -> None:
    odd = office.lms.courses[CourseId("42")]
    office.lms.courses[CourseId("42")] = replace(odd, name="unfit")
    assert ["does not fit" in one.reason for one in office.make()] == [True, False]
    assert office.ledger.mirror.read_drafts(CAMPUS).keys() == {"43"}


# -- SKUs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "sku"),
    [
        pytest.param("PY-101", "PY-101", id="a plain code"),
        pytest.param(" Música, año 1 ", "Musica-ano-1", id="letters and blanks"),
        pytest.param("a,b*c?|d", "a-b-c-d", id="what means something elsewhere"),
        pytest.param("=cmd()", "cmd", id="a formula"),
        pytest.param("课程", "", id="no letter of ours"),
        pytest.param("x" * 200, "x" * 100, id="too long"),
    ],
)
def test_a_code_becomes_a_sku_that_every_file_takes(code: str, sku: str) -> None:
    assert clean_sku(code) == sku


def test_a_code_of_two_courses_is_the_sku_of_neither() -> None:
    skus = choose_skus([sellable("42", "PY"), sellable("43", "py"), sellable("44", "campus-42")])
    assert skus == [("campus-42",), ("campus-43",), ("campus-44",)]


@settings(max_examples=50)
@given(
    ids=st.lists(st.text("aAbB-1\u00e9 ", min_size=1), unique=True, max_size=5),
    codes=st.lists(st.text(), min_size=5),
)
def test_skus_are_short_clean_and_never_shared(ids: list[str], codes: list[str]) -> None:
    sellables = [sellable(course_id, code) for course_id, code in zip(ids, codes, strict=False)]
    skus = choose_skus(sellables)
    best = [choices[0].casefold() for choices in skus]
    last = [choices[-1].casefold() for choices in skus]
    assert all(0 < len(sku) <= 100 and clean_sku(sku) == sku for sku in best + last)
    assert skus == choose_skus(sellables[::-1])[::-1]
    assert len(set(last)) == len(set(best)) == len(skus)


def test_a_code_that_a_sold_product_has_gives_way_to_the_id(office: Office) -> None:
    office.offer(sellable("42", "EN"))
    office.shop.add(50, sku="EN")
    office.make()
    assert office.sold() == [("campus-42", "42")]


def test_a_code_that_a_row_waits_for_gives_way_to_the_id(office: Office) -> None:
    office.offer(sellable("42", "EN"))
    office.make()
    assert office.sold() == [("campus-42", "42")]


def test_a_product_without_a_row_that_has_the_code_is_probably_the_course(office: Office) -> None:
    office.shop.add(50, sku="py-101", name="Python")
    [reason] = reasons(office.plan())
    assert 'product 50 "Python" has the SKU PY-101 and no row' in reason


def test_a_variation_that_has_the_code_is_called_one(office: Office) -> None:
    office.shop.add(50, name="Python")
    office.shop.add_choice(51, 50, sku="PY-101")
    [reason] = reasons(office.plan())
    assert reason.startswith("variation 51 has the SKU PY-101 and no row")


def test_a_product_in_the_trash_with_the_code_is_told(office: Office) -> None:
    office.shop.add(50, sku="PY-101", status="trash")
    [reason] = reasons(office.plan())
    assert "product 50 in the shop's trash has the SKU PY-101: restore it, or delete it for good" in reason


def test_a_wildcard_that_ignores_the_rest_keeps_no_course_from_its_product(office: Office) -> None:
    office.path.write_text(OTHER_ROW + '\n[[map]]\nsku = "*"\nignore = true\n')
    office.make()
    assert list(office.made()) == ["PY-101", "campus-43"]
    assert [match.targets[0].course_id for match in map(office.match, office.made()) if match] == ["42", "43"]


def test_a_product_that_only_a_wildcard_ignores_is_probably_the_course(office: Office) -> None:
    office.path.write_text(OTHER_ROW + '\n[[map]]\nsku = "*"\nignore = true\n')
    office.shop.add(50, sku="py-101", name="Python")
    [reason] = reasons(office.plan())
    assert 'product 50 "Python" has the SKU PY-101 and no row' in reason


def test_a_product_with_the_sku_that_cannot_be_read_is_told(office: Office) -> None:
    office.shop.add(50, sku="PY-101")
    office.shop.unreadable[ProductId(50)] = "price: no text"
    [made] = office.make("42")
    assert "product 50 has the SKU PY-101, and what the shop says of it cannot be read" in made.reason


def test_where_the_sku_is_the_course_no_row_is_needed(office: Office) -> None:
    office.path.write_text(f'sku_is_course = "campus"\n{OTHER_ROW}')
    office.shop.add(50, sku="42")
    plan = office.plan()
    assert ([step.sellable.target.course_id for step in plan.steps], plan.sold) == (["43"], 1)


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def lose(_draft: ProductDraft) -> None:
    raise TransientError("shop: broke off the connection", answer_lost=True)


def test_a_lost_answer_is_looked_for_and_not_believed_too_early(office: Office) -> None:
    office.shop.before_draft = lose
    with pytest.raises(TransientError):
        office.make("42")
    office.shop.before_draft = lambda _draft: None
    office.clock.tick(QUARANTINE_S - 1)
    assert "may still do so" in reasons(office.plan("42"))[0]
    assert office.make("42")[0].product_id is None
    office.clock.tick(2)
    assert office.make("42")[0].fresh


def test_a_draft_whose_answer_was_lost_is_found_at_once(office: Office) -> None:
    office.shop.after_draft = lose
    with pytest.raises(TransientError):
        office.make("42")
    [made] = office.make("42")
    assert (made.fresh, made.sku) == (False, "PY-101")
    assert office.sold() == [("PY-101", "42")]
    assert len(office.made()) == 1


def test_a_clock_that_was_ahead_does_not_make_it_wait_for_years(office: Office) -> None:
    office.clock.tick(365 * 86400)
    office.shop.before_draft = lose
    with pytest.raises(TransientError):
        office.make("42")
    office.shop.before_draft = lambda _draft: None
    office.clock.tick(-365 * 86400)
    assert office.make("42")[0].fresh


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(TransientError("shop: is in maintenance"), id="maintenance"),
        pytest.param(ServiceBlocked("shop: the key may read only"), id="read-only key"),
    ],
)
def test_what_surely_did_not_arrive_is_not_waited_for(office: Office, error: Exception) -> None:
    def refuse(_draft: ProductDraft) -> None:
        raise error

    office.shop.before_draft = refuse
    with pytest.raises(type(error)):
        office.make()
    assert office.path.read_text() == OTHER_ROW
    office.shop.before_draft = lambda _draft: None
    assert [one.fresh for one in office.make()] == [True, True]


def test_a_draft_that_the_shop_refuses_does_not_hold_up_the_others(office: Office) -> None:
    def refuse(draft: ProductDraft) -> None:
        if draft.sku == "PY-101":
            raise PermanentError("shop: refuses the product")

    office.shop.before_draft = refuse
    assert [one.reason for one in office.make()] == ["shop: refuses the product", ""]
    assert office.sold() == [("campus-43", "43")]


def test_what_was_made_before_the_shop_went_down_has_its_row(office: Office) -> None:
    def fail_later(draft: ProductDraft) -> None:
        if draft.sku != "PY-101":
            raise TransientError("shop: cannot be reached")

    office.shop.before_draft = fail_later
    with pytest.raises(TransientError):
        office.make()
    assert office.sold() == [("PY-101", "42")]


def test_a_product_made_by_a_person_meanwhile_is_not_taken_over(office: Office) -> None:
    def beat_us_to_it(draft: ProductDraft) -> None:
        office.shop.add(60, sku=draft.sku)

    office.shop.before_draft = beat_us_to_it
    [made] = office.make("42")
    assert "product 60 has the SKU PY-101 and no row" in made.reason
    assert office.path.read_text() == OTHER_ROW


def test_a_sku_that_turns_out_to_be_in_the_trash_is_told(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office.shop, "push_draft", lambda _draft: SkuTaken(product_id=None))
    [made] = office.make("42")
    assert "a product in the shop's trash has the SKU PY-101" in made.reason


def test_a_product_made_for_a_ledger_that_was_lost_is_known_by_its_meta(
    office: Office, tmp_path: Path
) -> None:
    office.make()
    office.ledger.close()
    for file in tmp_path.glob("ledger.db*"):
        file.unlink()
    office.ledger = SqliteLedger(tmp_path / "ledger.db")
    office.path.write_text(OTHER_ROW)
    assert [one.fresh for one in office.make()] == [False, False]
    assert len(office.made()) == 2
    assert office.sold() == [("PY-101", "42"), ("campus-43", "43")]


# -- what people did with it -------------------------------------------------------------------------------------------


def with_row_removed(office: Office) -> StoredProduct:
    """The product of course 42, whose row a person took out again."""
    office.make("42")
    office.path.write_text(OTHER_ROW)
    return office.made()["PY-101"]


def test_a_draft_that_got_another_sku_gets_a_row_by_its_own(office: Office) -> None:
    product = with_row_removed(office)
    office.shop.edit(product.product_id, sku="PYTHON", status="publish")
    office.make("42")
    assert office.sold() == [("PYTHON", "42")]


def test_a_draft_without_a_sku_gets_a_row_by_its_number(office: Office) -> None:
    product = with_row_removed(office)
    office.shop.edit(product.product_id, sku="")
    office.make("42")
    assert [row.product_id for row in office.table().rows] == [None, None, product.product_id]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"sku": "PY-*"}, id="it would stand for others"),
        pytest.param({"sku": "PY-101\u200b"}, id="it would not survive a file"),
        pytest.param({"kind": "variable"}, id="orders hold those of its variations"),
    ],
)
def test_a_draft_whose_sku_would_not_do_gets_a_row_by_its_number(
    office: Office, values: dict[str, str]
) -> None:
    product = with_row_removed(office)
    office.shop.edit(product.product_id, **values)
    office.make("42")
    assert [row.product_id for row in office.table().rows] == [None, None, product.product_id]


def test_a_draft_in_the_trash_is_not_made_again(office: Office) -> None:
    product = with_row_removed(office)
    office.shop.edit(product.product_id, status="trash")
    assert "restore it, or delete it for good" in reasons(office.plan("42"))[0]


def test_a_draft_that_was_deleted_is_made_again_only_by_name(office: Office) -> None:
    product = with_row_removed(office)
    office.shop.delete(product.product_id)
    assert any("--only 42" in reason for reason in reasons(office.plan()))
    assert office.make("42")[0].fresh


def test_a_draft_that_people_made_sell_something_else_stays_theirs(office: Office) -> None:
    product = with_row_removed(office)
    row = f'\n[[map]]\nproduct_id = {product.product_id}\nlms = "campus"\ncourse = "99"\n'
    office.path.write_text(OTHER_ROW + row)
    assert "sells something else by mapping.toml:10" in reasons(office.plan("42"))[0]


def test_a_draft_that_cannot_be_read_is_told(office: Office) -> None:
    product = with_row_removed(office)
    office.shop.unreadable[product.product_id] = "price: no text"
    assert "cannot be read" in reasons(office.plan("42"))[0]


# -- kills -------------------------------------------------------------------------------------------------------------


def kill(*_args: Any) -> None:
    raise KilledError


def at_record(office: Office, number: int) -> Callable[[], object]:
    """Kills at the n-th note in the ledger, before or after it."""
    mirror_type = type(office.ledger.mirror)
    keep, seen = mirror_type.record_draft, [0]

    def record(self: Any, draft: Any, now: Any) -> None:
        seen[0] += 1
        if seen[0] == number:
            raise KilledError
        keep(self, draft, now)

    mirror_type.record_draft = record  # type: ignore[method-assign]  # a crash point

    def undo() -> None:
        mirror_type.record_draft = keep  # type: ignore[method-assign]  # as above

    return undo


@settings(max_examples=60)
@given(
    kills=st.lists(
        st.tuples(st.sampled_from(["record", "before", "after", "row"]), st.integers(1, 5)), max_size=4
    ),
    waits=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_wherever_it_is_killed_each_course_ends_with_one_product_and_one_row(
    tmp_path_factory: pytest.TempPathFactory, kills: list[tuple[str, int]], waits: list[bool]
) -> None:
    office = Office(tmp_path_factory.mktemp("office"))
    try:
        for (where, number), wait in zip(kills, waits, strict=False):
            _killed_run(office, where, number)
            office.clock.tick(QUARANTINE_S + 1 if wait else 1)
        office.make()
        office.clock.tick(QUARANTINE_S + 1)
        office.make()
        assert sorted(office.made()) == ["PY-101", "campus-43"]
        assert len(office.shop.products) == 2
        assert sorted(office.sold()) == [("PY-101", "42"), ("campus-43", "43")]
        writes = office.shop.writes
        assert office.make() == []
        assert office.shop.writes == writes
    finally:
        office.close()


def _killed_run(office: Office, where: str, number: int) -> None:
    undo = at_record(office, number if where == "record" else 0)
    if where == "before":
        office.shop.before_draft = kill
    elif where == "after":
        office.shop.after_draft = kill
    with suppress(KilledError, ConfigError):
        if where == "row":
            maker = office.maker()
            list(zip(maker.make(maker.plan()), range(number), strict=False))
        else:
            office.make()
    undo()
    office.shop.before_draft = office.shop.after_draft = lambda _draft: None


def test_another_lms_has_drafts_of_its_own(office: Office) -> None:
    office.make()
    assert office.ledger.mirror.read_drafts(LmsName("academy")) == {}
    assert {one.product_id for one in office.ledger.mirror.read_drafts(CAMPUS).values()} == set(
        office.shop.products
    )
    assert ProductId(0) not in office.shop.products


def test_what_was_written_into_a_draft_is_ours_for_the_mirror(office: Office) -> None:
    [made, _] = office.make()
    assert made.product_id is not None
    marks = office.ledger.mirror.read_marks([made.product_id])[made.product_id]
    assert {"name", "description", "attributes:Author"} <= marks.keys()
    stored = office.shop.products[made.product_id]
    renamed = Wanted(name="Another name", description="<p>Another text</p>", attributes={"Author": ("Eva",)})
    plan = decide(stored, renamed, Rules(), marks, office.clock(), timedelta())
    assert plan.patch is not None
    assert (plan.patch.name, plan.patch.description) == (renamed.name, renamed.description)
    assert not plan.edited
