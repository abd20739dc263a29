"""What a product should show, as made from its courses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from wcsync.course import Course
from wcsync.mappers.courses.rules import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPicture:
    """The main image. `digest`: of its bytes; `src`: where the shop can fetch it; `alt`: what it shows, plain."""

    digest: str
    src: str
    alt: str = ""

    @property
    def title(self) -> str:
        """What the image is called in the shop's media library, by which it is known again."""
        return f"wcsync-{self.digest[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """'' and empty: the courses have nothing to say there. `name` and the descriptions are safe HTML in the very form
    in which WooCommerce stores them; all else is plain. `meta` None = the key is to go.
    """

    name: str = ""
    description: str = ""
    short_description: str = ""
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    picture: WantedPicture | None = None
    meta: Mapping[str, str | None] = field(default_factory=dict)


Render = Callable[[Sequence[Course], Rules, WantedPicture | None], Wanted]
"""As `rendering.render`, which is loaded only where courses are mirrored."""
