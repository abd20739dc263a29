"""Cover pictures of courses: fetched without any key, once per version, and told apart by their bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from wcsync.course import Course
from wcsync.errors import WcsyncError
from wcsync.http import Outgoing, Reply, Service
from wcsync.ledger.mirror import Mirror
from wcsync.mappers.courses.wanted import WantedPicture
from wcsync.model import LmsName
from wcsync.pulse import beat
from wcsync.times import Clock

LARGEST_BYTES = 16 * 1024 * 1024
"""A cover beyond this is somebody's mistake, and more than most shops take."""

_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


class UnusablePicture(WcsyncError):
    """A picture cannot be had, or is none; the text says which and why."""


@dataclass(slots=True, kw_only=True)
class Pictures:
    """Looks at pictures for one run. `services`: the way to each LMS's pictures, without its keys.

    `full`: what was fetched in an earlier run is fetched again. `keep`: what is fetched is written down.
    """

    services: Mapping[LmsName, Service]
    mirror: Mirror
    clock: Clock
    full: bool = False
    keep: bool = True
    _looked: dict[tuple[str, str], str | UnusablePicture] = field(default_factory=dict)

    def of(self, course: Course) -> WantedPicture | None:
        """The course's cover, None if it has none. Raises UnusablePicture; asked again, the same one."""
        if course.cover is None:
            return None
        key = course.cover.url, course.cover.version
        if key not in self._looked:
            self._looked[key] = self._look(course.lms, *key)
        found = self._looked[key]
        if isinstance(found, UnusablePicture):
            raise found
        return WantedPicture(digest=found, src=course.cover.url, alt=course.name)

    @property
    def troubles(self) -> tuple[str, ...]:
        """Each picture that cannot be used, once, however many courses have it."""
        return tuple(str(found) for found in self._looked.values() if isinstance(found, UnusablePicture))

    def _look(self, lms: LmsName, url: str, version: str) -> str | UnusablePicture:
        known = self.mirror.read_picture(url, version)
        if known is not None and not self.full:
            return known
        found = self._fetch(lms, url)
        if isinstance(found, UnusablePicture):
            return known or found  # while it is not to be seen, it is believed to be what it was
        if self.keep and found != known:
            self.mirror.record_picture(url, version, found, self.clock())
        return found

    def _fetch(self, lms: LmsName, url: str) -> str | UnusablePicture:
        beat()
        try:
            reply = self.services[lms].fetch(lambda: Outgoing(method="GET", url=url))
        except WcsyncError as exc:
            return _unusable(url, str(exc))
        problem = _problem(reply)
        return _unusable(url, problem) if problem else sha256(reply.content).hexdigest()


def _problem(reply: Reply) -> str:
    """What speaks against these bytes; '' if nothing does."""
    if reply.status != 200:
        return f"without a login it answers with {reply.status}"
    if reply.content.startswith(_BEGINNINGS) or (reply.content[:4], reply.content[8:12]) == (
        b"RIFF",
        b"WEBP",
    ):
        return ""
    return "what answers there is no PNG, JPEG, GIF or WebP"


def _unusable(url: str, why: str) -> UnusablePicture:
    return UnusablePicture(f"the picture {url} cannot be used: {why}")
