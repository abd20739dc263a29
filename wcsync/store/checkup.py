"""A person's look at a shop: all that the daemon will ask of it is tried once, and nothing is changed."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlsplit

from wcsync.errors import Finding, ServiceBlocked, Severity, WcsyncError
from wcsync.http import Redirected, Reply
from wcsync.store import wire
from wcsync.store.refusal import (
    CLOCKS_APART,
    HEADER_STRIPPED,
    MAY_NOT_WRITE,
    PLAIN_PERMALINKS,
    WRONG_KEY,
    Way,
    explain_write,
)
from wcsync.times import Clock

TOLERATED = timedelta(seconds=60)
SIGNED_TOLERANCE = timedelta(minutes=14)
"""From 15 minutes on a shop refuses signed requests."""

_ROOT = re.compile(rb"""<link[^>]+rel=["']https://api\.w\.org/["'][^>]+href=["']([^"'>\s]{1,500})["']""")
_PLAIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~%/-]*)?")
_ROOT_LINK = re.compile(r'<([^<>\s]{1,500})>;\s*rel="https://api\.w\.org/"')

NO_TIME = Finding(
    code="no_date",
    message="does not tell its time: a proxy takes the Date header out of its answers",
    remedy="let it through; until then this machine's clock counts instead, so keep that by NTP",
    severity=Severity.WARNING,
)
PHP_OUTPUT = Finding(
    code="php_output",
    message="its PHP prints warnings in front of every answer; wcsync skips them, other programs may not",
    remedy="set WP_DEBUG_DISPLAY to false in wp-config.php; PHP's error log names the plugin",
    severity=Severity.WARNING,
)
NO_REWRITE = Finding(
    code="no_rewrite",
    message="WordPress is there, but its web server does not hand /wp-json/ to it",
    remedy="press Save under Settings > Permalinks; then on Apache allow .htaccess and mod_rewrite, on nginx add "
    "try_files with /index.php",
)

