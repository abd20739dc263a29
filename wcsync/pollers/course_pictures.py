"""Cover pictures of courses: fetched without any key, once per version, and told apart by their bytes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urlsplit

from wcsync.course import Course
from wcsync.errors import TransientError, WcsyncError
from wcsync.http import Outgoing, Reply, Service
from wcsync.ledger.mirror import Mirror
from wcsync.mappers.courses.wanted import WantedPicture
from wcsync.model import LmsName
from wcsync.pulse import beat
from wcsync.times import Clock

LARGEST_BYTES = 16 * 1024 * 1024
"""A cover beyond this is somebody's mistake, and more than most shops take."""

MOST_FAILURES = 5
"""After so many in a row that did not come, no more are waited for in this run: each may take a minute."""

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
    _failures: Counter[LmsName] = field(default_factory=Counter)

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
        unfit = _unfit(url)
        if unfit is not None:
            return unfit
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
        if self._failures[lms] >= MOST_FAILURES:
            return _unusable(url, f"it was not asked for, as {MOST_FAILURES} others of {lms} did not come")
        try:
            reply = self.services[lms].fetch(lambda: Outgoing(method="GET", url=url))
        except WcsyncError as exc:
            self._failures[lms] += isinstance(exc, TransientError)
            return _unusable(url, str(exc))
        self._failures[lms] = 0
        problem = _problem(reply)
        return _unusable(url, problem) if problem else sha256(reply.content).hexdigest()


def _unfit(url: str) -> UnusablePicture | None:
    """Why an address is neither called nor given to the shop. It is not quoted: who reads it could get in."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return UnusablePicture("a picture cannot be used: its address cannot be read")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return UnusablePicture("a picture cannot be used: its address is none of the web")
    if "@" in parts.netloc or "tokenpluginfile.php" in parts.path:
        return UnusablePicture(f"a picture at {parts.hostname} cannot be used: its address holds a key")
    return None


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
