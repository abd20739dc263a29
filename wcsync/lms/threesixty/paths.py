"""Reads the paths that mapping rows name, with all that is mirrored of them, in few calls.

A path comes with the ids of its steps, authors and tags. Titles and names are kept from one reading to the next; what
has changed since is told by lists of changed courses and paths, and by each path's own `modifiedAt`. That one does not
move when tags change, nor when an author's name does: those are seen at the next full reading. Translations move it
neither, but come with the path, which is read each time.

Calls per reading, with nothing changed: the paths' pages (200 each; or one call for each path where that is fewer), a
page of changed courses, and one of changed paths if paths are nested. A full reading: besides, one call for the tags
of each path, the pages of all tags (5,000 each), and the courses (pages of 500, or one by one), authors and classrooms.
"""

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from wcsync.course import CourseReading
from wcsync.errors import TransientError
from wcsync.lms.threesixty.answers import Author, Classroom, DescribedPath, InnerPath, Lesson, Tag, TagLink
from wcsync.lms.threesixty.described import Surroundings, describe
from wcsync.lms.threesixty.rest import PATHS_READ, Call, LacksScope, Refused, Rest, Stumbled
from wcsync.lms.threesixty.scopes import demanding
from wcsync.lms.threesixty.shelf import Kind, Shelf
from wcsync.mappers.courses.plain import one_line
from wcsync.model import Target
from wcsync.pulse import holding
from wcsync.times import Clock

OVERLAP = timedelta(days=1)
"""What has changed is asked for from so long before the last reading, as its clock may differ from ours."""

COURSES = Kind(shape=Lesson, path="/courses", scope="courses:read", gone="courseNotFound", pages=2)
INNER_PATHS = Kind(shape=InnerPath, path="/paths", scope=PATHS_READ, gone="pathNotFound", pages=2)
PATHS = Kind(shape=DescribedPath, path="/paths", scope=PATHS_READ, gone="pathNotFound", pages=2)
CLASSROOMS = Kind(shape=Classroom, path="/classrooms", scope="classrooms:read", gone="classroomNotFound")
AUTHORS = Kind(shape=Author, path="/users", scope="users:read", gone="userNotFound", pages=20)
TAGS = Call(method="GET", path="/tags", scope="tags:read")

NO_PATH = "its row in the mapping names no path, and only paths are described: add path = … to it"


def _now() -> datetime:
    return datetime.now(UTC)


NO_TAGS = "lists no tag at all, but its paths have some; asked again later"


