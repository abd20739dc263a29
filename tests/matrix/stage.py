"""A shop, a Moodle and a 360Learning company without a socket, what they sell and teach, and who buys it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.daemon_files import LEDGER, academy_section, campus_section, store_section, write_secrets
from tests.fakes import FakeClock
from tests.matrix.calls import ACADEMY, CAMPUS, HOOK, SHOP
from tests.matrix.wire import Handle
from wcsync.mappers.notes import told_last
from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.shop_media import ImageRefused
from wcsync.sandbox.threesixty import SandboxThreeSixty

URLS = {
    SHOP: "https://shop.example.test",
    CAMPUS: "https://campus.example.test",
    ACADEMY: "https://academy.example.test",
    HOOK: "https://hook.example.test",
}
SECRETS = {
    "key": "ck_marked_4f0b6c11_secret",
    "key_secret": "cs_marked_5c7e0f1d_secret",
    "token": "tok_marked_9d41ab77_secret",
    "academy_id": "id_marked_77c2d9aa_secret",
    "academy_secret": "aca_marked_be01c5f4_secret",
    "hook_token": "hook_marked_0a6f2e38_secret",
}
MARK = "marked"
"""Stands in every secret, every buyer's name and every address."""
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
Shown = tuple[str, frozenset[str], tuple[bytes, ...]]
"""Of a product: its name, tags and pictures."""
Seat = tuple[str, str, str]
"""Who is let into what: (LMS, course, address)."""

SETTINGS = """
[orders]
start = "2026-03-19T00:00:00Z"
page_size = 2
[taking_back]
deleted = "end"
max_withdrawals = 1000
max_withdrawals_share = 1.0
[[alerts.web]]
name = "web"
url = "{hook}/hook"
token = {{ file = "hook_token" }}
[course_sync]
enabled = {mirrors}
[course_sync.tags]
ownership = "own"
[course_sync.categories]
ownership = "own"
[reconcile]
enabled = {proves}
look_back_days = 2
lms = "all"
[mapping]
path = "mapping.toml"
"""


def address(name: str) -> str:
    return f"{name}.{MARK}@personal.example.test"


def picture(number: int) -> bytes:
    """A cover that no other has."""
    return PNG + number.to_bytes(8, "big")


