"""Log lines as sentences: each event the program knows, in words for a tired person. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Line = Mapping[str, Any]
Sentence = Callable[[Line], str]

UNSPOKEN = {"at", "level", "event", "exception", "logger"}
"""Keys that are shown elsewhere, or of no use to people."""

_IN = {
    "created": "Enrolled {who} in {course}",
    "already": "{who} is in {course} already",
    "restored": "Gave {who} access to {course} again",
    "kept": "Left {who} in {course}: not wcsync's own enrolment",
    "taken_over": "Another worker took over {who} in {course}",
}
_OUT = {
    "removed": "Withdrew {who} from {course}",
    "absent": "{who} is not in {course} (any more)",
    "suspended": "Suspended {who} in {course}; progress stays",
    "expired": "The time of {who} in {course} is over, the LMS saw to it",
    "kept": "Left {who} in {course}: it was sold so, or they were there before wcsync",
    "asked": "Left {who} in {course} until a person says otherwise (`wcsync parked list`)",
    "taken_over": "Another worker took over the withdrawal of {who} from {course}",
}
_SHOP = "shop"


def render_sentence(line: Line, orders: str = "") -> str:
    """What the line says; an unknown event is shown with its keys. `orders`: those that sold the learner the course."""
    event = str(line.get("event", ""))
    sentence = SENTENCES.get(event)
    if sentence is None:
        return _plainly(line)
    text = sentence(line)
    return f"{text} ({orders})" if orders else text


def services_of(line: Line) -> set[str]:
    """The services a line is about."""
    named = {str(line[key]) for key in ("service", "lms") if isinstance(line.get(key), str)}
    about_shop = line.get("event") in _ABOUT_SHOP and line.get("job", "orders") == "orders"
    return named | ({_SHOP} if about_shop else set())


def _plainly(line: Line) -> str:
    keys = " ".join(f"{key}={value}" for key, value in line.items() if key not in UNSPOKEN)
    return f"{line.get('event', '')} {keys}".strip()


def _enrolment_settled(line: Line) -> str:
    who, course = (
        f"learner {line.get('learner', '?')}…",
        f"{line.get('lms', '?')} course {line.get('course_id', '?')}",
    )
    outcome, out = str(line.get("outcome")), line.get("desired") == "out"
    act = f"withdraw {who} from {course}" if out else f"enrol {who} in {course}"
    if outcome == "deferred":
        text = f"Could not {act} yet: {line.get('reason', '')}; next try in {_wait(line.get('retry_in_s'))}"
    elif outcome == "dead":
        text = f"GAVE UP to {act}: {line.get('reason', '')}; see `wcsync dead list`"
    else:
        known = (_OUT if out else _IN).get(outcome)
        text = (
            _capital(known.format(who=who, course=course))
            if known
            else f"Settled {who} in {course}: {outcome}"
        )
    attempt = line.get("attempt")
    return f"{text} [{_ordinal(attempt)} attempt]" if isinstance(attempt, int) and attempt > 1 else text


def _message_settled(line: Line) -> str:
    about = str(line.get("subject") or line.get("channel") or "something")
    outcome = str(line.get("outcome"))
    if outcome == "deferred":
        wait = _wait(line.get("retry_in_s"))
        return f"Could not send the message about {about} yet: {line.get('reason', '')}; next try in {wait}"
    if outcome == "dead":
        return f"GAVE UP the message about {about}: {line.get('reason', '')}"
    return (
        f"The message about {about} was there already"
        if outcome == "already"
        else f"Sent the message about {about}"
    )


def _orders_polled(line: Line) -> str:
    fresh, lines = _count(line.get("fresh"), "new or changed order"), _count(line.get("lines"), "line")
    text = f"Read the shop: {fresh} with {lines}"
    text += f", {line['unmapped']} NOT IN THE MAPPING" if line.get("unmapped") else ""
    text += f", {line['parked']} for a person (`wcsync parked list`)" if line.get("parked") else ""
    return text if line.get("complete", True) else f"{text}; not to the end, it goes on from there"


def _figures(line: Line, names: Iterable[str]) -> str:
    """Those that are not 0, in words."""
    return ", ".join(f"{line[name]} {name.replace('_', ' ')}" for name in names if line.get(name))


def _cycle_finished(line: Line) -> str:
    names = ("enrolled", "open_seats", "due", "parked", "unmapped", "dead", "unexplained")
    figures = _figures(line, names)
    return f"One cycle is done: {_count(line.get('lines'), 'paid line')}; {figures or 'nothing waits'}"


def _mapping_refused(line: Line) -> str:
    return (
        f"The mapping file is REFUSED, the last good version stays in force: {_listed(line.get('problems'))}"
    )


def _config_reloaded(line: Line) -> str:
    changed = line.get("changed")
    names = ", ".join(map(str, changed)) if isinstance(changed, list) else str(changed or "")
    return f"The config was read again and is in force; changed: {names or 'nothing'}"


def _courses_synced(line: Line) -> str:
    """`failed` and `edited` are told where there are any."""
    whole = "Compared in full" if line.get("full") else "Compared"
    text = f"{whole}: {_count(line.get('courses'), 'course')} with {_count(line.get('products'), 'product')}"
    text += (
        f"; {_count(line.get('written'), 'product')} written" if line.get("changed") else "; nothing to write"
    )
    text += f", {line['failed']} NOT WRITTEN" if line.get("failed") else ""
    edited = f"{_count(line.get('edited'), 'field')} changed by people and left alone"
    return f"{text}, {edited}" if line.get("edited") else text


def _courses_stopped(line: Line) -> str:
    """There is a hint where a guard stopped it; a service that is in trouble has its own lines."""
    hint = f"; {line['hint']}" if line.get("hint") else ""
    return f"The course mirror did NOT DO ALL: {line.get('reason', '')}{hint}"


def _reconciled(line: Line) -> str:
    names = ("enrolled", "open_seats", "due", "ended", "parked", "dead", "unmapped", "unexplained")
    figures = _figures(line, names)
    text = f"Shop, ledger and LMS were compared: {_count(line.get('paid_lines'), 'paid line')}"
    text += f"; {figures}" if figures else ""
    text += (
        f"; {_count(line['missing'], 'learner')} NOT IN THE COURSE any more" if line.get("missing") else ""
    )
    lost = line.get("unexplained")
    return f"{text}. UNEXPLAINED LINES: `wcsync reconcile` lists them" if lost else text


def _withdrawals_stopped(line: Line) -> str:
    waiting = _count(line.get("waiting"), "withdrawal")
    inside, hint = line.get("inside", "?"), line.get("hint", "")
    return f"STOPPED before a mass withdrawal: {waiting} wait, of {inside} learners who are in; {hint}"


def _course(line: Line) -> str:
    return f"Course {line.get('course_id', '?')} of {line.get('lms', '?')}"


def _product(line: Line) -> str:
    return f"product {line.get('product_id', '?')}"


def _listed(problems: object) -> str:
    return "; ".join(map(str, problems)) if isinstance(problems, list) else str(problems or "")


def _backfill_progressed(line: Line) -> str:
    of = f" of about {line['pages']}" if line.get("pages") else ""
    return f"Backfill: page {line.get('page', '?')}{of}, {_count(line.get('fresh'), 'new or changed order')} so far"


def _daemon_started(line: Line) -> str:
    lms = line.get("lms")
    names = ", ".join(map(str, lms)) if isinstance(lms, list) else str(lms or "")
    return f"wcsync {line.get('version', '')} started, for the LMSs: {names}"


def _poller_failed(line: Line) -> str:
    """Without a job it is the reading of orders, which catches its faults itself."""
    doing = f"did its job {line['job']}" if line.get("job", "orders") != "orders" else "read orders"
    return f"A FAULT OF WCSYNC while it {doing}; nothing is lost, it is tried again"


SENTENCES: dict[str, Sentence] = {
    "backfill_progressed": _backfill_progressed,
    "clock_jumped": lambda _: "This machine's clock was set; all jobs run at once",
    "ledger_failing": lambda line: (
        f"THE LEDGER CANNOT BE USED: {line.get('reason', '')}; {line.get('hint', '')}; nothing is sent meanwhile"
    ),
    "ledger_recovered": lambda line: f"The ledger can be used again, after {_wait(line.get('down_s'))}",
    "log_stalled": lambda line: (
        f"Whoever takes the log did not for a while: {_count(line.get('lost'), 'line')} lost"
    ),
    "budget_spent": lambda line: (
        f"{line.get('lms', '?')} may get no further account for now; {_count(line.get('rows'), 'enrolment')} wait: "
        f"{line.get('hint', '')}"
    ),
    "reconciled": _reconciled,
    "service_suspect": lambda line: (
        f"{line.get('service', '')} was NOT BELIEVED by the proof: {line.get('reason', '')}; {line.get('hint', '')}"
    ),
    "reconcile_failed": lambda line: (
        f"The nightly proof did NOT WORK: {line.get('reason', '')}; {line.get('hint', '')}"
    ),
    "withdrawals_stopped": _withdrawals_stopped,
    "config_refused": lambda line: (
        f"The changed config is REFUSED, the old one stays in force: {_listed(line.get('problems'))}"
    ),
    "config_reloaded": _config_reloaded,
    "config_warning": lambda line: (
        f"Config: {line.get('where', '')}: {line.get('reason', '')}. {line.get('hint', '')}"
    ),
    "course_back": lambda line: f"{_course(line)} is there and open again",
    "course_gone": lambda line: f"{_course(line)} is gone, hidden or archived; its products stay as they are",
    "courses_stopped": _courses_stopped,
    "courses_synced": _courses_synced,
    "cycle_finished": _cycle_finished,
    "daemon_hung": lambda line: (
        f"A part of wcsync did not come back and was left behind: {line.get('reason', '')}"
    ),
    "daemon_started": _daemon_started,
    "daemon_stopped": lambda _: "wcsync stopped",
    "daemon_stopping": lambda _: "wcsync is stopping: it finishes what is under way",
    "daemon_unsound": lambda line: f"wcsync cannot go on and ends itself: {line.get('reason', '')}",
    "enrolment_settled": _enrolment_settled,
    "enrolments_confirmed": lambda line: (
        f"{line.get('lms', '?')} now shows {_count(line.get('shown'), 'learner')} in the course, of those it had taken"
    ),
    "enrolments_unconfirmed": lambda line: (
        f"{line.get('lms', '?')} took {_count(line.get('late'), 'learner')}, but does not show them in the course: "
        f"{line.get('hint', '')}"
    ),
    "heartbeat_failing": lambda line: (
        f"The sign of life does not get through: {line.get('reason', '')}; {line.get('hint', '')}"
    ),
    "heartbeat_recovered": lambda _: "The sign of life gets through again",
    "job_abandoned": lambda line: (
        f"wcsync ends although its job {line.get('job', '?')} hangs (a mount that went away?); nothing is lost"
    ),
    "learners_forgotten": lambda line: (
        f"Erased here, the retention time being over: {_count(line.get('learners'), 'learner')}"
    ),
    "leases_recovered": lambda line: (
        f"Took up again what a stopped process left (enrolments and messages: {line.get('rows', '?')})"
    ),
    "ledger_restored": lambda line: (
        f"The ledger is a backup of {line.get('taken_at')}: what was done since is looked up before anything is written"
    ),
    "decision_lost": lambda line: (
        f"Order {line.get('order_id')} is held: its note tells of a decision that the restored ledger does not know"
    ),
    "ledger_caught_up": lambda line: (
        f"The restored ledger has caught up: {_count(line.get('fresh'), 'order')} were news, "
        f"{_count(line.get('missing'), 'learner')} not to be seen in an LMS"
    ),
    "ledger_started": lambda line: (
        f"A new ledger begins: orders changed since {line.get('orders_since', '?')} are read; {line.get('hint', '')}"
    ),
    "lines_replanned": lambda line: (
        f"The mapping now knows products of {_count(line.get('orders'), 'order')} sold before; "
        f"{_count(line.get('still_unmapped'), 'line')} still in no row"
    ),
    "lms_missing": lambda line: (
        f"{_count(line.get('rows'), 'enrolment')} wait for {line.get('lms', '?')}, which is in the config no more; "
        f"{line.get('hint', '')}"
    ),
    "mapping_accepted": lambda line: f"The mapping is in force: {_count(line.get('rows'), 'row')}",
    "mapping_mended": lambda _: "The mapping file is mended and in force again",
    "mapping_refused": _mapping_refused,
    "message_settled": _message_settled,
    "orders_polled": _orders_polled,
    "poller_failed": _poller_failed,
    "reload_failed": lambda _: (
        "A FAULT OF WCSYNC while it took up the changed config; the old one stays in force"
    ),
    "product_changed_elsewhere": lambda line: (
        f"LOOK AT {_product(line)}: {line.get('what', 'something')} changed while wcsync wrote, which never changes it"
    ),
    "product_left_alone": lambda line: (
        f"Left alone by the mirror ({line.get('row') or 'no row'}): "
        f"{_product(line) + ': ' if line.get('product_id') else ''}{line.get('reason', '')}"
    ),
    "product_not_written": lambda line: (
        f"Could not write {line.get('field') or 'the changes'} of {_product(line)}: {line.get('reason', '')}"
    ),
    "recipient_refused": lambda line: (
        f"A mail did not reach everybody: {line.get('reason', '')}; {line.get('hint', '')}"
    ),
    "rules_changed": lambda line: f"paid_statuses is another than before: {line.get('hint', '')}",
    "service_blocked": lambda line: (
        f"{line.get('service', '?')} REFUSES wcsync, its work waits until a person mends it: {line.get('reason', '')}"
    ),
    "service_first_seen": lambda line: (
        f"{line.get('service', '?')} answers for the first time: {line.get('identity')}"
    ),
    "service_recovered": lambda line: (
        f"{line.get('service', '?')} works again after {_wait(line.get('down_s'))}"
    ),
    "service_unavailable": lambda line: (
        f"{line.get('service', '?')} is in trouble, its work waits: {line.get('reason', '')}"
    ),
    "subscription_unreadable": lambda line: (
        f"Subscription {line.get('subscription_id') or '?'} cannot be read, what it gave access to stays: "
        f"{line.get('reason', '')}"
    ),
    "subscriptions_polled": lambda line: (
        f"Read the shop: {_count(line.get('fresh'), 'new or changed subscription')}"
        f"{'' if line.get('complete', True) else '; not to the end, it goes on from there'}"
    ),
    "subscriptions_recovered": lambda _: "Subscriptions can be read again",
    "subscriptions_unavailable": lambda line: (
        f"Subscriptions cannot be read, nobody's access ends for it: {line.get('reason', '')}"
    ),
    "troubles_told": lambda line: (
        f"People are told: {_count(line.get('began'), 'new trouble')}, {line.get('ended', '?')} over"
    ),
    "worker_failed": lambda _: "A FAULT OF WCSYNC while it worked; the work is put off, not lost",
}
_ABOUT_SHOP = {
    "orders_polled",
    "ledger_started",
    "rules_changed",
    "backfill_progressed",
    "poller_failed",
    "reconcile_failed",
    "subscriptions_polled",
    "subscriptions_recovered",
    "subscriptions_unavailable",
    "subscription_unreadable",
}


def _wait(seconds: object) -> str:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return "a while"
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def _count(number: object, noun: str) -> str:
    return f"{number if number is not None else '?'} {noun}{'' if number == 1 else 's'}"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
