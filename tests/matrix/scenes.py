"""What happens around the sandboxes so that a call is made: a few moments of a shop's life, again and again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.matrix.stage import address, picture

if TYPE_CHECKING:
    from tests.matrix.world import World

SOON_S, LATER_S = 400.0, 7200.0
"""Behind the next poll's reach; and long enough for everybody to be asked again who they are."""
Act = Callable[["World", str], None]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """`act`: what happens, for a buyer whom nobody has seen yet; `prepare`: what went before, unharmed. `products`:
    those the mapping has. `mirrors`, `proves`: as in `Stage`. `pause_s`: between two times."""

    name: str
    products: tuple[str, ...]
    act: Act
    prepare: Act | None = None
    mirrors: bool = False
    proves: bool = False
    pause_s: float = SOON_S


def _buys(*products: str) -> Act:
    def act(world: "World", who: str) -> None:
        world.orders[who] = world.stage.buy(who, *products)

    return act


def _buys_more(world: "World", who: str) -> None:
    world.orders[f"{who} again"] = world.stage.buy(who, "second")


def _refunded(product: str) -> Act:
    def act(world: "World", who: str) -> None:
        world.clock.tick(1)
        world.stage.shop.refund(world.orders[who])
        world.stage.take_back(who, product)

    return act


def _line_refunded(world: "World", who: str) -> None:
    """The first of two lines."""
    world.clock.tick(1)
    world.stage.refund_line(world.orders[who], 0)
    world.stage.take_back(who, "python")


def _subscribes(world: "World", who: str) -> None:
    world.orders[who] = world.stage.buy(who, "club")
    world.subscriptions[who] = world.stage.shop.start_subscription(world.orders[who])


def _unsubscribes(world: "World", who: str) -> None:
    """Suspending is enrolling anew, for which Moodle mails once more."""
    world.clock.tick(1)
    world.stage.shop.end_subscription(world.subscriptions[who])
    world.stage.take_back(who, "club")
    world.stage.mailed[(*world.stage.sold["club"], address(who))] += 1


def _is_known(world: "World", who: str) -> None:
    """The academy has the user already, who was never invited by us."""
    world.stage.academy.add_user(address(who))


def _known_buys(world: "World", who: str) -> None:
    _buys("group")(world, who)
    del world.stage.mailed["academy", "", address(who)]


def _starts_anew(world: "World", who: str) -> None:
    world.reopen()
    _buys("python", "group")(world, who)


def _among_many(world: "World", who: str) -> None:
    """Several pages of orders."""
    for number in range(3):
        world.stage.buy(f"{who}-{number}", "mug")
    _buys("python")(world, who)


def _is_renamed(world: "World", who: str) -> None:
    """Another name, and a skill that the shop has no tag for."""
    moodle, course = world.stage.moodle, world.stage.python
    moodle.describe_course(
        course, name=f"Python {who}", skills=["Coding", f"Skill {who}"], category=f"Craft {who}"
    )
    world.stage.show("python", f"Python {who}", {"Coding", f"Skill {who}"})


def _is_pictured(world: "World", who: str) -> None:
    number = int("".join(filter(str.isdigit, who)) or 0)
    world.stage.moodle.describe_course(world.stage.python, name=f"Python {who}", cover=picture(number))
    world.stage.show("python", f"Python {who}", {"Coding"}, picture(number))


def _path_is_renamed(world: "World", who: str) -> None:
    academy, path = world.stage.academy, world.stage.path
    academy.describe_path(
        path, name=f"Speaking {who}", tags=["Voice", f"Tag {who}"], steps=[("course", f"Lesson {who}")]
    )
    world.stage.show("speaking", f"Speaking {who}", {"Voice", f"Tag {who}"})


