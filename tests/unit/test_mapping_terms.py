"""A mapping row says on what terms it sells, in TOML and in CSV; what it cannot mean is told with line and remedy."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_mapping import line
from wcsync.errors import ConfigError, Problem
from wcsync.lms.base import Capability
from wcsync.lms.registry import KINDS, Kind
from wcsync.mappers.mapping import Mapping, read_mapping
from wcsync.mappers.mapping_terms import NO_SUSPENDING, describe_access, render_terms, render_until
from wcsync.model import LmsName
from wcsync.sale import PLAIN_TERMS, Access, SeatRule, Terms, Withdrawal

KEYS = {LmsName("campus"): KINDS["moodle"].target_keys, LmsName("academy"): KINDS["360learning"].target_keys}
GROUP = "5f8d0a3c2b1e4d0012ab34cd"
COLUMNS = "sku,lms,course,group,days,until,with_subscription,seats,on_withdraw\n"


def wall(text: str) -> datetime:
    """What a clock shows."""
    return datetime.fromisoformat(text)


def row(more: str, sku: str = "A", course: str = "11") -> str:
    return f'[[map]]\nsku = "{sku}"\nlms = "campus"\ncourse = "{course}"\n{more}\n'


def read(text: str, name: str = "mapping.toml") -> Mapping:
    return read_mapping(name, text.encode(), KEYS)


def terms_of(text: str) -> Terms:
    [found] = read(text).rows
    return found.terms


def refuse_one(text: str, name: str = "mapping.toml") -> Problem:
    with pytest.raises(ConfigError) as caught:
        read(text, name)
    [problem] = caught.value.problems
    return problem


# -- what is said ------------------------------------------------------------------------------------------------------


def test_a_row_that_says_nothing_sells_without_end() -> None:
    assert terms_of(row("")) == PLAIN_TERMS


@pytest.mark.parametrize(
    ("said", "access"),
    [
        pytest.param("days = 365", Access(days=365), id="days"),
        pytest.param('days = "1"', Access(days=1), id="days as text"),
        pytest.param("with_subscription = true", Access(with_subscription=True), id="a subscription"),
        pytest.param("with_subscription = false\ndays = 30", Access(days=30), id="no subscription"),
        pytest.param("until = 2027-06-30", Access(until=wall("2027-07-01T00:00")), id="a TOML date"),
        pytest.param('until = "2027-06-30"', Access(until=wall("2027-07-01T00:00")), id="a day as text"),
        pytest.param(
            "until = 2027-06-30T18:00:00", Access(until=wall("2027-06-30T18:00")), id="a TOML local time"
        ),
        pytest.param(
            'until = "2027-06-30 18:00"', Access(until=wall("2027-06-30T18:00")), id="a time as text"
        ),
        pytest.param(
            "until = 2027-06-30T18:00:00+02:00",
            Access(until=datetime(2027, 6, 30, 16, tzinfo=UTC)),
            id="a TOML instant",
        ),
        pytest.param(
            'until = "2027-06-30T18:00z"',
            Access(until=datetime(2027, 6, 30, 18, tzinfo=UTC)),
            id="an instant as text",
        ),
    ],
)
def test_a_row_says_how_long_it_lets_in(said: str, access: Access) -> None:
    assert terms_of(row(said)).access == access


def test_a_row_says_who_gets_the_seats_and_how_they_are_taken_back() -> None:
    [found] = read(row('seats = "Hold"\non_withdraw = "suspend"')).rows
    assert (found.seats, found.terms) == (SeatRule.HOLD, Terms(on_withdraw=Withdrawal.SUSPEND))


@pytest.mark.parametrize("day", ["2027-06-30", "'2027-06-30"])
def test_a_csv_says_the_same_as_a_toml(day: str) -> None:
    text = COLUMNS + f"A,campus,11,,,{day},,hold,ask\nB,campus,12,,90,,no,,\nC,campus,13,,,,yes,,\n"
    toml = (
        row('until = 2027-06-30\nseats = "hold"\non_withdraw = "ask"')
        + row("days = 90", "B", "12")
        + row("with_subscription = true", "C", "13")
    )
    assert read(text, "mapping.csv").fingerprint == read(toml).fingerprint


# -- what cannot be meant ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "where", "message", "remedy"),
    [
        pytest.param("days = 0", 5, 'days "0"', "no days for access without end", id="no days"),
        pytest.param("days = -30", 5, 'days "-30"', "from 1 to 36500", id="fewer than none"),
        pytest.param("days = 36501", 5, "no number of days", "from 1 to 36500", id="too many days"),
        pytest.param("days = 30.0", 5, "turned into a decimal", "plain number", id="a decimal"),
        pytest.param('days = ""', 5, "days is empty", "Give it a value", id="empty"),
        pytest.param("days = true", 5, "neither text nor", "days =", id="a truth"),
        pytest.param("days = [30, 60]", 5, "takes one value", "one row for each", id="two"),
        pytest.param("days = 30\nuntil = 2027-06-30", 6, "says days and until", "Keep one", id="two ends"),
        pytest.param(
            "with_subscription = true\nuntil = 2027-06-30",
            5,
            "until and with_subscription",
            "Keep",
            id="both",
        ),
        pytest.param('with_subscription = "perhaps"', 5, '"perhaps"', "Write true", id="perhaps"),
        pytest.param('until = "tomorrow"', 5, "is no date", "2027-06-30", id="a word"),
        pytest.param('until = "2027-02-30"', 5, "no day and time there is", "Correct it", id="no such day"),
        pytest.param('until = "0027-06-30"', 5, "no day and time there is", "from 2000", id="long ago"),
        pytest.param('until = "9999-12-31"', 5, "no day and time there is", "to 2999", id="the last day"),
        pytest.param("until = 2027", 5, "is no date", "2027-06-30", id="a year"),
        pytest.param("until = 18:00:00", 5, "neither text nor", "until =", id="a time of day"),
        pytest.param('seats = "buyer"', 5, 'seats is "buyer"', 'mean "buyer-once"', id="seats misspelt"),
        pytest.param('on_withdraw = "kick"', 5, 'on_withdraw is "kick"', "unenrol, suspend", id="withdraw"),
        pytest.param("day = 30", 5, 'unknown key "day"', 'mean "days"', id="day"),
        pytest.param('with_subscriptions = "yes"', 5, "unknown key", "with_subscription", id="plural"),
    ],
)
def test_what_cannot_be_meant_is_told_with_line_and_remedy(
    said: str, where: int, message: str, remedy: str
) -> None:
    problem = refuse_one(row(said))
    assert problem.where == f"mapping.toml:{where}"
    assert message in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        pytest.param("30/06/2027", "which is the day", id="days first"),
        pytest.param("6/30/27", "which is the day", id="months first"),
        pytest.param("30.06.2027", "which is the day", id="dots"),
        pytest.param("30.6.27.", "which is the day", id="a dot at the end"),
        pytest.param("2027/06/30", "which is the day", id="slashes"),
        pytest.param("30/06/2027 18:00", "which is the day", id="with a time"),
        pytest.param("30-jun-27", "which is the day", id="a month by name"),
        pytest.param("30 juin 2027", "which is the day", id="a month in French"),
        pytest.param("46568", "counts the days", id="a number"),
        pytest.param("2027-06-30 00:00:00", "with its first moment", id="a day with a time"),
        pytest.param("2027-06-30T00:00", "with its first moment", id="a day with hour and minute"),
        pytest.param("46568.75", "counts the days", id="a number with a time"),
        pytest.param("4.65E+04", "scientific", id="scientific"),
        pytest.param("#VALUE!", "a formula failed", id="a formula"),
        pytest.param("########", "is no date", id="too narrow"),
    ],
)
def test_what_a_spreadsheet_made_of_a_date_is_told(cell: str, message: str) -> None:
    problem = refuse_one(f"{COLUMNS}A,campus,11,,,{cell},,,\n", "mapping.csv")
    assert problem.where == "mapping.csv:2"
    assert message in problem.message
    assert "2027-06-30" in problem.remedy


def test_an_lms_that_cannot_suspend_says_what_it_can() -> None:
    text = f'[[map]]\nsku = "A"\nlms = "academy"\ngroup = "{GROUP}"\non_withdraw = "suspend"\n'
    problem = refuse_one(text)
    assert problem.where == "mapping.toml:5"
    assert problem.message == 'on_withdraw "suspend" is nothing lms "academy" can do'
    assert "unenrol, keep or ask" in problem.remedy
    assert terms_of(text.replace("suspend", "keep")).on_withdraw is Withdrawal.KEEP


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_keys_of_an_lms_know_whether_it_can_suspend(kind: Kind) -> None:
    suspends = Capability.SUSPEND in getattr(kind.build, "capabilities", frozenset())
    assert (NO_SUSPENDING in kind.target_keys) is not suspends


def test_a_product_that_is_no_course_has_no_terms() -> None:
    problem = refuse_one(row("") + '[[map]]\nsku = "MUG"\nignore = true\ndays = 30\n')
    assert problem.message == "the row says both ignore and days"


def test_a_course_on_two_terms_names_both_lines() -> None:
    problem = refuse_one(row("days = 30") + row("days = 60"))
    assert (problem.where, problem.message) == (
        "mapping.toml:6",
        'sku "a" campus course 11 is sold on other terms in mapping.toml:1',
    )


def test_rows_about_one_product_agree_on_its_seats() -> None:
    problem = refuse_one(row('seats = "hold"') + row('seats = "buyer-once"', course="12"))
    assert (problem.where, problem.message) == (
        "mapping.toml:6",
        'seats of sku "a" is said otherwise in mapping.toml:1',
    )


# -- what a line sells -------------------------------------------------------------------------------------------------


def test_a_line_sells_each_course_on_the_terms_of_its_row() -> None:
    mapping = read(row("") + row('days = 30\nseats = "hold"', course="12") + row("", course="13"))
    match = mapping.match(line("a"))
    assert match is not None
    assert [(target.course_id, terms.access.days) for target, terms in match.deals()] == [
        ("11", None),
        ("12", 30),
        ("13", None),
    ]
    assert match.seats is SeatRule.HOLD


@pytest.mark.parametrize(
    ("sku", "by_name"), [("A", True), ("B1", False), ("77", False)], ids=["a SKU", "a wildcard", "the course"]
)
def test_only_a_row_about_this_very_product_names_it(sku: str, *, by_name: bool) -> None:
    mapping = read('sku_is_course = "campus"\n' + row("") + row("", "B*", "12"))
    match = mapping.match(line(sku))
    assert match is not None
    assert match.by_name is by_name


# -- the mapping as a value --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    ["days = 30", "until = 2027-06-30", "with_subscription = true", 'seats = "hold"', 'on_withdraw = "ask"'],
)
def test_terms_are_part_of_the_meaning(said: str) -> None:
    mapping = read(row(said))
    assert mapping.fingerprint != read(row("")).fingerprint
    assert Mapping.from_json(mapping.to_json()) == mapping


def test_a_mapping_kept_before_there_were_terms_is_read_and_means_what_it_meant() -> None:
    kept = (
        '{"rows":[{"source":"mapping.toml:1","product_id":null,"variation_id":null,"sku":"A","targets":[{"lms":"campus"'
        ',"course_id":"11","options":[]}],"ignore":false,"sync":[]}],"sku_is_course":null,"course_pattern":"\\\\S+"}'
    )
    assert Mapping.from_json(kept) == read(row(""))


def test_a_mapping_that_says_nothing_of_terms_has_the_fingerprint_it_had() -> None:
    """A daemon that is updated finds the mapping it has already told people about."""
    assert read(row("")).fingerprint == "89a3add905e7615230af8570371eef395de025507af3e87fbc366d8ab199a2cf"


locals_ = st.datetimes(min_value=wall("2000-01-02"), max_value=wall("2999-12-30"))
instants = locals_.map(lambda local: local.replace(tzinfo=UTC))
days = st.dates(min_value=date(2000, 1, 2), max_value=date(2999, 12, 30)).map(
    lambda day: datetime.combine(day, datetime.min.time())
)
ends: st.SearchStrategy[dict[str, object]] = st.one_of(
    st.just({}),
    st.builds(dict, days=st.integers(1, 36500)),
    st.builds(dict, until=st.one_of(locals_, instants, days)),
    st.just({"with_subscription": True}),
)


@settings(max_examples=50)
@given(end=ends, on_withdraw=st.sampled_from([None, *Withdrawal]))
def test_terms_written_as_keys_are_read_back(end: dict[str, object], on_withdraw: Withdrawal | None) -> None:
    terms = Terms(access=Access(**end), on_withdraw=on_withdraw)  # type: ignore[arg-type]  # of one_of
    assert terms_of(row("\n".join(f'{key} = "{text}"' for key, text in render_terms(terms).items()))) == terms


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    there = datetime(2027, 6, 30, 18, tzinfo=timezone(timedelta(hours=2)))
    assert render_until(there) == "2027-06-30T16:00:00Z"


@pytest.mark.parametrize(
    ("access", "words"),
    [
        (Access(), "without end"),
        (Access(days=1), "for 1 day"),
        (Access(days=365), "for 365 days"),
        (Access(until=wall("2027-07-01T00:00")), "until 2027-06-30"),
        (Access(until=wall("2027-06-30T18:00")), "until 2027-06-30 18:00"),
        (Access(with_subscription=True), "with a subscription"),
    ],
)
def test_people_are_told_how_long(access: Access, words: str) -> None:
    assert describe_access(access) == words
