"""The catalogue of log events: every line wcsync writes is one of these, with no other keys. README lists it."""

from dataclasses import dataclass

from wcsync.reckoning import Fate

ALWAYS = ("at", "level", "event")
"""Keys that every line has. A fault has `exception` besides, its traceback."""
ENROLMENT = ("lms", "course_id", "learner", "attempt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`keys`: those a line may have besides `ALWAYS`; `when`: what has happened, for people."""

    name: str
    keys: tuple[str, ...] = ()
    when: str


_TROUBLE = ("service", "reason")
_CONFIRMED = ("lms", "looked", "shown", "late", "duration_ms")
_PROOF = ("paid_lines", *(fate.value for fate in Fate))
_COUNTS = (
    "orders",
    "lines",
    "enrolled",
    "open_seats",
    "withdrawn",
    "ended",
    "parked",
    "unmapped",
    "ignored",
    "dropped",
    "dead",
    "due",
    "unexplained",
)

CATALOGUE = (
    Event(name="daemon_started", keys=("version", "lms"), when="the process works"),
    Event(name="daemon_stopping", when="it was told to stop, and settles what is under way"),
    Event(name="daemon_stopped", keys=("ending",), when="it has stopped, and how"),
    Event(
        name="daemon_unsound",
        keys=("reason",),
        when="the ledger's file is gone or cannot be written at a start or reload, a worker has ended, or a thread "
        "hangs: the process ends with 70 and systemd starts it anew",
    ),
    Event(
        name="daemon_hung",
        keys=("reason",),
        when="a thread did not come back while the process stopped; it was left behind",
    ),
    Event(
        name="job_abandoned",
        keys=("job", "after_s"),
        when="the process ends while a look at the mapping file hangs (a mount that went away); nothing is lost",
    ),
    Event(name="clock_jumped", when="this machine's clock was set; each job looks at once whether it is due"),
    Event(
        name="config_warning",
        keys=("where", "reason", "hint"),
        when="a secret stands in the config, a url is not https",
    ),
    Event(
        name="config_reloaded",
        keys=("changed",),
        when="a changed config is in force, and which sections differ",
    ),
    Event(
        name="config_refused",
        keys=("problems", "hint"),
        when="a changed config cannot be used; the old one stays in force",
    ),
    Event(
        name="reload_failed",
        when="a fault of wcsync while it took up a changed config; the old one stays in force",
    ),
    Event(
        name="ledger_failing",
        keys=("reason", "hint"),
        when="the ledger cannot be written or read: its disk is full, another program holds it, its rights are others; "
        "nothing is sent to an LMS meanwhile, and all goes on by itself once it can",
    ),
    Event(name="ledger_recovered", keys=("down_s",), when="the ledger can be written again"),
    Event(
        name="log_stalled",
        keys=("lost",),
        when="whoever takes the log (a pipe, the journal) did not for a while; so many lines of it are lost",
    ),
    Event(
        name="ledger_started",
        keys=("orders_since", "hint"),
        when="a new ledger begins to read, and where",
    ),
    Event(
        name="ledger_restored",
        keys=("taken_at", "hint"),
        when="a daemon begins to work on a backup: what was done since then is looked up before anything is written",
    ),
    Event(
        name="ledger_caught_up",
        keys=("orders", "fresh", "missing"),
        when="a restored ledger has looked up all that came after its backup; `missing`: learners whom an LMS does not "
        "show, each on the parked list",
    ),
    Event(
        name="decision_lost",
        keys=("order_id", "hint"),
        when="after a restore an order's note tells of a person's decision that the backup does not hold; the order is "
        "held until it is said again",
    ),
    Event(
        name="orders_polled",
        keys=("fetched", "fresh", "lines", "unmapped", "parked", "complete", "duration_ms"),
        when="a look at the shop brought something, or was not complete",
    ),
    Event(
        name="subscriptions_polled",
        keys=("fetched", "fresh", "complete", "duration_ms"),
        when="a look at the shop's subscriptions brought something, or was not complete",
    ),
    Event(
        name="subscriptions_unavailable",
        keys=("reason",),
        when="subscriptions cannot be read, or the shop has none any more; nobody's access ends for it",
    ),
    Event(name="subscriptions_recovered", when="subscriptions can be read again"),
    Event(
        name="subscription_unreadable",
        keys=("subscription_id", "reason"),
        when="one subscription cannot be read; what it gave access to stays as it is",
    ),
    Event(
        name="backfill_progressed",
        keys=("page", "pages", "fetched", "fresh"),
        when="every twentieth page of a backfill that has no terminal",
    ),
    Event(
        name="reconciled",
        keys=(*_PROOF, "orders", "fresh", "deleted", "looked", "missing", "findings", "duration_ms"),
        when="shop, ledger and LMS were compared; `unexplained` is 0, or a fault of wcsync; `fresh`: orders that were "
        "news, `missing`: learners that an LMS does not show any more",
    ),
    Event(
        name="service_suspect",
        keys=("service", "reason", "hint"),
        when="shop or LMS lack most of what they had, like an empty or older copy; the proof made nothing of that",
    ),
    Event(
        name="reconcile_failed",
        keys=("reason", "hint"),
        when="the shop could not be read for the nightly proof; it is tried again every hour",
    ),
    Event(
        name="withdrawals_stopped",
        keys=("waiting", "done", "inside", "hint"),
        when="so many withdrawals at once may be a mistake: none is done until a person allows them",
    ),
    Event(
        name="budget_spent",
        keys=("lms", "rows", "hint"),
        when="enrolments wait for an LMS that may get no further account for now; told once until none waits",
    ),
    Event(
        name="rules_changed",
        keys=("hint",),
        when="`paid_statuses` is another than before; a backfill counts older orders by it",
    ),
    Event(name="mapping_accepted", keys=("rows",), when="another mapping is in force"),
    Event(
        name="mapping_refused",
        keys=("problems", "hint"),
        when="the mapping file has mistakes; the last good version stays in force",
    ),
    Event(name="mapping_mended", when="the mapping file can be used again, and says what it said before"),
    Event(
        name="lines_replanned",
        keys=("orders", "still_unmapped"),
        when="the mapping has learnt products that were sold before",
    ),
    Event(
        name="enrolment_settled",
        keys=(*ENROLMENT, "desired", "outcome", "error_kind", "reason", "retry_in_s", "duration_ms"),
        when="one attempt at one enrolment: `outcome` created, already, restored, removed, absent, suspended, "
        "expired, kept, asked, deferred, dead, taken_over",
    ),
    Event(
        name="enrolments_confirmed",
        keys=_CONFIRMED,
        when="an LMS that lets learners in at its own time has done so",
    ),
    Event(name="enrolments_unconfirmed", keys=(*_CONFIRMED, "hint"), when="it has not for half an hour"),
    Event(
        name="message_settled",
        keys=("channel", "subject", "outcome", "attempt", "reason", "retry_in_s", "duration_ms"),
        when="one attempt at one order note or alert: `outcome` sent, already, deferred, dead, taken_over",
    ),
    Event(
        name="recipient_refused",
        keys=("channel", "reason", "hint"),
        when="a mail went out, but not to everybody",
    ),
    Event(
        name="troubles_told",
        keys=("began", "ended", "messages"),
        when="a look found news: how many troubles began and ended, in how many messages",
    ),
    Event(name="heartbeat_failing", keys=("reason", "hint"), when="the watchman's url does not take pings"),
    Event(name="heartbeat_recovered", when="it takes them again"),
    Event(
        name="service_first_seen", keys=("service", "identity"), when="shop or LMS answer for the first time"
    ),
    Event(name="service_unavailable", keys=_TROUBLE, when="trouble that may pass has begun"),
    Event(name="service_blocked", keys=_TROUBLE, when="trouble that a person must mend has begun"),
    Event(name="service_recovered", keys=("service", "down_s"), when="the trouble is over"),
    Event(
        name="courses_synced",
        keys=("courses", "products", "changed", "written", "failed", "edited", "duration_ms", "full"),
        when="a run of the course mirror brought something, or was a full one; `edited`: fields that people changed "
        "and that are left alone",
    ),
    Event(
        name="courses_stopped",
        keys=("code", "reason", "hint"),
        when="a guard or a service in trouble stopped a run of the course mirror, or kept it from the products of one "
        "LMS; nothing more is written there; told once as long as the reason stays the same",
    ),
    Event(
        name="course_gone",
        keys=("lms", "course_id"),
        when="a course that a product sells is gone from its LMS, hidden or archived; the product stays as it is",
    ),
    Event(name="course_back", keys=("lms", "course_id"), when="it is there and open again"),
    Event(
        name="product_not_written",
        keys=("product_id", "field", "reason"),
        when="the shop refused a change of a product, or does not keep it; the others are written",
    ),
    Event(
        name="product_left_alone",
        keys=("row", "product_id", "code", "reason"),
        when="a row of the mapping names a product that is deleted, in the trash, something else by now, or cannot be "
        "read; told once",
    ),
    Event(
        name="product_changed_elsewhere",
        keys=("product_id", "what"),
        when="beside what was written something changed that wcsync never changes (a plugin, or a person at the same "
        "moment): look at the product",
    ),
    Event(
        name="lms_missing",
        keys=("lms", "rows", "hint"),
        when="enrolments wait for an LMS that is in the config no more",
    ),
    Event(
        name="learners_forgotten",
        keys=("learners",),
        when="names and addresses were erased, their retention time being over",
    ),
    Event(
        name="leases_recovered",
        keys=("rows",),
        when="work of a process that was killed is taken up again",
    ),
    Event(name="cycle_finished", keys=_COUNTS, when="`run --once` is done, with the counts"),
    Event(
        name="poller_failed",
        keys=("job",),
        when="a fault of wcsync in a look at something; it is done again, nothing is lost",
    ),
    Event(
        name="worker_failed",
        keys=ENROLMENT,
        when="a fault of wcsync in an attempt; the work is put off, not lost",
    ),
)

EVENTS = {event.name: event for event in CATALOGUE}
