"""`wcsync demo`: a sandbox shop and two sandbox LMSs on loopback, the real engine between them, and an honest count."""

import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from wcsync import log as logs
from wcsync import screen
from wcsync.app import App
from wcsync.config import load_config
from wcsync.daemon import only_instance, serve, stopping_on_signals
from wcsync.ledger.report import Summary
from wcsync.mappers.notes import told_last
from wcsync.sandbox.exchange import Request
from wcsync.sandbox.faults import Fault
from wcsync.sandbox.moodle import SandboxMoodle
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.threesixty import SandboxThreeSixty

POLL_S = 1.0
PATIENCE_S = 90.0
SHOPPING_S = 8.0
"""About how long the shoppers take, however many orders they make."""

COURSES = {
    "PY-101": "Python for Beginners",
    "DE-A1": "Deutsch für Anfänger",
    "ES-DIS": "Diseño Gráfico",
    "JA-KAN": "漢字入門",
    "FR-SEC": "Sécurité au travail",
}
PATHS = {"MGT-1": "Management essentials", "GDPR": "Data protection, les bases"}
"""What 360Learning teaches in this demo; the others are Moodle's."""
UNMAPPED_SKU, IGNORED_SKU = "NEW-1", "MUG-1"
SHOPPERS = (
    ("ana.garcia@example.test", "Ana", "García Núñez"),
    ("O'Neil@example.test", "Seán", "O'Neil"),
    ("zoe+courses@example.test", "Zoë", "Brontë & Sœurs"),
    ("jan.kowalski@example.test", "Jan", "Kowalski"),
    ("mei.lin@example.test", "美玲", "林"),
    ("party@example.test", "🎉", ""),
    ("nguyen@example.test", "Nguyễn", "Văn An"),
    ("bobby@example.test", "Robert'); DROP TABLE students;--", "<b>Tables</b>"),
)


def run(*, orders: int, keep: bool, as_json: bool) -> int:
    """Plays the demo and prints what came of it. 0 if the LMS holds exactly what was paid for, else 1."""
    folder = Path(tempfile.mkdtemp(prefix="wcsync-demo-"))
    try:
        with _stage(folder) as stage:
            return _play(stage, orders=orders, keep=keep, as_json=as_json)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


Place = tuple[str, str]
"""An LMS and a course of it."""
KEY = {"campus": "course", "academy": "group"}


@dataclass(slots=True, kw_only=True)
class Stage:
    """The shop, the LMSs, the files between them, and what the shoppers ought to get.

    `courses`: for each SKU the LMS and the course (in 360Learning the group) that it sells.
    """

    shop: SandboxShop
    moodle: SandboxMoodle
    academy: SandboxThreeSixty
    folder: Path
    products: dict[str, int]
    courses: dict[str, Place]
    due: Counter[tuple[str, Place]] = field(default_factory=Counter)

    @property
    def config_path(self) -> Path:
        return self.folder / "config.toml"

    def sell(self, shopper: int, skus: tuple[str, ...], *, quantity: int = 1, **how: str | bool) -> int:
        """One order. Counts what it entitles to, by the rules of the shop, not by wcsync's."""
        email, first, last = _shopper(shopper)
        lines = [(self.products[sku], quantity) for sku in skus]
        order_id = self.shop.buy(email, first, last, lines, **how)  # type: ignore[arg-type]
        if how.get("status", "completed") == "completed":
            self.due.update((email.casefold(), self.courses[sku]) for sku in skus if sku in self.courses)
        return order_id

    def take_back(self, order_id: int) -> None:
        """The whole order is refunded: its seats end."""
        order = self.shop.orders[order_id]
        email = str(order["billing"]["email"]).casefold()
        skus = {number: sku for sku, number in self.products.items()}
        self.shop.set_status(order_id, "refunded")
        for line in order["line_items"]:
            course_id = self.courses.get(skus[line["product_id"]])
            if course_id is not None:
                self.due[email, course_id] -= 1

    def expected(self) -> set[tuple[str, Place]]:
        return {seat for seat, count in self.due.items() if count > 0}

    def actual(self) -> set[tuple[str, Place]]:
        campus = {(email, ("campus", str(course_id))) for email, course_id in self.moodle.active_enrolments()}
        academy = {(email, ("academy", group_id)) for email, group_id in self.academy.learners()}
        return {(email.casefold(), place) for email, place in campus | academy}

    def notes(self) -> dict[int, list[str]]:
        """Per order the marks of our notes, in the order in which the shop took them."""
        told = {order_id: [told_last([note["note"]]) for note in notes] for order_id, notes in self._notes()}
        return {order_id: [mark for mark in marks if mark] for order_id, marks in told.items()}

    def _notes(self) -> list[tuple[int, list[dict[str, Any]]]]:
        with self.shop.lock:
            return [(order_id, list(notes)) for order_id, notes in self.shop.notes.items()]

    def accounts(self, email: str) -> int:
        """The most accounts one LMS has for an address."""
        return max(len(self.moodle.accounts(email)), len(self.academy.accounts(email)))


