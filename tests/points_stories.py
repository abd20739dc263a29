"""What happens in a town while it is struck: each story is told by the daemon, or by a person's word to it."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from tests.points import Killed
from tests.points_config import PAGE_SIZE
from tests.points_sites import (
    CLUB,
    COURSE,
    PLAIN,
    SECOND,
    SINGING,
    SPEAKING,
    T_SHIRT,
    Place,
    Scenery,
    picture,
)
from tests.points_town import BEGIN, WAIT_S, Town
from wcsync.ledger.desk import Giving
from wcsync.ledger.mirror import DONE
from wcsync.model import LineId, OrderId, Person
from wcsync.pollers.courses import Options
from wcsync.pollers.reconcile import Depth

ANA, BEA = "ana@example.test", "bea@example.test"
DAY_S = 86400.0
MIRROR_WAIT_S = 91.0
"""After this a write of the mirror that went unanswered takes effect no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """`prepare` leads to its beginning, undisturbed. `act` is what is struck, said again after a crash; then the
    daemon lives on until it is quiet. `inside`: who is in then, and nobody but them and who was in before ever is.
    `meanwhile`: who may be for a while, by what was sent before the story began.

    `every`: in the short form every so-many-th point is struck, and each at which a call is under way.
    """

    prepare: Callable[[Town], None]
    act: Callable[[Town], None]
    inside: frozenset[Place]
    meanwhile: frozenset[Place] = frozenset()
    scenery: Scenery = PLAIN
    every: int = 1


def quietly(town: Town) -> None:
    town.quiet()


def polls(town: Town) -> None:
    """By itself, before anything else has a turn."""
    while not town.poll():
        town.tick(WAIT_S)


def line_of(town: Town, order_id: int) -> LineId:
    return LineId(town.shop.orders[order_id]["line_items"][0]["id"])


def first_order(town: Town) -> OrderId:
    return OrderId(min(town.shop.orders))


# -- enrolling ---------------------------------------------------------------------------------------------------------
def buys_as_new(town: Town) -> None:
    town.buy(ANA, COURSE, T_SHIRT)


def buys_as_known(town: Town) -> None:
    town.campus.add_user(ANA)
    town.buy(ANA, COURSE)


def two_buy(town: Town) -> None:
    town.buy(ANA, COURSE, SECOND)
    town.buy(BEA, COURSE)


def three_buy(town: Town) -> None:
    for email, product in ((ANA, COURSE), (BEA, SECOND), (ANA, T_SHIRT)):
        town.buy(email, product)


def many_buy(town: Town) -> None:
    """Three pages of what came since the last look."""
    town.quiet()
    three_buy(town)
    assert len(town.shop.orders) > 2 * PAGE_SIZE


def left_in_the_middle(town: Town) -> None:
    """An earlier process died while it held a seat; what it sent of it arrives late."""
    buys_as_new(town)
    town.fate = "late"
    die(town, "sent enrol_manual_enrol_users")


def left_with_a_note(town: Town) -> None:
    """An earlier process died while it held a note; what it sent of it arrives late."""
    buys_as_new(town)
    town.fate = "late"
    die(town, "sent POST orders/N/notes")


def die(town: Town, name: str) -> None:
    town.points.arm(name)
    with suppress(Killed):
        town.quiet()
    assert town.points.dead, name
    town.bury()


# -- what becomes of a sale --------------------------------------------------------------------------------------------
def refunded(town: Town) -> None:
    buys_as_new(town)
    town.quiet()
    town.tick(60)
    town.shop.refund(first_order(town))


def told_again(town: Town) -> None:
    """Refunded and bought back: two pieces of news were told, the third is to come."""
    refunded(town)
    town.quiet()
    town.tick(60)
    town.shop.complete_again(first_order(town))


def subscription_held(town: Town) -> None:
    town.shop.offers_subscriptions = True
    order_id = town.buy(ANA, CLUB)
    number = town.shop.start_subscription(order_id)
    town.quiet()
    assert town.inside() == {(ANA, CLUB)}
    town.tick(600)
    town.shop.hold_subscription(number)


# -- what people say ---------------------------------------------------------------------------------------------------
def settled(town: Town) -> None:
    buys_as_new(town)
    town.quiet()
    town.tick(60)


def relinks(town: Town) -> None:
    desk, plan = town.app.ledger.desk, town.app.crew.plan()
    with suppress(KeyError):
        desk.relink(ANA, Person(email=BEA, first_name="Bea", last_name="Buyer"), plan, town.clock())
    town.quiet()


def two_pieces(town: Town) -> None:
    town.buy(ANA, COURSE, quantity=2)
    town.quiet()


def assigns(town: Town) -> None:
    order_id = first_order(town)
    learner = Person(email=BEA, first_name="Bea", last_name="Buyer")
    giving = Giving(order_id=order_id, line_id=line_of(town, order_id), learners=(learner,))
    town.app.ledger.desk.assign([giving], town.app.crew.plan(), town.clock())
    town.quiet()


