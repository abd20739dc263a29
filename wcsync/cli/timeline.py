"""An order's story as one line of time: what the shop said, what was decided, each attempt, each note."""

from collections.abc import Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]

ACTIONS = {
    "order_read": "the shop said",
    "wish_changed": "what should be changed",
    "in_applied": "enrolled",
    "out_applied": "withdrawn",
    "kept": "left in the course",
    "asked": "left in the course until a person allows the withdrawal",
    "deferred": "did not work, is tried again",
    "gave_up": "given up",
    "revived": "tried again, by a person",
    "known_again": "tried again, as it is known again who the learner is",
    "dropped": "taken off the dead list, by a person",
    "confirmed": "seen in the course",
    "unconfirmed": "not to be seen in the course yet",
    "missing": "not in the course any more",
    "seen_again": "seen in the course again",
    "enrolled_again": "to be enrolled again, by a person",
    "unseated": "planned anew, as nobody had got in",
    "parked_dropped": "taken off the parked list, by a person",
    "end_decided": "a person said that it ends",
    "end_outlived": "that word has done its work, as the shop took it back",
    "held": "held, by a person",
    "held_back": "held, as the restored ledger may lack a person's decision",
    "released": "released, by a person",
    "seat_assigned": "a seat given to a learner, by a person",
    "withdrawal_allowed": "the withdrawal allowed, by a person",
}
"""What happened to an order, by the audit's actions."""
BY = {"shop": "shop", "orders": "wcsync", "worker": "wcsync", "reconcile": "proof", "operator": "person"}
"""Who did it, by the audit's actors."""


def timeline(story: Row) -> list[dict[str, str]]:
    """Everything that has happened, oldest first: `at`, `by`, `what`, `about`, `detail`."""
    return sorted(_moments(story), key=lambda moment: moment["at"])


def _moments(story: Row) -> Iterator[dict[str, str]]:
    for name, what in (("created_at", "ordered"), ("paid_at", "paid"), ("completed_at", "completed")):
        if story.get(name):
            yield _moment(story[name], "shop", what)
    for row in story["audit"]:
        what, by = ACTIONS.get(row["action"], row["action"]), BY.get(row["actor"], row["actor"])
        yield _moment(row["at"], by, what, about(row["subject"]), row["detail"])
    for row in story["parked"]:
        line = f"line {row['line_id']}" if row["line_id"] else "order"
        yield _moment(row["since"], "wcsync", f"needs a person ({row['kind']})", line, row["reason"])
    for row in story["notes"]:
        yield _moment(row["created_at"], "wcsync", f"note {row['number']} made", "order")
        if row["state"] == "settled":
            what = "not written" if row["error"] else "written beside the order"
            yield _moment(row["changed_at"], "wcsync", f"note {row['number']} {what}", "order", row["error"])
    for row in story["subscriptions"]:
        detail = f"subscription {row['subscription_id']}"
        yield _moment(row["modified_at"], "shop", f"the subscription became {row['status']}", "order", detail)


def about(subject: str) -> str:
    """`enrolment campus/42/9f…` as people say it; anything else as it is."""
    what, _, key = subject.partition(" ")
    lms, _, rest = key.partition("/")
    course, _, learner = rest.rpartition("/")
    return f"{lms} course {course}, learner {learner[:8]}…" if what == "enrolment" and learner else subject


def _moment(at: str, by: str, what: str, subject: str = "order", detail: str = "") -> dict[str, str]:
    return {"at": at, "by": by, "what": what, "about": subject, "detail": detail}
