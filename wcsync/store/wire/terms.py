"""Tags and categories in WooCommerce's JSON.

https://woocommerce.github.io/woocommerce-rest-api-docs/#product-categories
"""

import html
from typing import TypeGuard

from wcsync.course import Term
from wcsync.errors import MalformedReply
from wcsync.store.jsontext import untyped
from wcsync.store.wire.answers import parse_refusal
from wcsync.store.wire.rows import plain

_TERM_EXISTS = "term_exists"


def render_search(name: str) -> dict[str, str]:
    """Looked for in the names as they are stored, `&` as `&amp;`."""
    return {"search": html.escape(name, quote=False), "per_page": "100", "_fields": "id,name"}


def render_new_term(name: str) -> dict[str, object]:
    return {"name": name}


def parse_terms(content: bytes) -> list[Term]:
    """An odd one among them is left out. Raises MalformedReply if the answer is no list."""
    said = untyped(content)
    if not isinstance(said, list):
        raise MalformedReply("answer", "JSON, but not a list")
    return [
        Term(term_id=int(one["id"]), name=plain(one["name"]))
        for one in said
        if isinstance(one, dict) and is_number(one.get("id")) and isinstance(one.get("name"), str)
    ]


def parse_new_term(content: bytes) -> int:
    """The number of a tag or category that was made. Raises MalformedReply."""
    said = untyped(content)
    number = said.get("id") if isinstance(said, dict) else None
    if not is_number(number):
        raise MalformedReply("answer", "JSON, but neither tag nor category")
    return int(number)


def parse_existing(content: bytes) -> int | None:
    """The number of the tag or category because of which no other was made; None if that is not the reason."""
    refusal = parse_refusal(content)
    return parse_resource(content) if refusal is not None and refusal.code == _TERM_EXISTS else None


def parse_resource(content: bytes) -> int | None:
    """What a refusal says is there already."""
    said = untyped(content)
    inner = said.get("data") if isinstance(said, dict) else None
    number = inner.get("resource_id") if isinstance(inner, dict) else None
    return int(number) if is_number(number) else None


def is_number(value: object) -> TypeGuard[int | str]:
    return isinstance(value, int | str) and not isinstance(value, bool) and str(value).isdecimal()
