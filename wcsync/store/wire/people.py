"""Who buys and who learns, read from an order's addresses and meta values.

What cannot be read as an address is kept as it stands, so that a person is asked instead of nobody.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from wcsync.errors import MalformedReply
from wcsync.mappers.addresses import LONGEST_ADDRESS
from wcsync.model import Person
from wcsync.store.jsontext import untyped
from wcsync.store.meta_keys import MetaKeys, is_of_address
from wcsync.store.wire.meta import MOST_MEMBERS, Meta
from wcsync.store.wire.scalars import Scalar, text

LONGEST_FIELD = 1000
CUT_OFF = " …"
"""Ends what was too long for an address: with a blank in it, nobody takes the rest for one."""

_PIECE = re.compile(r'(?:"[^"\r\n]*"|[^,;\r\n"]|")+')
_ANGLED = re.compile(r"(?P<name>[^<>]*)<(?:mailto:)?(?P<address>[^<>\s]*)>")
_LIST = re.compile(r"[,;\r\n]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where to look things up: what is asked first to last, and the order's addresses by `billing.…`, `shipping.…`."""

    keys: MetaKeys
    metas: tuple[Meta, ...]
    addresses: dict[str, str]

    def below(self, meta: Meta) -> "Source":
        """For a line: its own meta comes first."""
        return replace(self, metas=(meta, *self.metas))

    def find(self, keys: Sequence[str]) -> list[str]:
        """What the first key holds that holds anything, member by member."""
        return next((found for key in keys for meta in self.metas if (found := meta.find(key))), [])

    def field(self, keys: Sequence[str]) -> list[str]:
        for key in keys:
            value = self.addresses.get(key, "") if is_of_address(key) else ""
            found = [value] if value else self.find((key,))
            if found:
                return found
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A learner whom an order names, and the product meant for them: 0 = whatever the order sells."""

    person: Person
    product_id: int = 0


def read_addresses(raw: bytes, wanted: Sequence[str]) -> dict[str, str]:
    """The parts of an order's addresses that are wanted, those that are there."""
    said, found = dict[str, Any](), dict[str, str]()
    with suppress(MalformedReply):
        said = untyped(raw) if wanted else {}
    for key in wanted:
        part, _, name = key.partition(".")
        address = said.get(part)
        value = address.get(name) if isinstance(address, dict) else None
        if isinstance(value, str | int | float) and text(value).strip():
            found[key] = text(value).strip()
    return found


def read_buyer(email: Scalar, first_name: Scalar, last_name: Scalar, source: Source) -> Person:
    return Person(
        email=text(email).strip(),
        first_name=text(first_name),
        last_name=text(last_name),
        fields=_fields(source, 0, 0),
    )


def read_named(source: Source, own: Meta, buyer: Person) -> list[Named]:
    """The learners whom `own` meta names, in its order; the rest about them is looked up in `source`."""
    here = replace(source, metas=(own,))
    members = here.find(source.keys.email)
    if not members:
        return []
    first, last = here.find(source.keys.first_name), here.find(source.keys.last_name)
    products = here.find(source.keys.product)
    named = []
    for place, member in enumerate(members):
        pairs = list(islice(split_addresses(member), MOST_MEMBERS))
        first_names = _shared_out(_at(first, place), len(pairs))
        last_names = _shared_out(_at(last, place), len(pairs))
        for number, (name, address) in enumerate(pairs):
            person = Person(
                email=_held(address),
                first_name=_at(first_names, number),
                last_name=_at(last_names, number),
                fields=_fields(source, place, len(members)),
            )
            named.append(
                Named(person=_with_name(person, name, buyer), product_id=_number(_at(products, place)))
            )
    return named[:MOST_MEMBERS]


def split_addresses(text: str) -> Iterator[tuple[str, str]]:
    """Yields (name, address) of each address in a text; what is none comes in its place, without a name.

    Commas, semicolons, line ends and blanks divide; `Ana <ana@example.com>` and `Ana ana@example.com` name one.
    """
    for found in _PIECE.finditer(text):
        piece = found[0].strip()
        if "<" in piece and "@" in piece:
            yield from _angled(piece)
        elif piece:
            yield from _plain(piece)


def _angled(piece: str) -> Iterator[tuple[str, str]]:
    end = 0
    for found in _ANGLED.finditer(piece):
        if rest := piece[end : found.start()].strip():
            yield "", rest
        end = found.end()
        yield found["name"].strip(" \"'"), found["address"]
    if rest := piece[end:].strip():
        yield "", rest


def _plain(piece: str) -> Iterator[tuple[str, str]]:
    words = piece.split()
    addresses = [word for word in words if "@" in word]
    if len(addresses) == 1 and words[-1] == addresses[0]:
        yield " ".join(words[:-1]).strip(" \"'"), addresses[0].removeprefix("mailto:")
    elif len(addresses) == len(words):
        yield from (("", word.removeprefix("mailto:")) for word in words)
    else:
        yield "", piece


def _held(address: str) -> str:
    address = address.strip()
    if len(address) <= LONGEST_ADDRESS:
        return address
    return address[: LONGEST_ADDRESS - len(CUT_OFF)] + CUT_OFF


def _with_name(person: Person, name: str, buyer: Person) -> Person:
    """A learner without a name of their own is called as beside the address, or as the buyer who is the same."""
    if person.first_name or person.last_name:
        return person
    if name:
        first_name, _, last_name = name.partition(" ")
        return replace(person, first_name=first_name, last_name=last_name.strip())
    if person.email.casefold() == buyer.email.casefold():
        return replace(person, first_name=buyer.first_name, last_name=buyer.last_name)
    return person


def _shared_out(text: str, count: int) -> list[str]:
    """The names of as many as one member names: a list of them in one text, if it is as long."""
    if count <= 1:
        return [text[:LONGEST_FIELD]]
    names = [name.strip() for name in _LIST.split(text)]
    return names if len(names) == count else []


def _fields(source: Source, place: int, members: int) -> tuple[tuple[str, str], ...]:
    """A field with as many values as there are learners has one for each; of any other the first is everybody's."""
    found = list[tuple[str, str]]()
    for name, keys in source.keys.fields.items():
        values = source.field(keys)
        value = values[place] if 1 < members == len(values) else next(filter(None, values), "")
        if value:
            found.append((name, value[:LONGEST_FIELD]))
    return tuple(sorted(found))


def _at(values: Sequence[str], place: int) -> str:
    return values[place] if place < len(values) else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
