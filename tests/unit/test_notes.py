"""What an order's note says."""

from collections.abc import Iterable, Mapping, Sequence

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


ORDER = "order 1017"


def digest(lines: Iterable[NoteLine]) -> str:
    return digest_note(ORDER, lines)


def render(lines: Sequence[NoteLine], learners: Mapping[LearnerKey, Person]) -> str:
    return render_note(lines, learners, digest(lines))


def test_a_note_says_who_is_enrolled_where() -> None:
    text = render([ENROLLED], LEARNERS)
    assert text.splitlines()[0] == (
        "Introducción a Python: ana@example.test is enrolled (campus, course 42)."
    )


def test_a_learner_who_was_erased_has_no_name() -> None:
    assert "The learner is enrolled" in render([ENROLLED], {})
    ended = NoteLine(fate=Fate.ENDED, place="campus, course 1", learner_key=ANA)
    assert render([ended], {}).startswith("The access of the learner has ended")


@pytest.mark.parametrize("fate", list(Fate))
def test_every_fate_has_a_sentence(fate: Fate) -> None:
    line = NoteLine(fate=fate, product="P", place="campus, course 1", learner_key=ANA, reason="because")
    text = render([line], LEARNERS)
    assert text.startswith("P: ")
    assert "{" not in text


def test_names_from_elsewhere_bring_no_markup_and_no_line_of_their_own() -> None:
    hostile = NoteLine(
        fate=Fate.ENROLLED, product='<script>x</script>\n<a href="//evil">y', place="c", learner_key=ANA
    )
    text = render([hostile], LEARNERS)
    assert "<" not in text
    assert len(text.splitlines()) == 2


def test_a_product_cannot_pass_itself_off_as_our_mark() -> None:
    forged = NoteLine(fate=Fate.ENROLLED, product=f"(wcsync {'0' * 12})", place="c", learner_key=ANA)
    text = render([forged], LEARNERS)
    assert told_last([text]) == digest([forged])


def test_a_product_whose_name_is_nothing_to_see_is_not_named() -> None:
    blank = NoteLine(fate=Fate.ENROLLED, product=" \u200b ", place="campus, course 42", learner_key=ANA)
    assert render([blank], LEARNERS).startswith("ana@example.test is enrolled")


def test_a_long_order_gets_a_short_note() -> None:
    many = [NoteLine(fate=Fate.WAITS, product=f"P{n}", place="c", learner_key=ANA) for n in range(200)]
    text = render(many, LEARNERS)
    assert "… and 170 more" in text
    assert len(text.splitlines()) == 32


@given(st.lists(lines, min_size=1, max_size=5))
def test_a_note_is_known_again_by_what_it_tells(told: list[NoteLine]) -> None:
    text = render(told, LEARNERS)
    assert told_last(["something else", text, "a later note of somebody's"]) == digest(told)
    assert digest(parse_lines(dump_lines(told))) == digest(told)
    assert digest(reversed(told)) == digest(told)


def test_the_newest_mark_counts() -> None:
    ended = NoteLine(fate=Fate.ENDED, product="P", place="c", learner_key=ANA)
    first, second = render([ENROLLED], LEARNERS), render([ended], LEARNERS)
    assert told_last([first, second]) == digest([ended])
    assert told_last(["by hand"]) is None


def test_the_digest_does_not_depend_on_whose_ledger_it_is() -> None:
    elsewhere = NoteLine(
        fate=ENROLLED.fate, product=ENROLLED.product, place=ENROLLED.place, learner_key=LearnerKey("other")
    )
    assert digest([elsewhere]) == digest([ENROLLED])


def test_the_same_news_of_another_order_is_another_note() -> None:
    assert digest_note("order 1018", [ENROLLED]) != digest([ENROLLED])


def test_what_the_outbox_keeps_holds_no_address() -> None:
    assert "ana" not in dump_lines([ENROLLED])
