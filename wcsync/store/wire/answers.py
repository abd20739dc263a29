"""What is common to WooCommerce's answers: the start page of its API, totals in headers, refusals and their codes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wcsync.errors import MalformedReply
from wcsync.store.jsontext import untyped

_NO_SUCH_ORDER = frozenset(
    {
        "woocommerce_rest_shop_order_invalid_id",
        "woocommerce_rest_order_invalid_id",
        "woocommerce_rest_invalid_order_id",  # of its refunds
    }
)
CANNOT_VIEW = "woocommerce_rest_cannot_view"
NOT_AUTHENTICATED = "woocommerce_rest_authentication_error"
_UNKNOWN_STATUS = "wcsync-unknown"
_FARTHEST_OFFSET_MIN = 14 * 60
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,80}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the shop says about the whole list. None where it says nothing, or 0 rows while it sends some."""

    rows: int | None
    pages: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The start page of a site's REST API. `timezone`: as in "Europe/Madrid"; '' for a fixed offset.

    `offset`: what its clock is ahead of UTC now, as in "+05:30"; '' if it does not say.
    """

    url: str
    name: str
    namespaces: tuple[str, ...]
    timezone: str = ""
    offset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error in WordPress's form. `code` and `params` are safe to show; `message` is not, and is translated.

    `status`: the one inside the body, 0 if there is none. `statuses`: what the shop would have taken for one.
    """

    code: str
    status: int = 0
    params: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    message: str = field(default="", repr=False)


def render_status_question() -> dict[str, str]:
    """A status that no shop has: the refusal lists those it has (and costs it no search)."""
    return {"status": _UNKNOWN_STATUS, "per_page": "1", "_fields": "id"}


def render_key_question() -> dict[str, str]:
    """Any order: who may not read is refused. (A wrong parameter would be refused first, whoever asks.)"""
    return {"per_page": "1", "_fields": "id"}


def render_index_query() -> dict[str, str]:
    return {"_fields": "name,url,home,namespaces,timezone_string,gmt_offset"}


def parse_index(content: bytes) -> Index:
    """Raises MalformedReply if this is not the start page of a REST API."""
    said = untyped(content)
    if not isinstance(said, dict) or not isinstance(said.get("namespaces"), list):
        raise MalformedReply("answer", "not the start page of WordPress's REST API")
    address, name = said.get("url") or said.get("home"), said.get("name")
    return Index(
        url=address.rstrip("/") if isinstance(address, str) else "",
        name=name if isinstance(name, str) else "",
        namespaces=tuple(space for space in said["namespaces"] if isinstance(space, str)),
        timezone=str(said.get("timezone_string") or ""),
        offset=_offset(said.get("gmt_offset")),
    )


def parse_refusal(content: bytes) -> Refusal | None:
    """The error a body holds; None if it holds none."""
    try:
        said = untyped(content)
    except MalformedReply:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("code"), str | int):
        return None
    code, message = str(said["code"]), said.get("message")
    inner = said.get("data")
    inner = inner if isinstance(inner, dict) else {"status": inner}
    params = inner.get("params")
    return Refusal(
        code=code if _CODE.fullmatch(code) else "unreadable code",
        status=inner["status"] if isinstance(inner.get("status"), int) else 0,
        params=tuple(str(name) for name in params or () if _CODE.fullmatch(str(name))),
        statuses=_listed_statuses(params.get("status")) if isinstance(params, dict) else (),
        message=message if isinstance(message, str) else "",
    )


def is_damaged(content: bytes) -> bool:
    """Whether a body begins as JSON and is none: half of it, or garbled on its way."""
    if content.lstrip()[:1] != b"{":
        return False
    try:
        untyped(content)
    except MalformedReply:
        return True
    return False


def says_no_such_order(content: bytes) -> bool:
    refusal = parse_refusal(content)
    return refusal is not None and refusal.code in _NO_SUCH_ORDER


def parse_totals(headers: Mapping[str, str]) -> Totals:
    return Totals(rows=_count(headers.get("x-wp-total")), pages=_count(headers.get("x-wp-totalpages")))


def _offset(hours: Any) -> str:
    """Hours, as a number or a text: 5.5 is "+05:30"."""
    if isinstance(hours, bool):
        return ""
    try:
        minutes = round(float(hours) * 60)
    except (TypeError, ValueError, OverflowError):
        return ""
    if abs(minutes) > _FARTHEST_OFFSET_MIN:
        return ""
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else None


def _listed_statuses(sentence: Any) -> tuple[str, ...]:
    """The statuses in `status[0] is not one of any, trash, pending, …, and completed.`, in any language.

    Only the last member may have a conjunction before it: two words are conjunction and member, three or more are
    member, conjunction, member. A sentence that names neither `completed` nor `active` (subscriptions), or no `trash`,
    was not understood: empty.
    """
    if not isinstance(sentence, str):
        return ()
    *members, last = re.split(r"[,،、]", sentence.rstrip(" .。"))
    words = last.split()
    members += words if len(words) < 2 else [words[-1]] if len(words) == 2 else [words[0], words[-1]]
    listed = tuple(member.strip() for member in members if _SLUG.fullmatch(member.strip()))
    return listed if "trash" in listed and {"completed", "active"} & set(listed) else ()
