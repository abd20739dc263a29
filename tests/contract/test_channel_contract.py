"""What every `Channel` keeps. Another way to tell people adds a stage."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
import stamina

from tests.channels import alert_message
from tests.fakes import T0, FakeClock, make_line
from tests.smtp import DROP, SmtpServer
from wcsync.errors import ServiceBlocked, TransientError, WcsyncError
from wcsync.http import Service
from wcsync.ledger.ledger import SqliteLedger
from wcsync.mappers.notes import NOTE_CHANNEL, Fate, NoteLine, digest_note, dump_lines
from wcsync.model import Message
from wcsync.notes import OrderNotes
from wcsync.notify.base import Channel, Delivery
from wcsync.notify.mail import Mail
from wcsync.notify.smtp import Server
from wcsync.notify.web import WebCall
from wcsync.sandbox.exchange import Request, Response
from wcsync.sandbox.faults import Fault
from wcsync.sandbox.server import SandboxServer
from wcsync.sandbox.shop import SandboxShop
from wcsync.store.client import WooCommerce


class Stage(ABC):
    """A channel, what came of it, and hands to spoil its far side."""

    knows_repeats = False
    """Whether the far side lets one see what it already has."""

    channel: Channel

    @abstractmethod
    def message(self) -> Message: ...

    @abstractmethod
    def arrived(self) -> int:
        """How many messages their readers have."""

    @abstractmethod
    def lose_answer(self) -> None:
        """The next message is taken, and its answer lost."""

    @abstractmethod
    def refuse_credentials(self) -> None: ...

    @abstractmethod
    def go_away(self) -> None:
        """Nobody answers any more."""

    @abstractmethod
    def identities(self) -> set[str]:
        """What tells a repeat from another message, of all that arrived."""


class MailStage(Stage):
    def __init__(self, stack: ExitStack) -> None:
        self.post = stack.enter_context(SmtpServer(login=("ana", "right")))
        self.stack = stack
        self.channel = self.channel_with("right")

    def channel_with(self, password: str) -> Mail:
        server = Server(
            name="alert mail",
            host="127.0.0.1",
            port=self.post.port,
            security="none",
            user="ana",
            password=password,
            timeout_s=2.0,
        )
        to = ("ops@example.test",)
        return Mail(
            server=server, sender="wcsync@example.test", to=to, instance="shop", host="box", clock=FakeClock()
        )

    def message(self) -> Message:
        return alert_message()

    def arrived(self) -> int:
        return len(self.post.letters)

    def lose_answer(self) -> None:
        self.post.answers["END"].append(DROP)

    def refuse_credentials(self) -> None:
        self.channel = self.channel_with("wrong")

    def go_away(self) -> None:
        self.post.__exit__()

    def identities(self) -> set[str]:
        return {letter.message["Message-ID"] for letter in self.post.letters}


class Hook(SandboxServer):
    """Takes every call."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Request] = []

    def handle(self, request: Request) -> Response:
        self.taken.append(request)
        return Response(body=b"ok")


class WebStage(Stage):
    def __init__(self, stack: ExitStack) -> None:
        self.hook = stack.enter_context(Hook())
        http = Service("alert web chat", timeout_s=2.0)
        self.channel = WebCall(
            name="web chat",
            service="alert web chat",
            http=http,
            url=f"{self.hook.url}/hook",
            instance="shop",
            host="box",
            clock=FakeClock(),
        )
        stack.callback(self.channel.close)

    def message(self) -> Message:
        return alert_message(channel="web chat")

    def arrived(self) -> int:
        return len(self.hook.taken)

    def lose_answer(self) -> None:
        self.hook.faults.add(Fault(kind="reset_after"))

    def refuse_credentials(self) -> None:
        self.hook.faults.add(Fault(kind="status", status=401))

    def go_away(self) -> None:
        self.hook.stop_answering()

    def identities(self) -> set[str]:
        return {request.headers["idempotency-key"] for request in self.hook.taken}