def unread(town: Town) -> None:
    """Sold before the ledger was begun."""
    three_buy(town)
    town.reads_from = town.clock() + timedelta(seconds=1)
    town.tick(DAY_S)
    town.quiet()
    assert not town.inside()


def backfills(town: Town) -> None:
    town.app.backfill(BEGIN - timedelta(hours=1))


def refund_taken_back(town: Town) -> None:
    """No date of change tells of it; and an order came in by the database, with a date of long ago."""
    buys_as_new(town)
    town.quiet()
    town.tick(60)
    order_id = first_order(town)
    refund = town.shop.refund(order_id, 100, lines=[(line_of(town, order_id), 1, 100)])
    town.quiet()
    assert (ANA, COURSE) not in town.inside()
    town.tick(3600)
    town.shop.delete_refund(order_id, refund)
    imported = town.buy(BEA, SECOND)
    town.shop.edit(imported, touch=False, date_modified_gmt="2026-03-20T09:00:30")
    town.reads_from = town.clock()


def reconciles(town: Town) -> None:
    reckoning = town.app.reconciler().run(BEGIN - timedelta(hours=1), Depth.ALL)
    assert not reckoning.unexplained, reckoning


def forgets(town: Town) -> None:
    town.app.ledger.desk.forget(ANA, town.clock())
    town.app.ledger.desk.wipe()
    town.quiet()


def holds(town: Town) -> None:
    """Kept as it is while the shop says that it is refunded; then let go."""
    order_id, desk = first_order(town), town.app.ledger.desk
    desk.hold(order_id, "asked by phone", town.app.crew.plan(), town.clock())
    town.quiet()
    desk.release(order_id, town.app.crew.plan(), town.clock())
    town.quiet()


# -- courses -----------------------------------------------------------------------------------------------------------
def courses_changed(town: Town) -> None:
    """Written once; then a person edited one product, and every course changed."""
    for number in (COURSE, SECOND, CLUB):
        town.campus.describe_course(number + 1, summary=f"<p>All of {number}.</p>")
    pushes(town)
    town.shop.edit_product(SECOND, description="<p>Ours is better.</p>")
    town.tick(3600)
    for number in (COURSE, SECOND, CLUB):
        town.campus.describe_course(
            number + 1, name=f"Renamed {number}", summary=f"<p>New: {number}.</p>", skills=["SQL"]
        )


def pushes(town: Town) -> None:
    """Until two runs, one behind the other's quarantine, find that there is nothing left to do."""
    idle = 0
    for _ in range(8):
        mirror = town.app.courses(lambda: town.app.mapping.current)
        run = mirror.run(Options(allow_many=True))
        mirror.close()
        idle = idle + 1 if run.outcome == DONE and not run.changed and not town.hanging else 0
        if idle == 2:
            return
        town.tick(MIRROR_WAIT_S)
    raise AssertionError(run)


def covered(town: Town) -> None:
    """Two courses show the same picture."""
    for number, cover in ((COURSE, 1), (SECOND, 1), (CLUB, 2)):
        town.campus.describe_course(number + 1, cover=picture(cover))


def unsold(town: Town) -> None:
    """Two courses that no product sells; and an earlier process died over the mapping file."""
    for name in ("Drawing", "Painting"):
        town.campus.add_course(name, name.upper(), summary=f"<p>All of {name}.</p>")
    town.mapping.with_name(f".{town.mapping.name}.wcsync").write_text("[[ma")


def imports(town: Town) -> None:
    """Until nothing is left to be made; then the courses change, and what was made follows them."""
    for _ in range(8):
        if not town.import_courses():
            break
        town.tick(MIRROR_WAIT_S)
    else:
        raise AssertionError("there is always something left to be made")
    town.app.load()
    for course in town.campus.courses.values():
        if course.shortname in {"DRAWING", "PAINTING"}:
            town.campus.describe_course(course.id, summary=f"<p>New: {course.shortname}.</p>")
    pushes(town)


# -- 360Learning -------------------------------------------------------------------------------------------------------
def goes_to_academy(town: Town) -> None:
    town.buy(ANA, SPEAKING)


def goes_as_known(town: Town) -> None:
    town.academy.add_user(ANA)
    goes_to_academy(town)


def goes_as_deleted(town: Town) -> None:
    """Restoring a user is not joining the group here: it takes two calls that write."""
    town.academy.restore_joins = False
    town.academy.add_user(ANA, status="deleted")
    goes_to_academy(town)


def two_go(town: Town) -> None:
    """What is given twice is refused, and the paths follow their groups a minute later."""
    town.academy.repeat_refused = True
    town.academy.enrol_delay_s = 60.0
    town.buy(ANA, SPEAKING, SINGING)
    town.buy(BEA, SPEAKING)


