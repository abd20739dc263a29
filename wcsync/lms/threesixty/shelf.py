"""Things that the 360Learning API shows one by one and in pages: read in whichever way takes fewer calls."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec

from wcsync.lms.threesixty.rest import Call, Refused, Rest, Stumbled
from wcsync.pulse import beat

MOST_FAILURES = 3
"""So many in a row that cannot be read, and none that can, are taken for a trouble of all."""


class Numbered(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=Numbered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """One kind of things. `path`: of their list, and with an id of one of them; `scope`: what it takes to read them.

    `gone`: the code of the refusal for one that is not there. `pages`: how many pages the list has as long as nobody
    has looked; infinity where there is no list.
    """

    shape: type[T]
    path: str
    scope: str
    gone: str
    pages: float = math.inf


class Shelf(Generic[T]):
    """What was read of one kind, kept until it is dropped. Not thread-safe. Raises as `Rest`."""

    def __init__(self, rest: Rest, kind: Kind[T]) -> None:
        self._rest = rest
        self._kind = kind
        self._pages = kind.pages
        self._kept: dict[str, T] = {}
        self._unread: dict[str, Stumbled] = {}

    @property
    def kept(self) -> Collection[str]:
        return self._kept.keys()

    @property
    def unread(self) -> Mapping[str, Stumbled]:
        """Those that the last look told of in a form that cannot be read: they may well be there."""
        return self._unread

    def fetch(self, ids: Iterable[str]) -> dict[str, T]:
        """Those of them that are there, in the order asked.

        What the pages do not show is asked for by its id: a list that changes while it is read may miss something, and
        only a refusal proves that it is gone.
        """
        wanted = list(dict.fromkeys(ids))
        missing = [one for one in wanted if one not in self._kept]
        self._unread = {}
        if len(missing) > self._pages:
            self._walk(set(missing))
        for one in missing:
            if one not in self._kept:
                self._look_up(one)
        return {one: self._kept[one] for one in wanted if one in self._kept}

    def renew(self, changed: Call) -> None:
        """Reads a list of what has changed, and takes over what is kept of it."""
        for page in self._rest.read_pages(changed, list[msgspec.Raw]):
            self._kept |= {thing.id: thing for thing in self._readable(page) if thing.id in self._kept}

    def drop(self, stale: Callable[[str], bool] = lambda _: True) -> None:
        """Forgets all that is stale, so that it is read again when it is next asked for."""
        self._kept = {one: thing for one, thing in self._kept.items() if not stale(one)}

    def _walk(self, wanted: set[str]) -> None:
        """Pages until all are found. Gives up at a page for each of them: from there on single calls are no dearer.

        How far it came is remembered, so that only the first reading can cost twice as much as need be.
        """
        call, most = Call(method="GET", path=self._kind.path, scope=self._kind.scope), len(wanted)
        number = 0
        for number, page in enumerate(self._rest.read_pages(call, list[msgspec.Raw]), 1):
            found = {thing.id: thing for thing in self._readable(page) if thing.id in wanted}
            self._kept |= found
            wanted -= found.keys()
            if not wanted or number >= most:
                break
        self._pages = number + (1 if wanted and number >= most else 0)

    def _look_up(self, one: str) -> None:
        beat()
        call = Call(method="GET", path=f"{self._kind.path}/{one}", scope=self._kind.scope)
        try:
            self._kept[one] = self._rest.read(call, self._kind.shape)
        except Refused as refusal:
            if refusal.code != self._kind.gone:
                raise
        except Stumbled as exc:
            self._unread[one] = exc
            if exc.whole_service or (not self._kept and len(self._unread) >= MOST_FAILURES):
                raise

    def _readable(self, page: Iterable[msgspec.Raw]) -> Iterator[T]:
        """What of a page can be read. Whatever cannot is asked for by its id, if anybody wants it."""
        for raw in page:
            with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                yield msgspec.json.decode(raw, type=self._kind.shape)
