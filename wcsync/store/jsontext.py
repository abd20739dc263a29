"""The JSON text in an answer of WordPress, whatever PHP printed before it."""

import re
from contextlib import suppress
from typing import Any

import msgspec

from wcsync.errors import MalformedReply

_BOM = b"\xef\xbb\xbf"
_BEGINNING = re.compile(rb'^(?:\xef\xbb\xbf)?(?=\[\{"|\[\]|\[\[|\{")', re.MULTILINE)


def json_part(content: bytes) -> bytes:
    """The JSON in an answer, without a byte order mark and without warnings PHP printed before it.

    A shop whose PHP shows warnings sends them in front of every answer, and waiting would not make them go away.
    PHP ends a warning with a line end, and WordPress's JSON holds none: the first line that begins like JSON is its
    beginning. Nothing else is tried, because the rest of an answer that was cut in two may well be valid JSON, such
    as the empty list of an order's refunds. From there to the very end it must be one whole JSON text.

    Raises MalformedReply.
    """
    text = content.removeprefix(_BOM).strip()
    if text[:1] not in {b"[", b"{"} and (beginning := _BEGINNING.search(text)):
        text = text[beginning.end() :]
    if not _is_json(text):
        raise MalformedReply("answer", "not JSON")
    return text


def untyped(content: bytes) -> Any:
    """The value of `json_part`. Raises MalformedReply, which holds no byte of the answer, not even as its context."""
    part = json_part(content)
    with suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return msgspec.json.decode(part)
    raise MalformedReply("answer", "damaged JSON")


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