def left_on_the_way(town: Town) -> None:
    """An earlier process died while it invited somebody; what it sent of it arrives late."""
    goes_to_academy(town)
    town.fate = "late"
    die(town, "sent POST users")


def refunded_on_the_way(town: Town) -> None:
    """And the money went back before it arrived."""
    left_on_the_way(town)
    town.shop.refund(first_order(town))


def comes_back(town: Town) -> None:
    goes_to_academy(town)
    town.quiet()
    town.tick(60)
    town.shop.refund(first_order(town))


# -- telling people ----------------------------------------------------------------------------------------------------
def two_pieces_unheard(town: Town) -> None:
    """One of the seats is nobody's: people are asked whose it is."""
    town.buy(ANA, COURSE, quantity=2)


INSIDE = frozenset({(ANA, COURSE)})
BOTH = INSIDE | {(BEA, SECOND)}
IN_ACADEMY = frozenset({(ANA, SPEAKING)})
ACADEMY, ALERTS, PRODUCTS_TOO = Scenery(academy=True), Scenery(alerts=True), Scenery(mirrors=True)
STORIES: Mapping[str, Story] = {
    "enrol, new account": Story(prepare=buys_as_new, act=quietly, inside=INSIDE),
    "enrol, known account": Story(prepare=buys_as_known, act=quietly, inside=INSIDE),
    "enrol, two workers at once": Story(
        prepare=two_buy,
        act=quietly,
        inside=INSIDE | {(ANA, SECOND), (BEA, COURSE)},
        scenery=Scenery(two_at_once=True),
    ),
    "poll, three pages": Story(prepare=many_buy, act=polls, inside=BOTH),
    "recover, a seat under way": Story(prepare=left_in_the_middle, act=quietly, inside=INSIDE),
    "recover, a note under way": Story(prepare=left_with_a_note, act=quietly, inside=INSIDE),
    "withdraw, refund": Story(prepare=refunded, act=quietly, inside=frozenset()),
    "suspend, subscription on hold": Story(prepare=subscription_held, act=quietly, inside=frozenset()),
    "note, third news": Story(prepare=told_again, act=quietly, inside=INSIDE),
    "relink": Story(prepare=settled, act=relinks, inside=frozenset({(BEA, COURSE)})),
    "assign": Story(prepare=two_pieces, act=assigns, inside=INSIDE | {(BEA, COURSE)}),
    "hold and release": Story(prepare=refunded, act=holds, inside=frozenset()),
    "forget": Story(prepare=settled, act=forgets, inside=INSIDE),
    "backfill": Story(prepare=unread, act=backfills, inside=BOTH),
    "reconcile": Story(prepare=refund_taken_back, act=reconciles, inside=BOTH),
    "courses push": Story(prepare=courses_changed, act=pushes, inside=frozenset(), scenery=PRODUCTS_TOO),
    "pictures": Story(prepare=covered, act=pushes, inside=frozenset(), scenery=PRODUCTS_TOO, every=10),
    "courses import": Story(prepare=unsold, act=imports, inside=frozenset(), scenery=PRODUCTS_TOO, every=10),
    "360Learning, new account": Story(
        prepare=goes_to_academy, act=quietly, inside=IN_ACADEMY, scenery=ACADEMY, every=10
    ),
    "360Learning, known account": Story(
        prepare=goes_as_known, act=quietly, inside=IN_ACADEMY, scenery=ACADEMY, every=10
    ),
    "360Learning, deleted account": Story(
        prepare=goes_as_deleted, act=quietly, inside=IN_ACADEMY, scenery=ACADEMY, every=10
    ),
    "360Learning, two workers at once": Story(
        prepare=two_go,
        act=quietly,
        inside=IN_ACADEMY | {(ANA, SINGING), (BEA, SPEAKING)},
        scenery=Scenery(academy=True, two_at_once=True),
        every=10,
    ),
    "360Learning, an invitation under way": Story(
        prepare=left_on_the_way, act=quietly, inside=IN_ACADEMY, scenery=ACADEMY, every=10
    ),
    "360Learning, refunded on the way": Story(
        prepare=refunded_on_the_way,
        act=quietly,
        inside=frozenset(),
        meanwhile=IN_ACADEMY,
        scenery=ACADEMY,
        every=10,
    ),
    "360Learning, refund": Story(
        prepare=comes_back, act=quietly, inside=frozenset(), scenery=ACADEMY, every=10
    ),
    "alerts, a trouble": Story(
        prepare=two_pieces_unheard, act=quietly, inside=INSIDE, scenery=ALERTS, every=10
    ),
    "alerts, its end": Story(
        prepare=two_pieces, act=assigns, inside=INSIDE | {(BEA, COURSE)}, scenery=ALERTS, every=10
    ),
}
