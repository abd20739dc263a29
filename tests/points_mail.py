"""Mail on its way to an SMTP server on loopback, from a daemon that can be killed at each word of the conversation."""

import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Literal

from tests.points import Killed, Points, UnderWay
from tests.smtp import SmtpServer

LETTER = "SMTP letter"


class Postbox:
    """The far end of all conversations, and the near ones that a dead process left open. `close()` when done.

    `announced` is asked before a letter goes out; `hang` hears of one that was under way when the process died.
    """

    def __init__(
        self, points: Points, announced: Callable[[str], None], hang: Callable[[UnderWay], None]
    ) -> None:
        self.server = SmtpServer()
        self.points = points
        self.announced = announced
        self.hang = hang
        self.lines: list[_Line] = []

    def ids(self) -> list[str]:
        """The Message-ID of each letter that was taken, as they came."""
        return [letter.message["Message-ID"] for letter in self.server.letters]

    def subjects(self) -> dict[str, str]:
        return {one.message["Message-ID"]: one.message["Subject"] for one in self.server.letters}

    def sockets(self) -> Any:
        """Stands for the module where it is imported: whoever is called, this postbox answers."""
        return SimpleNamespace(**{**vars(socket), "create_connection": self._connect})

    def close(self) -> None:
        for line in self.lines:
            line.end()
        self.server.__exit__()

    def _connect(self, *_words: object, **_more: object) -> "_Line":
        self.points.point("before SMTP connection")
        self.lines.append(_Line(self))
        return self.lines[-1]


class _Line:
    """What smtplib needs of a connection."""

    def __init__(self, postbox: Postbox) -> None:
        self._postbox = postbox
        self._raw = socket.create_connection(("127.0.0.1", postbox.server.port))
        self._files: list[Any] = []
        self._verb = ""
        self._left_open = False

    def sendall(self, sent: bytes) -> None:
        what = LETTER if self._verb == "DATA" else f"SMTP {sent[:4].decode().strip()}"
        self._verb = sent[:4].decode(errors="replace").strip()
        self._postbox.points.point(f"before {what}")
        if what == LETTER:
            self._be_under_way(sent)
        self._raw.sendall(sent)

    def makefile(self, mode: Literal["rb"]) -> Any:
        self._files.append(self._raw.makefile(mode))
        return self._files[-1]

    def close(self) -> None:
        if not self._left_open:
            self.end()

    def end(self) -> None:
        for file in self._files:
            file.close()
        self._raw.close()

    def _be_under_way(self, letter: bytes) -> None:
        points = self._postbox.points
        self._postbox.announced(LETTER)
        points.calls_out += 1
        try:
            points.point(f"sent {LETTER}")
        except Killed:
            self._left_open = True
            self._postbox.hang(UnderWay(what=LETTER, arrive=lambda: self._hand_over(letter)))
            raise
        points.calls_out -= 1

    def _hand_over(self, letter: bytes) -> None:
        """Returns once the server has it."""
        self._raw.sendall(letter)
        with self._raw.makefile("rb") as answer:
            assert answer.readline().startswith(b"250")
        self.end()
