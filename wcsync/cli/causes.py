"""What needs a person, in words for somebody who never saw the code: what it means and what can be done.

The lists, `show` and README's table all say these sentences; tests compare them with the kinds the code makes.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """`title`: the heading of its group. `do`: what a person can do, before the exact command is given.

    `command`: what comes after that, with `{order}` to be filled in, and where the entry is about a line `{line}` (as
    an option) or `{line_id}` (as a word).
    """

    title: str
    means: str
    do: str
    command: str


_DROP = "parked drop {order}{line}"
_RETRY = "parked retry {order}"
_REVIVE = "dead revive --order {order}"
_ASSIGN = "parked assign {order} {line_id} EMAIL NAME"
_END = "parked end {order}{line}"

PARKED = {
    "no_address": Cause(
        title="No usable e-mail address",
        means="the order was paid, but nobody can be enrolled without the learner's address",
        do="put the address into the order's billing details in the shop; it is read again by itself",
        command=_RETRY,
    ),
    "quantity": Cause(
        title="An odd number of seats",
        means="the line's quantity is below 1, above 1,000 or no whole number; the reason says what became of it",
        do="correct the order in the shop, or enrol by hand and drop the entry",
        command=_DROP,
    ),
    "open_seats": Cause(
        title="Seats without a learner",
        means="seats were sold and nobody is known yet who has them",
        do="ask the buyer who learns and give the seats to them, one by one or by `--csv FILE`",
        command=_ASSIGN,
    ),
    "bad_learner": Cause(
        title="Learner with a bad address",
        means="the order names a learner by an address that cannot be used; the seat is kept open for them",
        do="ask the buyer for the right address and give the seat to it",
        command=_ASSIGN,
    ),
    "too_many_learners": Cause(
        title="More learners than seats",
        means="the order names more learners than it paid for; the first ones have the seats",
        do="sell the missing seats in a new order, or drop the entry to leave it so",
        command=_DROP,
    ),
    "not_wanted": Cause(
        title="Not to be enrolled",
        means="the learner is on the list `[learners] never` of the config; the seat is kept open",
        do="take them off that list and have the order read again, or give the seat to somebody else",
        command=_ASSIGN,
    ),
    "typo": Cause(
        title="Address that looks mistyped",
        means="the part behind the @ is one slip away from a large provider's; the learner was enrolled all the same",
        do="ask the buyer; if it is mistyped, give both addresses to the command; else drop the entry",
        command="relink OLD NEW",
    ),
    "unreadable": Cause(
        title="Damaged order",
        means="the order's data cannot be read (often a plugin's doing), or the list of its refunds is refused; nobody "
        "was enrolled by this reading",
        do="the reason names the field; mend it in the shop, then have the order read again",
        command=_RETRY,
    ),
    "trashed": Cause(
        title="Order in the trash",
        means="a paid order was put into the trash; its learner keeps access",
        do="end the access by the command; or restore the order in the shop, or drop the entry, to leave it so",
        command=_END,
    ),
    "deleted": Cause(
        title="Order deleted",
        means="the shop does not know a paid order any more; its learner keeps access",
        do="end the access by the command; or drop the entry to leave it so",
        command=_END,
    ),
    "cancelled_asked": Cause(
        title="Order cancelled",
        means="a paid order was cancelled and the config says to ask first; its learner keeps access",
        do="end the access by the command; or drop the entry to leave it so",
        command=_END,
    ),
    "refunded_asked": Cause(
        title="Order refunded",
        means="a paid order was refunded and the config says to ask first; its learner keeps access",
        do="end the access by the command; or drop the entry to leave it so",
        command=_END,
    ),
    "failed_asked": Cause(
        title="Payment failed later",
        means="a paid order was set to failed and the config says to ask first; its learner keeps access",
        do="end the access by the command; or drop the entry to leave it so",
        command=_END,
    ),
    "refund_amount": Cause(
        title="Money given back",
        means="an amount was given back that stands for no seat; its learners keep access",
        do="end the access by the command if it was given back for that; or drop the entry to leave it so",
        command=_END,
    ),
    "seats_over": Cause(
        title="More learners than seats left",
        means="seats were given back and each of those left has a learner; all of them keep access",
        do="ask the buyer who goes, and end the seat of that learner",
        command="parked end {order}{line} --learner EMAIL",
    ),
    "withdraw_asked": Cause(
        title="Withdrawal that asks first",
        means="nothing entitles the learner any more, and `on_withdraw` says to ask before access ends",
        do="end the access by the command; or drop the entry to leave it so",
        command=_END,
    ),
    "held": Cause(
        title="Order on hold",
        means="a person said `wcsync hold`, or a restored ledger lacks a decision: nobody is enrolled or withdrawn by "
        "this order",
        do="release it once that is settled",
        command="release {order}",
    ),
    "bought_again": Cause(
        title="Bought a second time",
        means="the learner has this course without end already, by another order; nothing is done twice",
        do="ask the buyer whether it was a mistake or for somebody else; refund it in the shop, or drop the entry",
        command=_DROP,
    ),
    "budget": Cause(
        title="No account left",
        means="a new account in the LMS is needed and `[lms.budget]` allows no more for now; the learner waits",
        do="wait for the next day, or raise per_day or total in the config; the entry goes away by itself",
        command="status",
    ),
    "never_in": Cause(
        title="Time over before it began",
        means="the access that was sold was over before the learner could be let in: the LMS was down, the budget "
        "spent or the order read too late, or the row's `until` is over and the product still on sale",
        do="enrol by hand for the time that is owed, or give the money back; mend the row; then drop the entry",
        command=_DROP,
    ),
    "missing_in_lms": Cause(
        title="Not in the course any more",
        means="the learner was enrolled, and the LMS does not show them in the course now: staff may have taken them "
        "out or suspended them",
        do="have them enrolled again, or leave it so with `wcsync parked drop`; the entry goes away by itself if they "
        "are seen again",
        command=_RETRY,
    ),
    "line_removed": Cause(
        title="Line taken out of the order",
        means="a line was deleted from a paid order; its learner keeps access",
        do="end the access by the command if it was given back or another line took its place; or drop the entry to "
        "leave it so",
        command=_END,
    ),
    "line_changed": Cause(
        title="Line with another product",
        means="a line was given another product after the sale; the learner keeps what was sold first",
        do="enrol for the new product by hand if that is owed, then drop the entry",
        command=_DROP,
    ),
    "buyer_changed": Cause(
        title="Another buyer's address",
        means="the billing address was changed after the sale; the learner enrolled first keeps the seat",
        do="if it is the same person give both addresses to the command; if it is another one, drop the entry",
        command="relink OLD NEW",
    ),
    "found_enrolment": Cause(
        title="Refunded, but was there before",
        means="the order was taken back, but the learner was in the course before wcsync came, so nothing was ended",
        do="withdraw by hand in the LMS if it should end, then drop the entry",
        command=_DROP,
    ),
    "unconfirmed": Cause(
        title="Let in, but not seen there",
        means="the LMS took the learner, but does not show them in the course after half an hour",
        do="the reason says what to look at in the LMS; the entry goes away by itself if that helps within seven days",
        command=_DROP,
    ),
}
"""By `model.Parked.kind`."""

DEAD = {
    "permanent": Cause(
        title="Refused",
        means="the LMS said no to this very enrolment and would say so again",
        do="the reason says what to mend, in the LMS or in the mapping; then try again",
        command=_REVIVE,
    ),
    "transient": Cause(
        title="Failed too often",
        means="the LMS was up, but this enrolment failed `max_attempts` times",
        do="look into the LMS for what is special about this learner or course; then try again",
        command=_REVIVE,
    ),
    "blocked": Cause(
        title="Not allowed",
        means="the LMS refused wcsync a right for this enrolment while others work",
        do="give wcsync's user the right that the reason names, in this course too; then try again",
        command=_REVIVE,
    ),
    "bug": Cause(
        title="A fault of wcsync",
        means="wcsync itself failed at this enrolment again and again",
        do="report the traceback in the log (event `worker_failed`); after an update try again",
        command=_REVIVE,
    ),
    "erased": Cause(
        title="Learner erased",
        means="the learner's address was erased from the ledger, so that wcsync cannot act for them",
        do="do it by hand in the LMS if it is still owed, then drop the entry; an address that stands for an erased "
        "one is known again by `wcsync relink OLD NEW`",
        command="dead drop {order}",
    ),
}
"""By the `error_kind` an enrolment was given up with."""

UNKNOWN = Cause(
    title="Something else",
    means="this kind is not known to this version of wcsync",
    do="the reason says more",
    command="show {order}",
)
