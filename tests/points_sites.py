"""What stands around a daemon that is struck: a shop, a Moodle, a 360Learning company and a hook, all without a socket;
and what is to be seen in them."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from wcsync.mappers.notes import told_last
from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.shop_media import ImageRefused
from wcsync.sandbox.threesixty import SandboxThreeSixty

SHOP_URL, CAMPUS_URL = "https://shop.example.test", "https://campus.example.test"
ACADEMY_URL, HOOK_URL = "https://academy.example.test", "https://hook.example.test"
COURSE, SECOND, CLUB, T_SHIRT, SPEAKING, SINGING = range(1, 7)
"""The products; the first three sell a course of Moodle each, the last two a group of 360Learning."""
PRODUCTS = {COURSE: "", SECOND: "", CLUB: "with_subscription = true"}
GROUPS = {SPEAKING: "Speaking", SINGING: "Singing"}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 24

Place = tuple[str, int]
"""An address and the product whose course it is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenery:
    """What a story is played in. `academy`: two of the products are sold by a 360Learning company; `alerts`: people are
    told of trouble, by mail and by a hook; `mirrors`: products count as well. `two_at_once`: a second worker has its
    turn while the first waits for an answer."""

    academy: bool = False
    alerts: bool = False
    mirrors: bool = False
    two_at_once: bool = False


PLAIN = Scenery()


def picture(number: int) -> bytes:
    """A cover that no other has."""
    return PNG + number.to_bytes(8, "big")


class Sites:
    """Everything but the postbox. `posts`: the key against repeats and the title of each call of the hook."""

    def __init__(self, clock: Callable[[], datetime], scenery: Scenery) -> None:
        self.scenery = scenery
        self.posts: list[tuple[str, str]] = []
        self.shop = SandboxShop(clock=clock, timezone="Europe/Madrid")
        self.shop.site_url = SHOP_URL
        self.shop.media._download = self._file  # type: ignore[method-assign]  # the shop's own way to the campus
        products = (*PRODUCTS, T_SHIRT, *GROUPS) if scenery.academy else (*PRODUCTS, T_SHIRT)
        for number in products:
            self.shop.add_product(f"Product {number}", sku=f"P-{number}", price="100", product_id=number)
        self.campus = SandboxMoodle(clock=clock)
        self.campus.siteurl = CAMPUS_URL
        for number in PRODUCTS:
            self.campus.add_course(f"Course {number}", course_id=number + 1, welcome="noreply")
        self.academy = SandboxThreeSixty(clock=clock)
        self.academy.reads_per_s = self.academy.writes_per_s = None  # they would count real seconds
        self.groups = {number: self.academy.add_group(name) for number, name in GROUPS.items()}
        self.paths = {
            number: self.academy.add_path(GROUPS[number], group)[0] for number, group in self.groups.items()
        }

    def handles(self) -> dict[str, Callable[[Request], Response]]:
        """Who answers, by host."""
        handles = {
            SHOP_URL: self.shop.handle,
            CAMPUS_URL: self.campus.handle,
            ACADEMY_URL: self.academy.handle,
            HOOK_URL: self._hook,
        }
        return {urlsplit(url).netloc: handle for url, handle in handles.items()}

    def break_off(self, request: Request) -> bool:
        """The shop dies while it is at work on this: pictures are fetched, and nothing shows them. Whether any was."""
        images = json.loads(request.body).get("images", ()) if "/products/" in request.path else ()
        fetched = [self.shop.media._fetch(one["src"]) for one in images if one.get("src")]
        return bool(fetched)

    # -- what is to be seen ------------------------------------------------------------------------------------------
    def inside(self) -> set[Place]:
        """Who is in, in any way that counts."""
        return {(email, course - 1) for email, course in self.campus.active_enrolments()} | self._in_academy()

    def _in_academy(self) -> set[Place]:
        academy = self.academy
        numbers = {group: number for number, group in self.groups.items()}
        numbers |= {
            one.id: number
            for number, path in self.paths.items()
            for one in academy.sessions.values()
            if one.path.id == path
        }
        learners = {(mail, numbers[group]) for mail, group in academy.learners() if group in numbers}
        return learners | {(academy.users[who].mail or "", numbers[one]) for who, one in academy.enrolled()}

    def picture(self) -> Counter[str]:
        """All that can be seen out there, thing by thing, by the sandboxes' own books: pictures, mails and calls of the
        hook once each, see `repeats`."""
        seen = Counter[str](self._seen_in_campus())
        seen.update(self._seen_in_academy())
        for order_id in self.shop.notes:
            seen.update(f"note of {order_id}: {text}" for text in self.notes(order_id))
        seen.update(f"call of the hook: {title}" for title in dict(self.posts).values())
        if self.scenery.mirrors:
            seen.update(f"product {self._product(number)}" for number in self.shop.products)
            seen.update(f"picture {digest}" for digest in set(self._digests()))
        return seen

    def repeats(self) -> Counter[str]:
        """What is there more often than once, though it is the same."""
        media = self._digests()
        return Counter(hook=len(self.posts) - len(dict(self.posts)), picture=len(media) - len(set(media)))

    def notes(self, order_id: int) -> list[str]:
        found = [note["note"] for note in self.shop.notes[order_id]]
        return [text for text in found if told_last([text])]

    def _seen_in_campus(self) -> Iterator[str]:
        users = {one.id: one.email for one in self.campus.users.values()}
        yield from (f"account {email}" for email in users.values())
        yield from (f"password for {email}" for email in self.campus.created_passwords_mailed)
        for row in self.campus.enrolments:
            yield f"{users[row.user_id]} {row.status} in {row.course_id}"
        for (user_id, course_id), times in self.campus.mails.items():
            yield from [f"welcome of {users[user_id]} to {course_id}"] * times

    def _seen_in_academy(self) -> Iterator[str]:
        users = self.academy.users
        for one in users.values():
            yield f"{one.status} user {one.mail}"
            yield from [f"invitation of {one.mail}"] * one.invitations
        for group, user, role in self.academy.roles:
            yield f"{users[user].mail} {role} of {self.academy.groups[group].name}"
        for row in self.academy.enrollments:
            yield f"{users[row.user_id].mail} {row.status} in {self.academy.paths[row.path_id].name}"

    def _product(self, number: int) -> str:
        """As it is stored, without what differs from run to run by nature."""
        shown = {key: value for key, value in self.shop.product(number).items() if "modified" not in key}
        shown["images"] = [(one["name"], self._digest(one["id"])) for one in shown["images"]]
        shown["meta_data"] = [(one["key"], one["value"]) for one in shown["meta_data"]]
        if number > T_SHIRT:  # it was made meanwhile
            shown = {key: shown[key] for key in ("sku", "name", "status", "description", "meta_data")}
        return json.dumps(shown, sort_keys=True)

    def _digests(self) -> list[str]:
        return [self._digest(one) for one in self.shop.media.rows]

    def _digest(self, image_id: int) -> str:
        return hashlib.sha256(self.shop.media.contents[image_id]).hexdigest()[:8]

    def _hook(self, request: Request) -> Response:
        self.posts.append((request.headers["idempotency-key"], json.loads(request.body)["title"]))
        return Response.json({"ok": True})

    def _file(self, src: str) -> bytes:
        found = self.campus.handle(Request(method="GET", path=urlsplit(src).path, secure=True))
        if found.status != 200:
            raise ImageRefused("Sorry, the image cannot be fetched.")
        return found.body
