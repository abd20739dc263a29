"""What people are told of the proof, of stopped withdrawals and of spent budgets."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes import T0
from wcsync.mappers.alerts import Kind
from wcsync.mappers.troubles import Facts, Look, Part, ProofFact, Rules, WaitingFact
from wcsync.mappers.troubles_found import find_troubles

RULES = Rules(
    kinds=frozenset(Kind),
    parts={"shop": Part.SHOP, "campus": Part.LMS},
    ways={},
    after=timedelta(minutes=5),
    overdue=timedelta(minutes=10),
    quiet=timedelta(minutes=5),
    batch=timedelta(minutes=15),
    unproven=timedelta(days=3),
)
LATER = T0 + timedelta(days=10)
LOOK = Look(now=LATER, read_at=LATER, steady=True, steady_since=T0)


def keys(facts: Facts, rules: Rules = RULES, look: Look = LOOK) -> set[str]:
    return set(find_troubles(facts, (), rules, look))


def proven(**fields: object) -> Facts:
    return Facts(proof=replace(ProofFact(worked_at=LATER - timedelta(days=1)), **fields))  # type: ignore[arg-type]


def test_a_proof_that_works_is_no_trouble() -> None:
    assert keys(proven()) == set()


def test_unexplained_lines_are_told_with_how_many() -> None:
    found = find_troubles(proven(unexplained=2, unexplained_since=T0), (), RULES, LOOK)
    assert found["reconcile/unexplained"].kind is Kind.RECONCILE
    assert "2 paid lines" in found["reconcile/unexplained"].detail


def test_a_service_that_lacks_most_of_what_it_had_is_told() -> None:
    why = "campus: 12 of 12 learners are not there"
    found = find_troubles(proven(suspects={"campus": (T0, why)}), (), RULES, LOOK)
    assert found.keys() == {"reconcile/suspect/campus"}
    assert (found["reconcile/suspect/campus"].detail, found["reconcile/suspect/campus"].since) == (why, T0)


@pytest.mark.parametrize(("days", "told"), [(2, False), (3, True)])
def test_a_proof_that_does_not_come_about_is_told_after_three_days(days: int, told: bool) -> None:
    facts = Facts(proof=ProofFact(worked_at=LATER - timedelta(days=days)))
    assert ("reconcile/stale" in keys(facts)) == told


def test_failures_count_across_restarts() -> None:
    since = LATER - timedelta(days=4)
    fact = ProofFact(failed_since=since, tried_at=LATER, reason="shop: it broke off")
    look = replace(LOOK, steady_since=LATER - timedelta(hours=1))
    found = find_troubles(Facts(proof=fact), (), RULES, look)
    assert found["reconcile/stale"].since == since
    assert found["reconcile/stale"].detail == "shop: it broke off"


def test_a_machine_that_was_off_for_a_week_has_time_for_its_proof() -> None:
    facts = Facts(proof=ProofFact(worked_at=T0))
    assert keys(facts, look=replace(LOOK, steady_since=LATER)) == set()


def test_where_the_proof_is_off_nobody_is_told() -> None:
    facts = Facts(proof=ProofFact(unexplained=1, unexplained_since=T0))
    assert keys(facts, replace(RULES, unproven=None)) == set()


def test_stopped_withdrawals_are_one_trouble_with_their_command() -> None:
    facts = replace(proven(), barred=WaitingFact(rows=40, since=T0))
    found = find_troubles(facts, (), RULES, LOOK)
    assert found.keys() == {"withdrawals"}
    assert "wcsync withdrawals allow" in found["withdrawals"].advice


def test_each_lms_whose_budget_is_spent_is_one_trouble() -> None:
    waiting = tuple(WaitingFact(name=name, rows=3, since=T0) for name in ("campus", "gone"))
    found = find_troubles(replace(proven(), budgets=waiting), (), RULES, LOOK)
    assert found.keys() == {"budget/campus"}
    assert found["budget/campus"].kind is Kind.BUDGET
