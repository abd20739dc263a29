"""Which call a due row needs: every cause, every word of the sale and the config, every LMS."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.fakes import CAMPUS, T0
from wcsync.effects import Customs, Stay, effect_of
from wcsync.ledger.base import Claim
from wcsync.lms.base import Capability
from wcsync.model import Applied, CourseId, Desired, LearnerKey, Outcome, Person, Seat
from wcsync.sale import LAPSES, Cause, Withdrawal

ALL = frozenset(Capability)
NONE: frozenset[Capability] = frozenset()
EARLIER, LATER = T0 - timedelta(days=1), T0 + timedelta(days=1)


class Listening:
    """An LMS that tells which call it got."""

    def ensure_withdrawn(self, _seat: Seat, _intent: object) -> Applied:
        return Applied(outcome=Outcome.REMOVED)

    def ensure_suspended(self, _seat: Seat, _intent: object) -> Applied:
        return Applied(outcome=Outcome.SUSPENDED)


class Declared:
    declared = True


def leaving(**more: object) -> Claim:
    """Somebody we enrolled, who should be out."""
    claim = Claim(
        lms=CAMPUS,
        learner_key=LearnerKey("k"),
        desired=Desired.OUT,
        seat=Seat(
            learner=Person(email="a@example.test"), course_id=CourseId("42"), user_id="7", applied=True
        ),
        revision=2,
        lease=1,
        attempts=1,
        ours=True,
        found=False,
        written=False,
        nothing_sent=False,
        sending_since=T0,
        open_since=None,
        open_withdrawal=False,
        account_open_since=None,
        shared=False,
        refused_at=None,
        service_was_up=True,
        cause=Cause.ORDER,
    )
    return replace(claim, **more)  # type: ignore[arg-type]


def ending(end: datetime | None, **more: object) -> Claim:
    claim = leaving(cause=Cause.EXPIRED)
    return replace(claim, seat=replace(claim.seat, applied_until=end), **more)  # type: ignore[arg-type]


def done(
    claim: Claim, can: frozenset[Capability] = ALL, on_withdraw: Withdrawal | None = None
) -> Outcome | Stay:
    """What a due row comes to where every call works."""
    effect = effect_of(claim, Customs(capabilities=can, on_withdraw=on_withdraw), T0)
    if isinstance(effect, Stay):
        return effect
    if isinstance(effect, Applied):
        return effect.outcome
    return effect(Listening(), Declared()).outcome  # type: ignore[arg-type]


def called(claim: Claim, can: frozenset[Capability] = ALL) -> bool:
    return callable(effect_of(claim, Customs(capabilities=can), T0))


@pytest.mark.parametrize("cause", [None, *Cause])
def test_where_nothing_is_said_a_lapse_suspends_and_anything_else_unenrols(cause: Cause | None) -> None:
    expected = Outcome.SUSPENDED if cause in LAPSES else Outcome.REMOVED
    assert done(leaving(cause=cause)) is expected


@pytest.mark.parametrize("cause", Cause)
def test_an_lms_that_cannot_suspend_takes_the_learner_out(cause: Cause) -> None:
    assert done(leaving(cause=cause), NONE) is Outcome.REMOVED
    assert done(leaving(cause=cause, on_withdraw=Withdrawal.SUSPEND), NONE) is Outcome.REMOVED


WORDS = {
    Withdrawal.UNENROL: Outcome.REMOVED,
    Withdrawal.SUSPEND: Outcome.SUSPENDED,
    Withdrawal.KEEP: Stay.KEPT,
    Withdrawal.ASK: Stay.ASKED,
}


@pytest.mark.parametrize(
    ("sale", "config"), list(itertools.product([None, *Withdrawal], [None, *Withdrawal]))
)
def test_the_sales_word_counts_for_more_than_the_configs(
    sale: Withdrawal | None, config: Withdrawal | None
) -> None:
    word = sale or config
    for cause in Cause:
        expected = WORDS[word] if word else done(leaving(cause=cause))
        assert done(leaving(cause=cause, on_withdraw=sale), on_withdraw=config) is expected


def test_what_a_person_allowed_is_done() -> None:
    assert done(leaving(on_withdraw=Withdrawal.ASK, allowed=True)) is Outcome.REMOVED
    assert done(leaving(on_withdraw=Withdrawal.KEEP, allowed=True)) is Stay.KEPT


@pytest.mark.parametrize("word", [None, *Withdrawal])
def test_an_end_that_the_lms_keeps_itself_takes_no_call(word: Withdrawal | None) -> None:
    claim = ending(EARLIER, on_withdraw=word)
    assert done(claim) is Outcome.EXPIRED
    assert not called(claim)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(ending(LATER), id="the LMS would let the learner stay on"),
        pytest.param(ending(None), id="the LMS knows of no end"),
        pytest.param(ending(EARLIER, written=True), id="a later end may have been written"),
        pytest.param(replace(ending(EARLIER), cause=Cause.SUBSCRIPTION), id="another cause"),
    ],
)
def test_any_other_end_is_made_by_a_call(claim: Claim) -> None:
    assert called(claim)
    assert done(claim) is Outcome.SUSPENDED


def test_an_lms_without_ends_is_called_at_each() -> None:
    assert called(ending(EARLIER), NONE)


def test_a_shared_account_is_neither_suspended_nor_taken_out() -> None:
    for cause, word in itertools.product(Cause, [None, *Withdrawal]):
        claim = leaving(shared=True, cause=cause, on_withdraw=word)
        assert done(claim) is Outcome.ABSENT
        assert not called(claim)


def test_an_enrolment_found_is_left_alone_whatever_was_said() -> None:
    for cause, word in itertools.product(Cause, [None, *Withdrawal]):
        assert done(leaving(found=True, cause=cause, on_withdraw=word)) is Stay.KEPT


def test_what_was_never_sent_is_not_taken_back() -> None:
    assert done(leaving(nothing_sent=True)) is Outcome.ABSENT


def test_who_sleeps_sleeps_on() -> None:
    asleep = leaving(nothing_sent=True)
    asleep = replace(asleep, seat=replace(asleep.seat, dormant=True))
    assert done(asleep) is Outcome.SUSPENDED
    assert not called(asleep)
