"""One conversation with an SMTP server, and what its answers mean for whoever hands mail in."""

import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from wcsync.connections import trust
from wcsync.errors import ConfigError, PermanentError, ServiceBlocked, TransientError, WcsyncError
from wcsync.mappers.alerts import one_line

Security = Literal["starttls", "tls", "none"]
LONGEST_TALK = 6
"""So many time-outs a whole conversation may take. A time-out alone begins anew with every byte that drips in."""
TOO_LARGE = 552
CLOSING = 421

Reply = tuple[int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where mail is handed in. `name`: how messages call it; `timeout_s`: the longest silence."""

    name: str
    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)
    timeout_s: float = 30.0
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Which recipients were put off for now, and which were refused for good, and why; all others have the mail."""

    put_off: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    reason: str = ""


def hand_in(
    server: Server, sender: str, to: Sequence[str], letter: bytes, announce: Callable[[], None]
) -> Receipt:
    """Hands one letter in for all recipients who are accepted, in a conversation of its own.

    `announce` is called right before the letter is sent, and only if somebody is to get it. Once the server has taken
    the letter nothing is raised any more.
    Raises: TransientError (`answer_lost` only if the letter may have been taken), PermanentError, ServiceBlocked.
    """
    with _conversation(server) as line:
        with _explaining(server):
            _check_sender(server, line.mail(sender))
            replies = {address: line.rcpt(address) for address in to}
        receipt = _sort(server, replies)
        if len(receipt.put_off) + len(receipt.refused) < len(to):
            announce()
            _check_letter(server, _send(server, line, letter))
    return receipt


@contextmanager
def _conversation(server: Server) -> Iterator[smtplib.SMTP]:
    """A conversation that has got as far as the login."""
    line = smtplib.SMTP(local_hostname=_own_name(), timeout=server.timeout_s)
    overdue = threading.Timer(LONGEST_TALK * server.timeout_s, _break_off, [line])
    overdue.daemon = True
    overdue.start()
    try:
        with _explaining(server):
            _open(line, server)
        yield line
        with suppress(OSError, smtplib.SMTPException):
            line.quit()
    finally:
        overdue.cancel()
        line.close()


def _open(line: smtplib.SMTP, server: Server) -> None:
    connection = socket.create_connection((server.host, server.port), server.timeout_s)
    line.sock = connection if server.security != "tls" else _secured(connection, server)
    _require(server, line.getreply(), 220, "refuses us at the door")
    line.ehlo_or_helo_if_needed()
    if server.security == "starttls":
        _start_tls(line, server)
    if server.user:
        line.login(server.user, server.password)


def _start_tls(line: smtplib.SMTP, server: Server) -> None:
    if not line.has_extn("starttls"):
        raise ServiceBlocked(
            f"{server.name}: offers no STARTTLS at port {server.port}; nothing was sent in clear. Set security to "
            '"tls" (mostly port 465), or to "none" if it is on this machine'
        )
    _require(server, line.docmd("STARTTLS"), 220, "does not begin TLS")
    assert line.sock is not None
    line.sock = _secured(line.sock, server)
    line.file = None  # what came before TLS counts for nothing (RFC 3207)
    line.helo_resp = line.ehlo_resp = None
    line.esmtp_features, line.does_esmtp = {}, False
    line.ehlo_or_helo_if_needed()


def _secured(connection: socket.socket, server: Server) -> ssl.SSLSocket:
    """TLS over a connection. Closes it if none comes about."""
    try:
        return trust(server.ca_file).wrap_socket(connection, server_hostname=server.host)
    except BaseException:
        connection.close()
        raise


def _break_off(line: smtplib.SMTP) -> None:
    connection = line.sock
    if connection is not None:
        with suppress(OSError):
            # SSLSocket's own shutdown would pull the TLS state from under the thread that reads.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _own_name() -> str:
    """What we call ourselves. smtplib would ask the DNS, which may take its time."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _send(server: Server, line: smtplib.SMTP, letter: bytes) -> Reply:
    try:
        return line.data(letter)
    except smtplib.SMTPDataError as exc:
        return exc.smtp_code, _bytes(exc.smtp_error)
    except (smtplib.SMTPException, OSError) as exc:
        raise TransientError(
            f"{server.name}: broke off while it took the message, which may go out all the same; it is sent again "
            "with the same Message-ID",
            answer_lost=True,
        ) from exc


def _check_sender(server: Server, reply: Reply) -> None:
    if reply[0] == TOO_LARGE:
        raise PermanentError(f"{server.name}: the message is too large ({_shown(reply)})")
    _require(server, reply, 250, "does not accept the sender; correct sender, or the rights of user")


def _sort(server: Server, replies: dict[str, Reply]) -> Receipt:
    for reply in replies.values():
        if reply[0] == CLOSING:
            raise _refusal(server, reply, "ends the conversation")
    refused = tuple(address for address, (code, _) in replies.items() if code >= 500)
    put_off = tuple(address for address, (code, _) in replies.items() if not 200 <= code < 300 and code < 500)
    reason = _shown(replies[refused[0]]) if refused else ""
    return Receipt(put_off=put_off, refused=refused, reason=reason)


def _check_letter(server: Server, reply: Reply) -> None:
    code = reply[0]
    if code == 250:
        return
    if code >= 500:
        raise PermanentError(f"{server.name}: refuses the message ({_shown(reply)})")
    raise TransientError(f"{server.name}: does not take the message just now ({_shown(reply)})")


def _require(server: Server, reply: Reply, wanted: int, refusal: str) -> None:
    """For answers that concern every message, not this one."""
    if reply[0] != wanted:
        raise _refusal(server, reply, refusal)


def _refusal(server: Server, reply: Reply, refusal: str) -> WcsyncError:
    if reply[0] >= 500:
        return ServiceBlocked(f"{server.name}: {refusal} ({_shown(reply)})")
    return TransientError(f"{server.name}: {refusal}, for now ({_shown(reply)})", whole_service=True)


@contextmanager
def _explaining(server: Server) -> Iterator[None]:
    """Lets no error of the libraries out: each becomes one of ours."""
    try:
        yield
    except ConfigError as exc:
        raise ServiceBlocked(f"{server.name}: {exc}") from exc
    except (smtplib.SMTPException, OSError, ValueError) as exc:
        raise _explain(server, exc) from exc


def _explain(server: Server, exc: Exception) -> WcsyncError:
    match exc:
        case ssl.SSLError():
            return _explain_tls(server, exc)
        case smtplib.SMTPServerDisconnected() | TimeoutError():
            return TransientError(
                f"{server.name}: {server.host} did not answer in time or broke off{_port_hint(server)}",
                whole_service=True,
            )
        case smtplib.SMTPException():
            return _explain_answer(server, exc)
        case ValueError():
            return ServiceBlocked(
                f"{server.name}: host, user or password holds characters that cannot be sent; SMTP takes ASCII alone"
            )
        case socket.gaierror():
            return TransientError(
                f"{server.name}: the host name {server.host} is unknown", whole_service=True
            )
    reason = getattr(exc, "strerror", None) or type(exc).__name__
    return TransientError(
        f"{server.name}: {server.host} cannot be reached at port {server.port} ({reason}); is the host up, the port "
        "right and the firewall open?",
        whole_service=True,
    )


def _explain_answer(server: Server, exc: smtplib.SMTPException) -> WcsyncError:
    if isinstance(exc, smtplib.SMTPResponseException):
        login = isinstance(exc, smtplib.SMTPAuthenticationError)
        refusal = "does not accept user and password" if login else "refuses us"
        return _refusal(server, (exc.smtp_code, _bytes(exc.smtp_error)), refusal)
    return ServiceBlocked(
        f"{server.name}: offers no login that we know at port {server.port}; remove user and password if it takes mail "
        'from this machine without, or try security = "starttls"'
    )


def _explain_tls(server: Server, exc: ssl.SSLError) -> WcsyncError:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return ServiceBlocked(
            f"{server.name}: its TLS certificate is not accepted ({exc.verify_message}); renew it, or set ca_file if a "
            "private CA signed it"
        )
    if exc.reason == "WRONG_VERSION_NUMBER":
        return ServiceBlocked(
            f'{server.name}: does not speak TLS from the start at port {server.port}; set security to "starttls"'
        )
    reason = exc.reason or "broken off"
    return TransientError(f"{server.name}: no TLS connection came about ({reason})", whole_service=True)


def _port_hint(server: Server) -> str:
    """Both sides waiting for the other to begin is how a wrong port shows."""
    if server.security == "tls":
        return ""
    return f'; if port {server.port} speaks TLS from the start, set security to "tls"'


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode(errors="replace")


def _shown(reply: Reply) -> str:
    """What a server said, as a log can hold it: it may name people."""
    code, text = reply
    return one_line(f"{code} {text.decode('utf-8', 'replace')}", 150)