ELSEWHERE = Finding(
    code="wrong_folder",
    message="has no /wp-json/ at this address, and its page points to a WordPress on another host or by another scheme",
    remedy="make sure in a browser what the shop's own address is before you change url: the key is sent there",
)
RENAMED = Finding(
    code="rest_renamed",
    message="WordPress is there, but a plugin has given /wp-json/ another name",
    remedy="look for a security plugin that does so, and let it be called wp-json",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How the shop is asked: by `way`, by its key in the query all the same, and with something to write.

    `check` raises for a refusal, `parse_rows` for what is no list; `zone` is a time zone this machine lacks, or ''.
    """

    way: Way
    zone: str
    ask: Callable[[str, dict[str, str]], Reply]
    ask_in_query: Callable[[str, dict[str, str]], Reply]
    tell: Callable[[str, dict[str, object]], Reply]
    check: Callable[[Reply], None]
    parse_rows: Callable[[Reply], object]


def look(line: Line, clock: Clock, *, writing: bool, mirroring: bool = False) -> Iterator[Finding]:
    """What works, what may not, in the order of the looks. Raises for what ends the look."""
    reply = line.ask("orders", wire.render_key_question())
    _sharpen(line, reply, clock)
    line.check(reply)
    line.parse_rows(reply)
    yield Finding(code="may_read", message="the key may read orders", severity=Severity.OK)
    yield from _clock(line, reply, clock)
    if reply.content.removeprefix(b"\xef\xbb\xbf").strip()[:1] not in {b"[", b"{"}:
        yield PHP_OUTPUT
    if line.zone:
        yield Finding(
            code="time_zone_unknown",
            message=f"its time zone {line.zone} is unknown to this machine",
            remedy="update tzdata, or orders of the hour that is skipped in spring may be missed",
            severity=Severity.WARNING,
        )
    if writing:
        yield _writing(line)
    if mirroring:
        yield _mirroring(line)


def _sharpen(line: Line, reply: Reply, clock: Clock) -> None:
    """Tells apart what a shop answers alike. Raises ServiceBlocked if that succeeds."""
    refusal = wire.parse_refusal(reply.content) if reply.status == 401 else None
    if refusal is None:
        return
    if line.way == "basic" and refusal.code == wire.CANNOT_VIEW:
        finding = HEADER_STRIPPED if _known_in_query(line) else WRONG_KEY
        raise ServiceBlocked(f"shop: {finding}", finding=finding)
    apart = abs(clock() - reply.server_time) if reply.server_time else timedelta()
    if line.way == "oauth" and refusal.code == wire.NOT_AUTHENTICATED and apart > SIGNED_TOLERANCE:
        raise ServiceBlocked(f"shop: {CLOCKS_APART}", finding=CLOCKS_APART)


def _known_in_query(line: Line) -> bool:
    """Whether the shop knows the key if it travels in the query, be its secret right or not."""
    reply = line.ask_in_query("orders", wire.render_key_question())
    refusal = wire.parse_refusal(reply.content)
    return reply.status < 400 or (refusal is not None and refusal.code == wire.NOT_AUTHENTICATED)


def _clock(line: Line, reply: Reply, clock: Clock) -> Iterator[Finding]:
    if reply.server_time is None:
        yield NO_TIME
        return
    apart = abs(clock() - reply.server_time)
    if apart > TOLERATED:
        limit = "; at 15 minutes it refuses what is signed over http" if line.way == "oauth" else ""
        yield replace(
            CLOCKS_APART,
            message=f"its clock and this machine's are {_spoken(apart)} apart{limit}",
            severity=Severity.WARNING,
        )


def _writing(line: Line) -> Finding:
    """Offers a note to an order that cannot be: only who may write is told that there is none."""
    try:
        reply = line.tell("orders/0/notes", wire.render_note("wcsync check"))
    except WcsyncError as exc:
        return _no_notes(exc.finding.message if exc.finding else "no answer")
    if reply.status == 404 and wire.says_no_such_order(reply.content):
        return Finding(code="may_write", message="the key may write order notes", severity=Severity.OK)
    if reply.status in {401, 403} and wire.parse_refusal(reply.content) is not None:
        message = f"{MAY_NOT_WRITE.message}: orders are read and enrolled, but get no notes"
        remedy = f"{MAY_NOT_WRITE.remedy}, or set enabled = false under [notes] in the config"
        return replace(MAY_NOT_WRITE, message=message, remedy=remedy, severity=Severity.WARNING)
    return _no_notes(f"status {reply.status}")


def _mirroring(line: Line) -> Finding:
    """Offers an empty list of changes: whoever may change products is told that none was made."""
    try:
        reply = line.tell("products/batch", {"update": []})
    except WcsyncError as exc:
        return _no_products(exc.finding.message if exc.finding else "no answer")
    if reply.status == 200:
        return Finding(code="may_write_products", message="the key may write products", severity=Severity.OK)
    refusal = wire.parse_refusal(reply.content)
    if reply.status not in {401, 403} or refusal is None:
        return _no_products(f"status {reply.status}")
    finding = explain_write("shop", reply.status, refusal, line.way).finding or MAY_NOT_WRITE
    message = f"{finding.message}: no course data reaches the products"
    remedy = f"{finding.remedy}, or set enabled = false under [course_sync] in the config"
    return replace(finding, message=message, remedy=remedy, severity=Severity.WARNING)


def _no_products(why: str) -> Finding:
    return Finding(
        code="products_refused",
        message=f"something in front of it takes no changes of products from us ({why}); reading works",
        remedy="let POST and PUT to /wp-json/wc/v3/products/ through the firewall, "
        "or set enabled = false under [course_sync]",
        severity=Severity.WARNING,
    )


def _no_notes(why: str) -> Finding:
    return Finding(
        code="notes_refused",
        message=f"something in front of it takes no order notes from us ({why}); reading works",
        remedy="let POST to /wp-json/wc/v3/orders/ through the firewall, or set enabled = false under [notes]",
        severity=Severity.WARNING,
    )


def moved(error: Redirected) -> WcsyncError:
    """The error for a redirect of /wp-json: WordPress with plain permalinks only adds a slash."""
    if not error.adds_slash:
        return error
    return ServiceBlocked(f"shop: {PLAIN_PERMALINKS}", finding=PLAIN_PERMALINKS)


def absent(url: str, reply: Reply, fetch_front: Callable[[], Reply]) -> Finding | None:
    """Why there is no /wp-json at `url` although a WordPress is near; None if none is to be seen.

    Every page of a WordPress names the root of its REST API.
    """
    root = _root_of(reply)
    if not root:
        with suppress(WcsyncError):
            root = _root_of(fetch_front())
    if not root:
        return None
    if "rest_route=" in root:
        return PLAIN_PERMALINKS
    base, found, _ = root.partition("/wp-json")
    if not found:
        return RENAMED
    if _site(base) == _site(url):
        return NO_REWRITE
    if not _may_be_told(base, url):
        return ELSEWHERE
    return Finding(
        code="wrong_folder",
        message=f"has no /wp-json/ at this address, but its WordPress says that it is at {base}",
        remedy=f'set url = "{base}" under [store] in the config',
    )


def _may_be_told(base: str, url: str) -> bool:
    """Whether the key would go to the same host as now if somebody pasted `base`, which a page may have made up."""
    return _PLAIN.fullmatch(base) is not None and _origin(base) == _origin(url)


def _root_of(reply: Reply) -> str:
    found = _ROOT_LINK.search(reply.headers.get("link", ""))
    if found:
        return found[1]
    inside = _ROOT.search(reply.content[:200_000]) if reply.looks_like_html else None
    return inside[1].decode("ascii", "replace") if inside else ""


def _site(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        return parts.netloc.casefold(), parts.path.rstrip("/")
    except ValueError:
        return "", url


def _origin(url: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme, parts.hostname or "", port


def _spoken(apart: timedelta) -> str:
    minutes = round(apart.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} minutes" if minutes > 1 else f"{round(apart.total_seconds())} seconds"
    return f"{round(minutes / 60)} hours"