@dataclass
class Stage:
    """`products`: the names of those that the mapping has rows for. `mirrors`, `proves`: whether course data flows, and
    whether nights are for proofs. `paid`: who is to be let into what, as things go on; `mailed`: what learners are to
    be mailed for it; `posts`: the alerts' keys against repeats, as they came."""

    clock: FakeClock
    folder: Path
    mapped: tuple[str, ...]
    mirrors: bool = False
    proves: bool = False
    paid: set[Seat] = field(default_factory=set)
    mailed: Counter[Seat] = field(default_factory=Counter)
    posts: list[str] = field(default_factory=list)
    to_show: dict[str, Shown] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shop = SandboxShop(
            SECRETS["key"], SECRETS["key_secret"], timezone="UTC", clock=self.clock, name="Shop"
        )
        self.shop.site_url = URLS[SHOP]
        self.shop.offers_subscriptions = True
        self.shop.media._download = self._file  # type: ignore[method-assign]  # the shop's own way to the campus
        self.moodle = SandboxMoodle(SECRETS["token"], clock=self.clock)
        self.moodle.siteurl = URLS[CAMPUS]
        self.academy = SandboxThreeSixty(SECRETS["academy_id"], SECRETS["academy_secret"], clock=self.clock)
        self.academy.reads_per_s = self.academy.writes_per_s = None  # they would count real seconds
        self._teach()
        self._write_files()

    def sites(self) -> dict[str, tuple[str, Handle]]:
        """Who answers, by host."""
        handles = {
            SHOP: self.shop.handle,
            CAMPUS: self.moodle.handle,
            ACADEMY: self.academy.handle,
            HOOK: self._hook,
        }
        return {urlsplit(URLS[site]).netloc: (site, handle) for site, handle in handles.items()}

    # -- what happens in the shop ------------------------------------------------------------------------------------
    def buy(self, name: str, *products: str) -> int:
        """An order of its own second, paid."""
        self.clock.tick(1)
        who = address(name)
        lines = [(self.products[product], 2 if product == "held" else 1) for product in products]
        order_id = self.shop.buy(who, f"{name.title()}{MARK}", f"Family{MARK}", lines)
        seats = {(*self.sold[product], who) for product in products if product in self.sold}
        self.paid |= seats
        self.mailed.update(seat for seat in seats if seat[0] == CAMPUS)
        self.mailed |= Counter({(lms, "", who) for lms, _, _ in seats})
        return order_id

    def take_back(self, name: str, *products: str) -> None:
        """From now on these seats are not paid for any more."""
        self.paid -= {(*self.sold[product], address(name)) for product in products}

    def refund_line(self, order_id: int, place: int) -> None:
        line = self.shop.orders[order_id]["line_items"][place]
        self.shop.refund(order_id, {line["id"]: 1})

    def show(self, product: str, name: str, tags: Iterable[str], *pictures: bytes) -> None:
        """From now on this is what the product is to show of its course."""
        self.to_show[product] = name, frozenset(tags), pictures

    # -- what the sandboxes hold -------------------------------------------------------------------------------------
    def inside(self) -> Counter[Seat]:
        """Every active enrolment, as often as it is there."""
        now, users = self.clock(), self.moodle.users
        campus = Counter(
            (CAMPUS, str(row.course_id), users[row.user_id].email)
            for row in self.moodle.enrolments
            if row.is_active(now) and "student" in row.roles
        )
        mails = {user.id: user.mail or "" for user in self.academy.users.values()}
        roles = [(group, user) for group, user, role in self.academy.roles if role == "learner"]
        return campus + Counter((ACADEMY, group, mails[user]) for group, user in roles)

    def accounts(self) -> Counter[tuple[str, str]]:
        """Per LMS and buyer."""
        campus = Counter((CAMPUS, one.email) for one in self.moodle.users.values() if MARK in one.email)
        users = [one.mail for one in self.academy.users.values() if one.mail and MARK in one.mail]
        return campus + Counter((ACADEMY, mail) for mail in users)

    def mails(self) -> Counter[Seat]:
        """Everything a learner was mailed by an LMS: of each account once, and of each of Moodle's courses."""
        users = self.moodle.users
        told = Counter(
            {
                (CAMPUS, str(course), users[user].email): many
                for (user, course), many in self.moodle.mails.items()
            }
        )
        told.update((CAMPUS, "", mail) for mail in self.moodle.created_passwords_mailed)
        told.update({(ACADEMY, "", one.mail or ""): one.invitations for one in self.academy.users.values()})
        return +told

    def notes(self, order_id: int) -> list[str]:
        """The marks of our notes beside an order."""
        marks = (told_last([note["note"]]) for note in self.shop.notes.get(order_id, ()))
        return [mark for mark in marks if mark]

    def agrees(self) -> bool:
        """Whether everybody is where they are to be, and all is shown."""
        return set(self.inside()) == self.paid and not self.unshown()

    def unshown(self) -> list[str]:
        """Products that do not show what they are to, by name, tags and pictures."""
        return [product for product, wanted in self.to_show.items() if self._shown(product) != wanted]

    def _shown(self, product: str) -> Shown:
        one = self.shop.product(self.products[product])
        pictures = [self.shop.media.contents[image["id"]] for image in one["images"]]
        return one["name"], frozenset(tag["name"] for tag in one["tags"]), tuple(pictures)

    # -- how it begins -----------------------------------------------------------------------------------------------
    def _teach(self) -> None:
        moodle, academy = self.moodle, self.academy
        python, club, held, second = (
            moodle.add_course(name, welcome="noreply", category="Craft")
            for name in ("Python", "Club", "Held", "Second")
        )
        moodle.describe_course(
            python, summary="<p>All of it.</p>", modules=[("", "Begin", "page")], skills=["Coding"]
        )
        self.python, self.team = python, moodle.add_group(python, "Team")
        self.group = academy.add_group("Speaking")
        self.path, _ = academy.add_path("Speaking", self.group)
        academy.describe_path(
            self.path, description="<p>Aloud.</p>", tags=["Voice"], steps=[("course", "Breathing")]
        )
        self.sold = {
            "python": (CAMPUS, str(python)),
            "club": (CAMPUS, str(club)),
            "second": (CAMPUS, str(second)),
            "speaking": (ACADEMY, self.group),
            "group": (ACADEMY, self.group),
        }
        self.rows: dict[str, dict[str, Any]] = {
            "python": {"lms": CAMPUS, "course": str(python), "group": str(self.team)},
            "club": {"lms": CAMPUS, "course": str(club), "with_subscription": True},
            "second": {"lms": CAMPUS, "course": str(second)},
            "speaking": {"lms": ACADEMY, "group": self.group, "path": self.path},
            "group": {"lms": ACADEMY, "group": self.group},
            "held": {"lms": CAMPUS, "course": str(held), "seats": "hold"},
            "mug": {"ignore": True},
        }
        self.products = {name: self.shop.add_product(name.title(), sku=name.upper()) for name in self.rows}

    def _write_files(self) -> None:
        write_secrets(self.folder, SECRETS)
        flags = {"mirrors": str(self.mirrors).lower(), "proves": str(self.proves).lower()}
        sites = store_section(URLS[SHOP]) + campus_section(URLS[CAMPUS]) + academy_section(URLS[ACADEMY])
        settings = SETTINGS.format(hook=URLS[HOOK], **flags)
        (self.folder / "config.toml").write_text(sites + settings + LEDGER)
        rows = {name: {"product_id": self.products[name], **self.rows[name]} for name in self.mapped}
        texts = ("\n".join(["[[map]]", *(_line(*pair) for pair in row.items())]) for row in rows.values())
        (self.folder / "mapping.toml").write_text("\n\n".join(texts) + "\n")

    def _hook(self, request: Request) -> Response:
        self.posts.append(request.headers["idempotency-key"])
        return Response.json({"ok": True})

    def _file(self, src: str) -> bytes:
        parts = urlsplit(src)
        found = self.moodle.handle(Request(method="GET", path=parts.path, secure=True))
        if found.status != 200:
            raise ImageRefused("Sorry, the image cannot be fetched.")
        return found.body


def _line(key: str, value: str | bool | int) -> str:
    return f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {str(value).lower()}"
