"""What the ledger remembers of each mirrored field of a product."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from wcsync.model import ProductId


class Standing(StrEnum):
    """How a field was found at the last look.

    `OURS`: as we left it. `EDITED`: a person changed what we wrote. `FOREIGN`: it held something before we ever wrote.
    `CONTESTED`: we wrote the same again and again, and the shop does not keep it. `FAILED`: the shop refused it.
    """

    OURS = "ours"
    EDITED = "edited"
    FOREIGN = "foreign"
    CONTESTED = "contested"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One field of one product. `field`: a `Field`, for attributes and meta with its name (`attributes:Author`).

    `sent`: digest of the canonical form of what we last wrote; `stored`: digest of the exact value the shop then held;
    both '' = we never wrote. `ours`: members of a list (tags, categories) that we put there; `known`: of a list all
    members we ever wanted there, so that one a person took away is not put back; of any other field digests, as `sent`,
    of what was sent and never answered, so that it is not taken for a person's if it takes effect very late. `pending`:
    as `sent`, of a write whose result is not known, since `pending_since`; `pending_ours`: what will be `ours` if it
    took effect. `rewrites`: how often in a row the same was written again. `note`: why it stands so, for people.
    """

    product_id: ProductId
    field: str
    sent: str = ""
    stored: str = ""
    ours: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    pending: str = ""
    pending_since: datetime | None = None
    pending_ours: tuple[str, ...] = ()
    rewrites: int = 0
    standing: Standing = Standing.OURS
    note: str = ""

    @property
    def cleared(self) -> "Mark":
        """Without what is pending."""
        return replace(self, pending="", pending_since=None, pending_ours=())
