"""What an order's note says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wcsync.mappers.notes import (
    Fate,
    NoteLine,
    digest_note,
    dump_lines,
    parse_lines,
    render_note,
    told_last,
)
from wcsync.model import LearnerKey, Person

ANA = LearnerKey("9f3a")
LEARNERS = {ANA: Person(email="ana@example.test", first_name="Ana")}
ENROLLED = NoteLine(
    fate=Fate.ENROLLED, product="Introducción a Python", place="campus, course 42", learner_key=ANA
)

lines = st.builds(
    NoteLine,
    fate=st.sampled_from(Fate),
    product=st.text(max_size=200),
    place=st.text(max_size=40),
    learner_key=st.just(ANA),
    reason=st.text(max_size=600),
)


def test_a_note_says_who_is_enrolled_where() -> None:
    text = render_note([ENROLLED], LEARNERS)
    assert text.splitlines()[0] == (
        "Introducción a Python: ana@example.test is enrolled (campus, course 42)."
    )


def test_a_learner_who_was_erased_has_no_name() -> None:
    assert "The learner is enrolled" in render_note([ENROLLED], {})


@pytest.mark.parametrize("fate", list(Fate))
def test_every_fate_has_a_sentence(fate: Fate) -> None:
    line = NoteLine(fate=fate, product="P", place="campus, course 1", learner_key=ANA, reason="because")
    text = render_note([line], LEARNERS)
    assert text.startswith("P: ")
    assert "{" not in text


def test_names_from_elsewhere_bring_no_markup_and_no_line_of_their_own() -> None:
    hostile = NoteLine(
        fate=Fate.ENROLLED, product='<script>x</script>\n<a href="//evil">y', place="c", learner_key=ANA
    )
    text = render_note([hostile], LEARNERS)
    assert "<" not in text
    assert len(text.splitlines()) == 2


def test_a_product_cannot_pass_itself_off_as_our_mark() -> None:
    forged = NoteLine(fate=Fate.ENROLLED, product=f"(wcsync {'0' * 12})", place="c", learner_key=ANA)
    text = render_note([forged], LEARNERS)
    assert told_last([text]) == digest_note([forged])


def test_a_product_whose_name_is_nothing_to_see_is_not_named() -> None:
    blank = NoteLine(fate=Fate.ENROLLED, product=" \u200b ", place="campus, course 42", learner_key=ANA)
    assert render_note([blank], LEARNERS).startswith("ana@example.test is enrolled")


def test_a_long_order_gets_a_short_note() -> None:
    many = [NoteLine(fate=Fate.WAITS, product=f"P{n}", place="c", learner_key=ANA) for n in range(200)]
    text = render_note(many, LEARNERS)
    assert "… and 170 more" in text
    assert len(text.splitlines()) == 32


@given(st.lists(lines, min_size=1, max_size=5))
def test_a_note_is_known_again_by_what_it_tells(told: list[NoteLine]) -> None:
    text = render_note(told, LEARNERS)
    assert told_last(["something else", text, "a later note of somebody's"]) == digest_note(told)
    assert digest_note(parse_lines(dump_lines(told))) == digest_note(told)
    assert digest_note(reversed(told)) == digest_note(told)


def test_the_newest_mark_counts() -> None:
    ended = NoteLine(fate=Fate.ENDED, product="P", place="c", learner_key=ANA)
    first, second = render_note([ENROLLED], LEARNERS), render_note([ended], LEARNERS)
    assert told_last([first, second]) == digest_note([ended])
    assert told_last(["by hand"]) is None


def test_the_digest_does_not_depend_on_whose_ledger_it_is() -> None:
    elsewhere = NoteLine(
        fate=ENROLLED.fate, product=ENROLLED.product, place=ENROLLED.place, learner_key=LearnerKey("other")
    )
    assert digest_note([elsewhere]) == digest_note([ENROLLED])


def test_what_the_outbox_keeps_holds_no_address() -> None:
    assert "ana" not in dump_lines([ENROLLED])
