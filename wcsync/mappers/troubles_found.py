"""What is wrong, from the facts of one moment. Pure."""

from collections.abc import Collection, Iterator

from wcsync.health import Condition
from wcsync.mappers.alerts import ROWS, Kind
from wcsync.mappers.troubles import (
    CoursesFact,
    Facts,
    Look,
    Part,
    ProofFact,
    RowFact,
    Rules,
    Trouble,
    WaitingFact,
)


def find_troubles(facts: Facts, known: Collection[str], rules: Rules, look: Look) -> dict[str, Trouble]:
    """Everything that is wrong, by key. `known`: what is not over yet; that comes back without a delay."""
    found = [
        *_of_services(facts, known, rules, look),
        *_of_ways(facts, rules),
        *_of_reading(facts, known, rules, look),
        *_of_mapping(facts),
        *_of_courses(facts.courses, known, rules, look),
        *_of_proof(facts.proof, rules, look),
        *_of_withdrawals(facts.barred),
        *(_of_budget(fact) for fact in facts.budgets if rules.parts.get(fact.name) is Part.LMS),
        *(_of_row(row) for row in facts.rows),
    ]
    return {trouble.key: trouble for trouble in found if trouble.kind in rules.kinds}


def _of_services(facts: Facts, known: Collection[str], rules: Rules, look: Look) -> Iterator[Trouble]:
    for fact in facts.services:
        part, key = rules.parts.get(fact.name), f"service/{fact.name}"
        if part is None or fact.condition is Condition.UP:
            continue
        blocked = fact.condition is Condition.BLOCKED
        lasts = look.steady and look.now - fact.since >= rules.after
        if blocked or lasts or key in known:
            yield Trouble(
                key=key,
                kind=Kind.SERVICE,
                title=f"{fact.name} is {'blocked' if blocked else 'down'}",
                detail=fact.reason.removeprefix(f"{fact.name}: "),
                advice=f"{_MEANWHILE[part]} {_REMEDY_BLOCKED if blocked else _REMEDY_DOWN}",
                since=fact.since,
                grade=2 if blocked else 1,
            )


def _of_ways(facts: Facts, rules: Rules) -> Iterator[Trouble]:
    for way, (since, reason) in facts.speechless.items():
        if way in rules.ways:
            yield Trouble(
                key=f"way/{way}",
                kind=Kind.SERVICE,
                title=f"{rules.ways[way]} gave up a message",
                detail=reason.removeprefix(f"{rules.ways[way]}: "),
                advice=f"{_MEANWHILE[Part.WAY]} Mend what the reason names; `wcsync alert test` tries every way.",
                since=since,
            )


def _of_reading(facts: Facts, known: Collection[str], rules: Rules, look: Look) -> Iterator[Trouble]:
    """A shop that is down is not read either: that is one trouble, and it has a name already."""
    key, since = "poll", min(look.read_at, look.now)
    shops = {name for name, part in rules.parts.items() if part is Part.SHOP}
    sick = any(fact.name in shops and fact.condition is not Condition.UP for fact in facts.services)
    overdue = look.now - since >= rules.overdue
    if overdue and (key in known or (look.steady and not sick)):
        yield Trouble(
            key=key,
            kind=Kind.POLL,
            title="orders have not been read to the end",
            detail="no look at the shop was completed, although the shop is not known to be down",
            advice="None is lost: what changed is read as soon as a look succeeds. The log says why looks fail "
            "(`poller_failed`, or `orders_polled` with complete=false); `wcsync check` looks at the shop now.",
            since=since,
        )


def _of_mapping(facts: Facts) -> Iterator[Trouble]:
    if facts.refused_since is not None:
        more = len(facts.refusals) - 3
        yield Trouble(
            key="mapping",
            kind=Kind.MAPPING,
            title="the mapping file is refused",
            detail="; ".join(facts.refusals[:3]) + (f"; and {more} more" if more > 0 else ""),
            advice="The last good version stays in force. Correct the file: `wcsync mapping check` names every line; "
            "it is read again by itself.",
            since=facts.refused_since,
        )


def _of_courses(fact: CoursesFact, known: Collection[str], rules: Rules, look: Look) -> Iterator[Trouble]:
    """A stop is one until a run is good, whatever else fails meanwhile. A run that failed before a long rest is tried
    again first; where runs just do not come, only the time counts that this process lived through."""
    if rules.stale is None:
        return
    key = "courses"
    if fact.stop is not None:
        yield Trouble(
            key=key,
            kind=Kind.COURSES,
            title="the course mirror was stopped by a guard",
            detail=fact.stop.reason,
            advice=f"{_UNHURT} {fact.stop.advice}".strip(),
            since=fact.stop.at,
            grade=2,
        )
        return
    tried = fact.run_at is not None and fact.run_at >= look.steady_since
    lived = max(fact.good_at or look.steady_since, look.steady_since)
    since = fact.bad_since or lived
    overdue = look.now - (since if tried else lived) >= rules.stale
    if overdue or (key in known and fact.bad_since is not None):
        yield Trouble(
            key=key,
            kind=Kind.COURSES,
            title="course data has not been mirrored",
            detail=fact.reason or "no run came to its end",
            advice=f"{_UNHURT} `wcsync status` tells of the last run, `wcsync courses diff` tries one now without "
            "writing; the log says more (`poller_failed`).",
            since=since,
        )