@contextmanager
def _stage(folder: Path) -> Iterator[Stage]:
    with (
        SandboxShop(name="Demo Academy") as shop,
        SandboxMoodle() as moodle,
        SandboxThreeSixty() as academy,
    ):
        courses = {sku: ("campus", str(moodle.add_course(title))) for sku, title in COURSES.items()}
        courses |= {sku: ("academy", academy.add_group(title)) for sku, title in PATHS.items()}
        titles = COURSES | PATHS | {UNMAPPED_SKU: "Brand new course", IGNORED_SKU: "Coffee mug"}
        products = {sku: shop.add_product(title, sku=sku) for sku, title in titles.items()}
        stage = Stage(
            shop=shop, moodle=moodle, academy=academy, folder=folder, products=products, courses=courses
        )
        _write_files(stage)
        yield stage


def _write_files(stage: Stage) -> None:
    client_id, credentials = next(iter(stage.academy.credentials.items()))
    for name, secret in (
        ("key", stage.shop.gate.consumer_key),
        ("secret", stage.shop.gate.consumer_secret),
        ("token", next(iter(stage.moodle.tokens))),
        ("academy_id", client_id),
        ("academy_secret", credentials.client_secret),
    ):
        handle = os.open(stage.folder / name, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secret)
    stage.config_path.write_text(
        f"""\
[store]
url = "{stage.shop.url}"
consumer_key = {{ file = "key" }}
consumer_secret = {{ file = "secret" }}
timeout_s = 1

[orders]
poll_every_s = {POLL_S}
start = "2000-01-01"

[retry]
first_delay_s = 1

[[lms]]
name = "campus"
kind = "moodle"
url = "{stage.moodle.url}"
token = {{ file = "token" }}
timeout_s = 1
quarantine_s = 3

[[lms]]
name = "academy"
kind = "360learning"
url = "{stage.academy.url}"
client_id = {{ file = "academy_id" }}
client_secret = {{ file = "academy_secret" }}
timeout_s = 1
quarantine_s = 3

[ledger]
path = "ledger.db"

[mapping]
path = "mapping.toml"
""",
        encoding="utf-8",
    )
    rows = [
        f'[[map]]\nsku = "{sku}"\nlms = "{lms}"\n{KEY[lms]} = "{number}"\n'
        for sku, (lms, number) in stage.courses.items()
    ]
    rows.append(f'[[map]]\nsku = "{IGNORED_SKU}"\nignore = true\nnote = "not a course"\n')
    (stage.folder / "mapping.toml").write_text("\n".join(rows), encoding="utf-8")


def _play(stage: Stage, *, orders: int, keep: bool, as_json: bool) -> int:
    say = _nothing if as_json else click.echo
    loaded = load_config(stage.config_path, os.environ)
    logs.configure(style="text", secrets=loaded.config.secrets())
    say(
        f"A shop at {stage.shop.url}, a Moodle at {stage.moodle.url} and a 360Learning at {stage.academy.url}: real "
        "HTTP between them and wcsync."
    )
    app = App(loaded.config)
    with only_instance(loaded.config.ledger.path), closing(app), stopping_on_signals(app.stop):
        app.prepare()
        with _daemon(app):
            _go_shopping(stage, app, orders, say)
            quiet = _wait_until_quiet(stage, app)
            if keep and quiet:
                _conclude(stage, app.summary(), quiet=quiet, as_json=as_json)
                _invite(stage)
                app.stop.wait()
        return _conclude(stage, app.summary(), quiet=quiet, as_json=as_json)


@contextmanager
def _daemon(app: App) -> Iterator[None]:
    """The daemon's own loop, in a thread beside the shoppers."""
    daemon = threading.Thread(target=serve, args=(app.jobs(), app.pool, app.stop), name="daemon")
    daemon.start()
    try:
        yield
    finally:
        app.stop.set()
        daemon.join()