class NotesStage(Stage):
    knows_repeats = True

    def __init__(self, stack: ExitStack, folder: Any) -> None:
        self.shop = stack.enter_context(SandboxShop(consumer_secret="right"))
        product = self.shop.add_product("Python", sku=make_line().sku)
        self.order_id = self.shop.buy("ana@example.test", lines=[(product, 1)])
        self.stack, self.folder = stack, folder
        self.ledger = SqliteLedger(folder / "ledger.db")
        stack.callback(self.ledger.close)
        self.channel = self.channel_with("right")

    def channel_with(self, secret: str) -> OrderNotes:
        store = WooCommerce(
            url=self.shop.url, consumer_key="ck_sandbox", consumer_secret=secret, timeout_s=2.0, page_size=10
        )
        self.stack.enter_context(closing(store))
        return OrderNotes(store=store, ledger=self.ledger, clock=FakeClock(), quarantine_s=0.0)

    def message(self) -> Message:
        lines = (NoteLine(fate=Fate.ENROLLED, product="Python", place="campus, course 42"),)
        return Message(
            key=f"{NOTE_CHANNEL}/order {self.order_id}/1",
            channel=NOTE_CHANNEL,
            subject=f"order {self.order_id}",
            digest=digest_note(f"order {self.order_id}", lines),
            payload=dump_lines(lines),
            created_at=T0,
            attempts=1,
            lease=1,
            sending_since=T0,
            open_since=None,
        )

    def arrived(self) -> int:
        return len(self._ours())

    def lose_answer(self) -> None:
        self.shop.faults.add(Fault(kind="reset_after", match=_posts_note))

    def refuse_credentials(self) -> None:
        self.channel = self.channel_with("wrong")

    def go_away(self) -> None:
        self.shop.stop_answering()

    def identities(self) -> set[str]:
        return set(self._ours())

    def _ours(self) -> list[str]:
        return [note["note"] for note in self.shop.notes.get(self.order_id, []) if "(wcsync " in note["note"]]


def _posts_note(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/notes")


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=1, cap=True):
        yield


@pytest.fixture(params=["mail", "web", "notes"])
def stage(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Stage]:
    with ExitStack() as stack:
        match request.param:
            case "mail":
                yield MailStage(stack)
            case "web":
                yield WebStage(stack)
            case _:
                yield NotesStage(stack, tmp_path)


class Announcement:
    """Counts the calls, and notes how much had arrived when each came."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.before: list[int] = []

    def __call__(self) -> None:
        self.before.append(self.stage.arrived())


def fail(stage: Stage) -> WcsyncError:
    with pytest.raises(WcsyncError) as caught:
        stage.channel.deliver(stage.message(), lambda: None)
    return caught.value


def test_a_message_arrives_once_and_is_announced_right_before(stage: Stage) -> None:
    announcement = Announcement(stage)
    assert stage.channel.deliver(stage.message(), announcement) is Delivery.SENT
    assert announcement.before == [0]
    assert stage.arrived() == 1


def test_nothing_is_sent_when_the_announcement_is_refused(stage: Stage) -> None:
    def taken_over() -> None:
        raise TransientError("taken over")

    with pytest.raises(TransientError, match="taken over"):
        stage.channel.deliver(stage.message(), taken_over)
    assert stage.arrived() == 0


def test_a_lost_answer_says_that_the_message_may_have_arrived(stage: Stage) -> None:
    stage.lose_answer()
    error = fail(stage)
    assert isinstance(error, TransientError)
    assert error.answer_lost
    assert stage.arrived() == 1


def test_a_repeat_after_a_lost_answer_is_not_made_or_known_as_one(stage: Stage) -> None:
    stage.lose_answer()
    fail(stage)
    outcome = stage.channel.deliver(stage.message(), lambda: None)
    assert outcome is (Delivery.ALREADY if stage.knows_repeats else Delivery.SENT)
    assert len(stage.identities()) == 1


def test_refused_credentials_block_the_whole_way(stage: Stage) -> None:
    stage.refuse_credentials()
    assert isinstance(fail(stage), ServiceBlocked)
    assert stage.arrived() == 0


def test_nobody_there_is_an_outage_of_the_whole_way(stage: Stage) -> None:
    stage.go_away()
    error = fail(stage)
    assert isinstance(error, TransientError)
    assert error.whole_service
    assert not error.answer_lost


def test_errors_name_the_way(stage: Stage) -> None:
    stage.go_away()
    assert str(fail(stage)).startswith((f"{stage.channel.service}: ", "shop: "))


def test_the_names_of_a_way_cannot_be_those_of_an_lms(stage: Stage) -> None:
    assert " " in stage.channel.service
