"""The sandbox shop's lists of words: tags and categories.

Names are kept as WordPress keeps them, `&` as `&amp;`. https://developer.wordpress.org/reference/functions/wp_insert_term/
"""

from collections.abc import Callable, Iterable

from wcsync.sandbox.shop_kses import term_name
from wcsync.sandbox.shop_shapes import Json
from wcsync.sandbox.shop_text import slug


class TermExists(Exception):
    """There is a term of that name already: `term_id`."""

    def __init__(self, term_id: int) -> None:
        super().__init__(term_id)
        self.term_id = term_id


class Terms:
    """One list. `rows`: id → id, name, slug. `new_id` hands out the numbers that all lists share."""

    def __init__(self, new_id: Callable[[], int]) -> None:
        self._new_id = new_id
        self.rows: dict[int, Json] = {}

    def insert(self, name: str) -> int:
        """A new term. Raises TermExists; two names that differ in more than case may share the beginning of a slug."""
        known = self.find(name)
        if known is not None:
            raise TermExists(known)
        term_id = self._new_id()
        self.rows[term_id] = {"id": term_id, "name": term_name(name), "slug": self._free_slug(slug(name))}
        return term_id

    def ensure(self, name: str) -> int:
        known = self.find(name)
        return self.insert(name) if known is None else known

    def find(self, name: str) -> int | None:
        wanted = term_name(name).lower()
        return next((key for key, row in self.rows.items() if row["name"].lower() == wanted), None)

    def known(self, ids: Iterable[object]) -> list[int]:
        """Those of the ids that exist, each once; the others are dropped without a word, as the shop does."""
        return [one for one in dict.fromkeys(ids) if isinstance(one, int) and one in self.rows]

    def shown(self, ids: Iterable[int]) -> list[Json]:
        """As a product lists them, by name; a term that was taken from the shop is gone from its products."""
        return sorted((dict(self.rows[one]) for one in ids if one in self.rows), key=_by_name)

    def matching(self, text: str) -> list[Json]:
        """By name. `text` is looked for in the stored name and the slug: `&` finds no `&amp;`."""
        wanted = text.lower()
        rows = [row for row in self.rows.values() if wanted in row["name"].lower() or wanted in row["slug"]]
        return sorted(rows, key=_by_name)

    def _free_slug(self, wanted: str) -> str:
        taken = {row["slug"] for row in self.rows.values()}
        numbered = (f"{wanted}-{number}" for number in range(2, len(taken) + 3))
        return wanted if wanted not in taken else next(one for one in numbered if one not in taken)


def _by_name(row: Json) -> str:
    return str(row["name"]).lower()