def _of_proof(fact: ProofFact, rules: Rules, look: Look) -> Iterator[Trouble]:
    """Lines that nobody can explain, services that were not believed, a proof that does not come about. Where none is
    tried, only the time counts that this process lived through."""
    if rules.unproven is None:
        return
    if fact.unexplained_since is not None:
        yield Trouble(
            key="reconcile/unexplained",
            kind=Kind.RECONCILE,
            title="paid lines are unexplained",
            detail=f"{fact.unexplained} paid {'line' if fact.unexplained == 1 else 'lines'} of the shop cannot be "
            "found again",
            advice="This is a fault of wcsync or of the ledger's file. `wcsync reconcile` lists them, each with what "
            "to do; it is looked again every night.",
            since=fact.unexplained_since,
        )
    for name, (suspect_since, why) in fact.suspects.items():
        yield Trouble(
            key=f"reconcile/suspect/{name}",
            kind=Kind.RECONCILE,
            title=f"{name} lacks most of what it had",
            detail=why,
            advice="The proof counts by the ledger alone meanwhile, so that learners may be out who count as enrolled. "
            "`wcsync reconcile` says what to do; it is looked again every night.",
            since=suspect_since,
        )
    tried = fact.tried_at is not None and fact.tried_at >= look.steady_since
    lived = max(fact.worked_at or look.steady_since, look.steady_since)
    since = fact.failed_since if tried and fact.failed_since is not None else lived
    if look.now - since >= rules.unproven:
        yield Trouble(
            key="reconcile/stale",
            kind=Kind.RECONCILE,
            title="the proof that no paid line is lost did not come about",
            detail=fact.reason or "no run came to its end",
            advice="Orders are read and learners are enrolled as always; only the proof is missing. `wcsync reconcile` "
            "makes it now, and says what keeps it from its end.",
            since=since,
        )


def _of_withdrawals(fact: WaitingFact | None) -> Iterator[Trouble]:
    if fact is not None:
        yield Trouble(
            key="withdrawals",
            kind=Kind.WITHDRAWALS,
            title="a mass withdrawal was stopped",
            detail=f"{fact.rows} withdrawals wait: more at once than max_withdrawals allows",
            advice="Nobody is put out meanwhile, enrolments go on. `wcsync withdrawals` lists them: if they are right "
            "`wcsync withdrawals allow`, if not mend the orders in the shop and they go by themselves.",
            since=fact.since,
        )


def _of_budget(fact: WaitingFact) -> Trouble:
    return Trouble(
        key=f"budget/{fact.name}",
        kind=Kind.BUDGET,
        title=f"{fact.name} may get no further account for now",
        detail=f"{fact.rows} {'enrolment waits' if fact.rows == 1 else 'enrolments wait'} for room in [lms.budget]",
        advice="Nothing is dropped: with the next day's budget, or a larger one in the config, they go on by "
        "themselves. `wcsync status` shows what is used.",
        since=fact.since,
    )


def _of_row(row: RowFact) -> Trouble:
    return Trouble(
        key=row.key,
        kind=row.kind,
        title=row.title,
        detail=row.reason,
        advice=_ROW_ADVICE[row.kind],
        since=row.since,
    )


_UNHURT = "Products stay as they are meanwhile; orders and enrolments go on."
_MEANWHILE = {
    Part.SHOP: "No orders are read meanwhile; none is lost, they are read as soon as the shop answers again.",
    Part.LMS: "Orders are still read. Enrolments there wait and are made up for by themselves; none is lost.",
    Part.NOTES: "Enrolments go on; only the notes beside the orders wait.",
    Part.WAY: "Enrolments go on, and the other ways still tell of trouble.",
}
assert _MEANWHILE.keys() == set(Part)
_REMEDY_DOWN = (
    "If it is in maintenance there is nothing to do; otherwise see whether it answers at all: "
    "`wcsync check` looks now."
)
_REMEDY_BLOCKED = (
    "A person must mend what the reason names. What is mended over there is noticed by itself; after a new key, "
    "password or url restart wcsync. `wcsync check` (for alerts `wcsync alert test`) looks now."
)
_ROW_ADVICE = {
    Kind.DEAD: "These are not tried again by themselves; all others go on. `wcsync dead list` says why: mend the "
    "cause, then `wcsync dead revive`.",
    Kind.PARKED: "wcsync cannot decide these alone. `wcsync parked list` says what each one needs; "
    "`wcsync parked drop ORDER` when it is dealt with.",
    Kind.MESSAGE: "These notes will not be written; the enrolments are not concerned. `wcsync show ORDER` tells what "
    "became of an order.",
}
assert set(_ROW_ADVICE) == set(ROWS)
