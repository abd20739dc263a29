"""An order's notes in WooCommerce's JSON.

https://woocommerce.github.io/woocommerce-rest-api-docs/#order-notes
"""

from typing import Any

from wcsync.errors import MalformedReply
from wcsync.store.jsontext import untyped


def render_notes_query() -> dict[str, str]:
    return {"_fields": "id,note"}


def render_note(text: str) -> dict[str, object]:
    """A note for the shop's people alone: one for the customer would be mailed to them."""
    return {"note": text, "customer_note": False}


def parse_notes(content: bytes, counted: int | None = None) -> list[str]:
    """The texts of an order's notes, oldest first. An odd one among them, from a plugin, is left out.

    `counted`: how many there are by the answer's headers, None = they do not say. Raises MalformedReply if the answer
    is no list of notes, or not of all: a note that is missing there would be written again.
    """
    said = untyped(content)
    if not isinstance(said, list):
        raise MalformedReply("answer", "JSON, but not a list")
    notes = [(int(note["id"]), note["note"]) for note in said if _is_note(note)]
    if said and not notes:
        raise MalformedReply("answer", "a list, but not of notes")
    if counted is not None and counted > len(said):
        raise MalformedReply("answer", "fewer notes than it counts")
    return [text for _, text in sorted(notes)]


def parse_new_note(content: bytes) -> str:
    """The text of a note as the shop stored it. Raises MalformedReply if the answer is no note."""
    said = untyped(content)
    if not _is_note(said):
        raise MalformedReply("answer", "JSON, but not a note")
    return str(said["note"])


def _is_note(said: Any) -> bool:
    return isinstance(said, dict) and str(said.get("id")).isdecimal() and isinstance(said.get("note"), str)
