"""A small SMTP server on loopback: keeps what it took, and fails on demand."""

import base64
import contextlib
import socket
import ssl
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from tests.listening import TIMEOUT_S, Listening

DROP = "drop"
"""Instead of an answer the connection is closed."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    sender: str
    to: tuple[str, ...]
    content: bytes
    secured: bool
    user: str

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=default)

    @property
    def text(self) -> str:
        return str(self.message.get_content())


class SmtpServer(Listening):
    """`answers[verb]` are given one by one instead of the usual answer to that verb ("GREET", "EHLO", "STARTTLS",
    "AUTH", "MAIL", "RCPT", "DATA", "END", "QUIT"), or with an address to one recipient ("RCPT ana@example.test").
    "END" is the end of the letter: it is taken first if the answer is a drop.

    `tls`: from the start, `starttls`: on demand; `login`: user and password that are asked for. `slow`: says nothing
    at all.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        slow: bool = False,
    ) -> None:
        self.letters: list[Letter] = []
        self.verbs: list[str] = []
        self.answers: defaultdict[str, deque[str]] = defaultdict(deque)
        self.tls, self.starttls, self.login, self.slow = tls, starttls, login, slow
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        connection.settimeout(TIMEOUT_S)
        if self.tls is not None:
            connection = self.keep(self.tls.wrap_socket(connection, server_side=True))
        _Conversation(self, connection).run()


class _Conversation:
    def __init__(self, server: SmtpServer, connection: socket.socket) -> None:
        self.server = server
        self.connection = connection
        self.lines = connection.makefile("rb")
        self.user = ""
        self.sender, self.to = "", list[str]()

    def run(self) -> None:
        if self.server.slow:
            self.connection.recv(1)
            return
        more = self._answer("GREET", "220 loopback ESMTP")
        while more:
            line = self.lines.readline().decode(errors="replace").rstrip("\r\n")
            if not line:
                return
            verb = line.partition(" ")[0].upper()
            self.server.verbs.append(verb)
            more = self._take(verb, line)

    def _take(self, verb: str, line: str) -> bool:
        takers: dict[str, Callable[[str], bool]] = {
            "EHLO": lambda _line: self._answer(verb, self._features()),
            "STARTTLS": lambda _line: self._secure(),
            "AUTH": self._log_in,
            "MAIL": self._begin,
            "RCPT": lambda line: self._add_recipient(_address(line)),
            "DATA": lambda _line: self._take_letter(),
        }
        if verb == "QUIT":
            self._answer(verb, "221 bye")
            return False
        take = takers.get(verb)
        return take(line) if take is not None else self._answer(verb, "500 what?")

    def _begin(self, line: str) -> bool:
        self.sender, self.to = _address(line), []
        return self._answer("MAIL", "250 ok")

    def _features(self) -> str:
        features = ["loopback", "8BITMIME"]
        if self.server.starttls is not None and not isinstance(self.connection, ssl.SSLSocket):
            features.append("STARTTLS")
        if self.server.login is not None:
            features.append("AUTH PLAIN LOGIN")
        return "\r\n".join(
            f"250{' ' if index == len(features) - 1 else '-'}{feature}"
            for index, feature in enumerate(features)
        )

    def _secure(self) -> bool:
        if not self._answer("STARTTLS", "220 go on"):
            return False
        if self.server.starttls is not None and self.last.startswith("220"):
            self.connection = self.server.starttls.wrap_socket(self.connection, server_side=True)
            self.server.keep(self.connection)
            self.lines = self.connection.makefile("rb")
        return True

    def _log_in(self, line: str) -> bool:
        _, mechanism, response = line.split()
        given = base64.b64decode(response).decode().split("\0")[1:] if mechanism == "PLAIN" else []
        right = tuple(given) == self.server.login
        self.user = given[0] if right else ""
        return self._answer("AUTH", "235 welcome" if right else "535 5.7.8 wrong user or password")

    def _add_recipient(self, address: str) -> bool:
        special = self.server.answers[f"RCPT {address}"]
        usual = special.popleft() if special else "250 ok"
        more = self._answer("RCPT", usual)
        if self.last.startswith("25"):
            self.to.append(address)
        return more

    def _take_letter(self) -> bool:
        if not self._answer("DATA", "354 go on"):
            return False
        if not self.last.startswith("354"):
            return True
        content = b""
        while (line := self.lines.readline()) != b".\r\n":
            if not line:
                return False
            content += line.removeprefix(b".") if line.startswith(b"..") else line
        ending = self.server.answers["END"]
        if not ending or ending[0] == DROP or ending[0].startswith("250"):
            secured = isinstance(self.connection, ssl.SSLSocket)
            letter = Letter(
                sender=self.sender, to=tuple(self.to), content=content, secured=secured, user=self.user
            )
            self.server.letters.append(letter)
        return self._answer("END", "250 taken")

    def _answer(self, verb: str, usual: str) -> bool:
        special = self.server.answers[verb]
        self.last = special.popleft() if special else usual
        if self.last == DROP:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.connection, socket.SHUT_RDWR)
            return False
        self.connection.sendall(f"{self.last}\r\n".encode())
        return True


def _address(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]
