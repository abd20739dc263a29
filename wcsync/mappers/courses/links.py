"""Which addresses in a course's text may reach a product: those that work for anybody, and give nothing away. Pure."""

import html
import re
from collections.abc import Collection
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

LONGEST_ADDRESS = 2000

_SECRET = re.compile(
    r"token|sig(nature)?$|secret|sess(ion|key|id)|passw|pwd$|credential|api_?key|(^|[_-])(key|auth|jwt|sid)$|policy$",
    re.IGNORECASE,
)
"""Names of parameters that let whoever has the address in."""

_INSIDE = ("pluginfile.php", "draftfile.php", "@@pluginfile@@", "webservice/")
"""Parts of an address that only works inside an LMS. https://moodledev.io/docs/apis/subsystems/files"""

_MAIL = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_PHONE = re.compile(r"\+?[0-9()/.-]{3,30}")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_UNFIT = re.compile(r"[\x00-\x20\x7f-\xa0\\\ue000]")
_SHOWN_SECRET = re.compile(r"[?&;]?\b\w*(?:token|sesskey|sig|signature)=[^\s<>\"]+", re.IGNORECASE)
_SHOWN = re.compile(r"(?:https?:|ftp:|//|www\.|@@pluginfile@@)[^\s<>\"]*", re.IGNORECASE)


def host_of(address: str) -> str:
    """The host in the one form in which hosts are compared, without www.; '' if there is none."""
    try:
        return _plain_host(urlsplit(address).hostname or "")
    except ValueError:
        return ""


def usable(address: str, foreign: Collection[str]) -> str | None:
    """The address in a form that no shop changes (`&#` would look like an entity); None if it must not be linked to.

    `foreign`: hosts, as `host_of` gives them, that only learners can use.
    """
    address = address.strip()
    scheme, colon, rest = address.partition(":")
    match scheme.lower():
        case "mailto" if _MAIL.fullmatch(rest):
            return f"mailto:{rest}"
        case "tel" if _PHONE.fullmatch(rest):
            return f"tel:{rest}"
        case "http" | "https" if colon and not _UNFIT.search(address) and len(address) <= LONGEST_ADDRESS:
            return _usable_site(address, foreign)
    return None


def within_shop(address: str) -> str | None:
    """An address on the shop itself, as a person may write it into a template: `/contact` or `#more`."""
    if not address.startswith(("/", "#")) or address.startswith("//") or _UNFIT.search(address):
        return None
    return quote(address, safe="/#?%:@!$&()*+,;=~-._").replace("&#", "%26#")


def scrub(text: str, foreign: Collection[str]) -> str:
    """Plain text or the text of HTML without addresses written out that must not be linked to either."""
    return _SHOWN_SECRET.sub("", _SHOWN.sub(lambda found: _scrubbed(found[0], foreign), text))


def _scrubbed(shown: str, foreign: Collection[str]) -> str:
    address = html.unescape(shown)
    full = f"https://{address}" if address[:4].lower() == "www." else address
    if _gives_away(full) or host_of(full) in foreign or _mentions(full, foreign):
        return ""
    return shown


def _usable_site(address: str, foreign: Collection[str]) -> str | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    host = _ascii_host(parts.hostname or "")
    if "@" in parts.netloc or not _HOST.fullmatch(host):
        return None
    if _plain_host(host) in foreign or _mentions(address, foreign) or _gives_away(address):
        return None
    site = host if port is None else f"{host}:{port}"
    rest = map(_quoted, (parts.path, parts.query, parts.fragment))
    return urlunsplit((parts.scheme, site, *rest)).replace("&#", "%26#")


def _gives_away(address: str) -> bool:
    plain = _unquoted(address).casefold()
    if any(inside in plain for inside in _INSIDE):
        return True
    tail = re.split(r"[?#;]", plain, maxsplit=1)
    pairs = parse_qsl(re.sub(r"[?#;]", "&", tail[1]), keep_blank_values=True) if len(tail) > 1 else []
    return any(_SECRET.search(name) for name, _ in pairs)


def _mentions(address: str, foreign: Collection[str]) -> bool:
    """Also behind a redirect: `https://mail.example/?url=https%3A%2F%2Fcampus.example`."""
    plain = _unquoted(address).casefold()
    return any(host in plain for host in foreign if host)


def _unquoted(address: str) -> str:
    for _ in range(3):
        address = unquote(address)
    return address


def _plain_host(host: str) -> str:
    return _ascii_host(host).removeprefix("www.")


def _ascii_host(host: str) -> str:
    host = unquote(host).rstrip(".").lower()
    if not host or len(host) > LONGEST_ADDRESS:  # the codec takes the square of the length
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


def _quoted(part: str) -> str:
    return quote(part, safe="/?%:@!$&()*+,;=~-._")