class Paths:
    """The paths of one company as courses. Thread-safe: one reading at a time. Raises as `Rest`.

    A scope that is missing raises ServiceBlocked, except classrooms:read: their titles are not told then.
    `site`: the company's address. `clock`: ours.
    """

    def __init__(self, rest: Rest, site: str, clock: Clock = _now) -> None:
        self._rest = rest
        self._site = site
        self._clock = clock
        self._lock = threading.Lock()
        self._changed_since: datetime | None = None
        self._paths = Shelf(rest, PATHS)
        self._inner = Shelf(rest, INNER_PATHS)
        self._lessons = Shelf(rest, COURSES)
        self._classrooms = Shelf(rest, CLASSROOMS)
        self._authors = Shelf(rest, AUTHORS)
        self._tag_names: dict[str, str] = {}
        self._tags: dict[str, tuple[datetime, tuple[str, ...]]] = {}

    def fetch(self, targets: Collection[Target], *, full: bool) -> CourseReading:
        """As `wcsync.lms.base.Lms.fetch_courses`."""
        named = {target: path_id for target in targets if (path_id := _path_of(target))}
        silent = {target: NO_PATH for target in targets if target not in named}
        if not named:
            return CourseReading(courses={}, silent=silent)
        try:
            with holding(self._lock):
                paths, around = self._read(named.values(), full=full)
                unread = dict(self._unread(paths))
        except Refused as refusal:
            raise demanding(self._rest, refusal) from refusal
        if unread and not paths.keys() - unread.keys():
            raise next(iter(unread.values()))
        return CourseReading(
            courses={
                target: describe(paths[path_id], target, self._site, around)
                for target, path_id in named.items()
                if path_id in paths and path_id not in unread
            },
            absent={
                target: _gone(path_id)
                for target, path_id in named.items()
                if path_id not in paths and path_id not in unread
            },
            silent=silent
            | {
                target: f"{unread[path_id]}; it was about path {path_id}"
                for target, path_id in named.items()
                if path_id in unread
            },
        )

    def _read(self, ids: Iterable[str], *, full: bool) -> tuple[Mapping[str, DescribedPath], Surroundings]:
        """The paths that are there, and what they have only ids of."""
        started_at = self._clock()
        self._forget(full=full)
        found = self._paths.fetch(ids)
        skills = self._fetch_skills(found)
        paths = {path_id: path for path_id, path in found.items() if path_id in skills}
        self._renew_titles()
        around = Surroundings(
            lessons=self._lessons.fetch(_steps(paths, "course")),
            paths=self._inner.fetch(_steps(paths, "path")),
            classrooms=self._fetch_classrooms(_steps(paths, "classroom")),
            authors=self._authors.fetch(_author_ids(paths)),
            skills=skills,
        )
        self._changed_since = started_at - OVERLAP
        return paths, around

    def _unread(self, paths: Mapping[str, DescribedPath]) -> Iterator[tuple[str, Stumbled]]:
        """The paths of which something cannot be read: without it they would show less than there is."""
        yield from self._paths.unread.items()
        missing = dict[str, Stumbled]()
        for shelf in (self._lessons, self._inner, self._classrooms, self._authors):
            missing |= shelf.unread
        for path in paths.values():
            ids = [step.id for step in path.steps] + [path.author_id, *path.co_author_ids]
            yield from ((path.id, missing[one]) for one in ids if one in missing)

    def _forget(self, *, full: bool) -> None:
        self._paths.drop()
        if full:
            for shelf in (self._inner, self._lessons, self._classrooms, self._authors):
                shelf.drop()
            self._tags.clear()

    def _fetch_skills(self, paths: Mapping[str, DescribedPath]) -> dict[str, tuple[str, ...]]:
        """The names of each path's tags. A path that goes meanwhile has no entry."""
        changed = {path.id: path for path in paths.values() if self._tags_as_of(path) != path.modified_at}
        stale = frozenset(_steps(changed, "classroom"))
        self._classrooms.drop(lambda classroom_id: classroom_id in stale)
        for path in changed.values():
            self._read_tags(path)
        tags = {path_id: self._tags[path_id][1] for path_id in paths if path_id in self._tags}
        linked = {tag_id for tag_ids in tags.values() for tag_id in tag_ids}
        if linked and (changed or not linked <= self._tag_names.keys()):
            pages = self._rest.read_pages(TAGS, list[Tag])
            names = {tag.id: one_line(tag.name) for page in pages for tag in page}
            if not names:
                raise TransientError(f"{self._rest.name}: {NO_TAGS}")
            self._tag_names = names
        return {path_id: tuple(self._names(tag_ids)) for path_id, tag_ids in tags.items()}

    def _tags_as_of(self, path: DescribedPath) -> datetime | None:
        return self._tags[path.id][0] if path.id in self._tags else None

    def _read_tags(self, path: DescribedPath) -> None:
        self._tags.pop(path.id, None)
        call = Call(method="GET", path=f"{PATHS.path}/{path.id}/tags", scope=TAGS.scope)
        try:
            pages = list(self._rest.read_pages(call, list[TagLink]))
        except Refused as refusal:
            if refusal.code != PATHS.gone:
                raise
        else:
            self._tags[path.id] = path.modified_at, tuple(link.tag_id for page in pages for link in page)

    def _names(self, tag_ids: Iterable[str]) -> Iterable[str]:
        return dict.fromkeys(name for tag_id in tag_ids if (name := self._tag_names.get(tag_id)))

    def _renew_titles(self) -> None:
        for shelf, kind in ((self._lessons, COURSES), (self._inner, INNER_PATHS)):
            if self._changed_since is not None and shelf.kept:
                query = (("modifiedAt[gte]", f"{self._changed_since:%Y-%m-%dT%H:%M:%S}.000Z"),)
                shelf.renew(Call(method="GET", path=kind.path, scope=kind.scope, query=query))

    def _fetch_classrooms(self, ids: Iterable[str]) -> Mapping[str, Classroom]:
        with suppress(LacksScope):
            return self._classrooms.fetch(ids)
        return {}


def _path_of(target: Target) -> str:
    """'' where the row names none."""
    return next((value for name, value in target.options if name == "path"), "")


def _gone(path_id: str) -> str:
    return f"there is no path {path_id}; correct path in the mapping, or look in 360Learning who deleted it"


def _steps(paths: Mapping[str, DescribedPath], kind: str) -> list[str]:
    return [step.id for path in paths.values() for step in path.steps if step.type == kind]


def _author_ids(paths: Mapping[str, DescribedPath]) -> list[str]:
    return [one for path in paths.values() for one in (path.author_id, *path.co_author_ids)]