def _go_shopping(stage: Stage, app: App, orders: int, say: Callable[[str], None]) -> None:
    dice = random.Random(7)  # noqa: S311 - the same shoppers each time
    special = _special_orders(stage)
    pause_s = min(SHOPPING_S / orders, 0.3)
    refundable: list[int] = []
    for number in range(orders - len(special)):
        _misfortune(stage, number, orders, say)
        skus = tuple(dice.sample(sorted(stage.courses), dice.choice((1, 1, 1, 2, 3))))
        refundable.append(stage.sell(dice.randrange(len(SHOPPERS) + orders // 2), skus))
        if app.stop.wait(pause_s):
            return
    for what, sell in special:
        say(f"A shopper: {what}.")
        refundable.append(sell())
    say("An order is refunded in full.")
    stage.take_back(refundable[0])


def _special_orders(stage: Stage) -> list[tuple[str, Callable[[], int]]]:
    return [
        ("buys a course that is in no mapping row", lambda: stage.sell(0, ("PY-101", UNMAPPED_SKU))),
        ("buys a mug, which is no course", lambda: stage.sell(1, (IGNORED_SKU,))),
        (
            "pays cash on delivery, not yet paid",
            lambda: stage.sell(2, ("DE-A1",), status="processing", paid=False),
        ),
        ("has not paid", lambda: stage.sell(3, ("DE-A1",), status="pending", paid=False)),
        ("buys three seats and names nobody else", lambda: stage.sell(4, ("JA-KAN",), quantity=3)),
        ("buys the same course again", lambda: stage.sell(4, ("JA-KAN",))),
    ]


def _misfortune(stage: Stage, number: int, orders: int, say: Callable[[str], None]) -> None:
    """The bad day, in small: each of these has cost somebody an order."""
    if number == orders // 8:
        say("Bad luck: Moodle enrols two learners, but both answers get lost on the way.")
        stage.moodle.faults.add(Fault(kind="reset_after", match="enrol_manual_enrol_users", times=2))
    elif number == orders // 4:
        say("Bad luck: Moodle creates an account a second after wcsync lost the connection.")
        stage.moodle.faults.add(Fault(kind="late_effect", match="core_user_create_users", seconds=1.0))
    elif number == 3 * orders // 8:
        say("Bad luck: the shop takes a note beside an order, but its answer gets lost on the way.")
        stage.shop.faults.add(Fault(kind="reset_after", match=_is_new_note))
    elif number == orders // 2:
        say("Bad luck: the shop answers with a page of HTML, status 200.")
        stage.shop.faults.add(Fault(kind="html200", match="/wc/v3/orders"))
    elif number == 5 * orders // 8:
        say("Bad luck: 360Learning invites a learner, but the answer gets lost on the way.")
        stage.academy.faults.add(Fault(kind="reset_after", match="POST /api/v2/users"))
    elif number == 3 * orders // 4:
        say("Bad luck: Moodle goes into maintenance for a moment.")
        stage.moodle.faults.add(
            Fault(kind="status", status=503, headers={"Retry-After": "1"}, body="Maintenance", times=2)
        )


def _is_new_note(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/notes")


def _wait_until_quiet(stage: Stage, app: App) -> bool:
    """Until the shop was read after its last change and nothing is due. False if patience ran out."""
    asked = len(stage.shop.requests)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not app.stop.is_set():
        summary = app.summary()
        polled = sum(
            request.path.endswith("/wc/v3/orders") and request.status == 200
            for request in stage.shop.requests[asked:]
        )
        if polled >= 2 and summary.due == 0 and not app.messages_waiting():
            return True
        app.stop.wait(0.2)
    return False


def _conclude(stage: Stage, summary: Summary, *, quiet: bool, as_json: bool) -> int:
    expected, actual = stage.expected(), stage.actual()
    doubled = sum(stage.accounts(email) > 1 for email in {email for email, _ in actual})
    doubled_notes = sum(one == other for told in stage.notes().values() for one, other in pairwise(told))
    agree = quiet and expected == actual and not (doubled or doubled_notes or summary.unexplained)
    verdict = {
        "lms_expected": len(expected),
        "lms_actual": len(actual),
        "missing": len(expected - actual),
        "too_many": len(actual - expected),
        "doubled_accounts": doubled,
        "notes": sum(map(len, stage.notes().values())),
        "doubled_notes": doubled_notes,
        "agree": agree,
    }
    if as_json:
        screen.print_json(summary.as_dict() | {"lms": verdict})
    else:
        click.echo(
            f"\nPaid for: {len(expected)} enrolments. In the LMSs: {len(actual)}. Missing: {verdict['missing']}. "
            f"Too many: {verdict['too_many']}. Doubled accounts: {doubled}. (Some bought a course twice.)\n"
            f"Notes beside the orders: {verdict['notes']}. Doubled: {doubled_notes}."
        )
        click.echo("The LMSs hold exactly what was paid for." if agree else "THE LMSS AND THE SHOP DISAGREE.")
        screen.print_summary(summary)
    return 0 if agree else 1


def _invite(stage: Stage) -> None:
    """On stderr: with --json, stdout holds the document alone."""
    unmapped = next(
        number
        for number, order in stage.shop.orders.items()
        if any(line["product_id"] == stage.products[UNMAPPED_SKU] for line in order["line_items"])
    )
    click.echo("\nStill running; look around in another terminal:", err=True)
    for command in ("status", f"show {unmapped}", "parked list", "dead list", "mapping check", "check"):
        click.echo(f"  {Path(sys.argv[0])} {command} --config {stage.config_path}", err=True)
    click.echo(
        f"Order {unmapped} holds a line that no mapping row names: give {UNMAPPED_SKU} one in "
        f"{stage.folder}/mapping.toml and look again.\nCtrl-C ends it and removes everything.",
        err=True,
    )


def _shopper(number: int) -> tuple[str, str, str]:
    if number < len(SHOPPERS):
        return SHOPPERS[number]
    return f"guest{number}@example.test", "Guest", f"Number {number}"


def _nothing(_text: str) -> None:
    """With --json nothing but the document goes to stdout."""
