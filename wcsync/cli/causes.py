"""What needs a person, in words for somebody who never saw the code: what it means and what can be done.

The lists, `show` and README's table all say these sentences; tests compare them with the kinds the code makes.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """`title`: the heading of its group. `do`: what a person can do, before the exact command is given.

    `command`: what comes after that, with `{order}` (and `{line}` where the entry is about one) to be filled in.
    """

    title: str
    means: str
    do: str
    command: str


_DROP = "parked drop {order}{line}"
_RETRY = "parked retry {order}"
_REVIVE = "dead revive --order {order}"

PARKED = {
    "no_address": Cause(
        title="No usable e-mail address",
        means="the order was paid, but nobody can be enrolled without the learner's address",
        do="put the address into the order's billing details in the shop; it is read again by itself",
        command=_RETRY,
    ),
    "quantity": Cause(
        title="Less than one seat",
        means="the line's quantity is below 1, so that nobody was enrolled for it",
        do="correct the order in the shop, or enrol by hand and drop the entry",
        command=_DROP,
    ),
    "open_seats": Cause(
        title="Seats without a learner",
        means="several seats were sold and only the buyer is known, who has one of them",
        do="enrol the others by hand, then drop the entry",
        command=_DROP,
    ),
    "unreadable": Cause(
        title="Damaged order",
        means="the order's data cannot be read (often a plugin's doing); nobody was enrolled by this reading",
        do="the reason names the field; mend it in the shop, then have the order read again",
        command=_RETRY,
    ),
    "trashed": Cause(
        title="Order in the trash",
        means="a paid order was put into the trash; its learner keeps access",
        do="restore the order, or set it to refunded or cancelled to end the access; or drop the entry to leave it so",
        command=_DROP,
    ),
    "line_removed": Cause(
        title="Line taken out of the order",
        means="a line was deleted from a paid order; its learner keeps access",
        do="withdraw by hand in the LMS if it was given back, then drop the entry",
        command=_DROP,
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
        do="enrol the other address by hand if it is another person, then drop the entry",
        command=_DROP,
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
        do="do it by hand in the LMS if it is still owed, then drop the entry",
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
