"""What goes wrong while the demo's shoppers shop: a bad day, in small. Each of these has cost somebody an order."""

from collections.abc import Callable
from dataclasses import dataclass

from wcsync.demo.stage import Stage
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.faults import Fault

ENOUGH = 24
"""So many ordinary orders take as long as one misfortune after the other needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfortune:
    """`eighth`: after so many eighths of the ordinary orders it happens."""

    eighth: int
    what: str
    strike: Callable[[Stage], object]


def misfortune_before(number: int, orders: int) -> Misfortune | None:
    """What goes wrong before that order of so many: never two things at once, and not all of them where few orders
    leave no time to get over them."""
    return next((one for one in MISFORTUNES if number == one.eighth * max(orders, ENOUGH) // 8), None)


def _is_new_note(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/notes")


MISFORTUNES = (
    Misfortune(
        eighth=1,
        what="Moodle enrols two learners, but both answers get lost on the way",
        strike=lambda stage: stage.moodle.faults.add(
            Fault(kind="reset_after", match="enrol_manual_enrol_users", times=2)
        ),
    ),
    Misfortune(
        eighth=2,
        what="Moodle creates an account a second after wcsync lost the connection",
        strike=lambda stage: stage.moodle.faults.add(
            Fault(kind="late_effect", match="core_user_create_users", seconds=1.0)
        ),
    ),
    Misfortune(
        eighth=3,
        what="the shop takes a note beside an order, but its answer gets lost on the way",
        strike=lambda stage: stage.shop.faults.add(Fault(kind="reset_after", match=_is_new_note)),
    ),
    Misfortune(
        eighth=4,
        what="the shop answers with a page of HTML, status 200",
        strike=lambda stage: stage.shop.faults.add(Fault(kind="html200", match="/wc/v3/orders")),
    ),
    Misfortune(
        eighth=5,
        what="360Learning invites a learner, but the answer gets lost on the way",
        strike=lambda stage: stage.academy.faults.add(Fault(kind="reset_after", match="POST /api/v2/users")),
    ),
    Misfortune(
        eighth=6,
        what="Moodle goes into maintenance for a moment",
        strike=lambda stage: stage.moodle.faults.add(
            Fault(kind="status", status=503, headers={"Retry-After": "1"}, body="Maintenance", times=2)
        ),
    ),
)