def _is_deleted(world: "World", who: str) -> None:
    """For good, before the proof of the night."""
    world.stage.shop.delete_forever(world.orders[who])
    world.stage.take_back(who, "python")
    night = (world.clock() + timedelta(days=1)).replace(hour=3, minute=5, second=0)
    world.wire.pass_time((night - world.clock()).total_seconds())


SALE = Scene(name="sale", products=("python",), act=_buys("python"))
LATER = Scene(name="later sale", products=("python",), act=_buys("python"), pause_s=LATER_S)
TOKEN = Scene(name="later sale of a group", products=("group",), act=_buys("group"), pause_s=LATER_S)
MANY = Scene(name="many orders", products=("python", "mug"), act=_among_many)
AGAIN = Scene(name="second sale", products=("python", "second"), prepare=_buys("python"), act=_buys_more)
REFUND = Scene(name="refund", products=("python",), prepare=_buys("python"), act=_refunded("python"))
PART = Scene(
    name="refund of a line",
    products=("python", "second"),
    prepare=_buys("python", "second"),
    act=_line_refunded,
)
CLUB = Scene(name="subscription ends", products=("club",), prepare=_subscribes, act=_unsubscribes)
GROUP = Scene(name="sale of a group", products=("group",), act=_buys("group"))
PATH = Scene(name="sale of a path", products=("speaking",), act=_buys("speaking"))
KNOWN = Scene(name="sale to a user", products=("group",), prepare=_is_known, act=_known_buys)
LEAVE = Scene(name="refund of a group", products=("group",), prepare=_buys("group"), act=_refunded("group"))
ANEW = Scene(name="start", products=("python", "group"), act=_starts_anew)
NEWS = Scene(name="course news", products=("python",), act=_is_renamed, mirrors=True, pause_s=LATER_S)
COVER = Scene(name="cover", products=("python",), act=_is_pictured, mirrors=True, pause_s=LATER_S)
PATHS = Scene(name="path news", products=("speaking",), act=_path_is_renamed, mirrors=True, pause_s=LATER_S)
NIGHT = Scene(
    name="deleted order", products=("python",), prepare=_buys("python"), act=_is_deleted, proves=True
)
HELD = Scene(name="open seats", products=("held",), act=_buys("held"), pause_s=LATER_S)

SCENES: dict[str, Scene] = {
    "site info (Moodle)": LATER,
    "find user (Moodle)": SALE,
    "user by number (Moodle)": AGAIN,
    "create user (Moodle)": SALE,
    "enrol (Moodle)": SALE,
    "suspend (Moodle)": CLUB,
    "unenrol (Moodle)": REFUND,
    "courses of a user (Moodle)": AGAIN,
    "users of a course (Moodle)": REFUND,
    "join a group (Moodle)": SALE,
    "course read (Moodle)": NEWS,
    "course contents (Moodle)": NEWS,
    "course skills (Moodle)": NEWS,
    "cover (Moodle)": COVER,
    "token (360Learning)": TOKEN,
    "groups (360Learning)": ANEW,
    "find user (360Learning)": GROUP,
    "user by number (360Learning)": LEAVE,
    "create and assign (360Learning)": GROUP,
    "assign (360Learning)": KNOWN,
    "withdraw (360Learning)": LEAVE,
    "verify (360Learning)": KNOWN,
    "enrolled in a path (360Learning)": PATH,
    "path read (360Learning)": PATHS,
    "tags (360Learning)": PATHS,
    "course read (360Learning)": PATHS,
    "identity (shop)": LATER,
    "statuses (shop)": LATER,
    "orders page (shop)": MANY,
    "refunds (shop)": PART,
    "single order (shop)": NIGHT,
    "subscriptions (shop)": CLUB,
    "note read (shop)": SALE,
    "note write (shop)": SALE,
    "product read (shop)": NEWS,
    "product batch write (shop)": NEWS,
    "image upload (shop)": COVER,
    "term look-up (shop)": NEWS,
    "term write (shop)": NEWS,
    "post (alerts)": HELD,
}
"""The scene in which each call is made."""
