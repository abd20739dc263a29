"""What a 360Learning company teaches: paths, the courses and classrooms they are made of, and tags."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from wcsync.sandbox.threesixty_records import (
    Path,
    Step,
    StepType,
    Translation,
    User,
    render_instant,
    without_nothing,
)
from wcsync.times import Clock

TagSource = Literal["native", "integration"]
_A_MOMENT = timedelta(milliseconds=1)


@dataclass(slots=True, kw_only=True)
class Course:
    """`duration_min`: an author's estimate. Archiving and restoring it moves no `modified_at`."""

    id: str
    name: str
    group_id: str
    author_id: str
    created_at: datetime
    modified_at: datetime
    duration_min: float | None = None
    status: Literal["archived", "deleted", "published"] = "published"

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "_id": self.id,
            "name": self.name,
            "groupId": self.group_id,
            "authorId": self.author_id,
            "coAuthorIds": [],
            "createdAt": render_instant(self.created_at),
            "modifiedAt": render_instant(self.modified_at),
            "defaultLang": "en",
            "sourceLang": "en",
            "duration": self.duration_min,
            "status": self.status,
            "translations": [],
            "type": "native",
        }
        return without_nothing(shown)


@dataclass(slots=True, kw_only=True)
class Classroom:
    id: str
    name: str
    group_id: str
    created_at: datetime
    modified_at: datetime

    def as_json(self) -> dict[str, Any]:
        return {
            "_id": self.id,
            "name": self.name,
            "groupId": self.group_id,
            "mediaIds": [],
            "createdAt": render_instant(self.created_at),
            "modifiedAt": render_instant(self.modified_at),
        }


@dataclass(slots=True, kw_only=True)
class Tag:
    id: str
    name: str
    source: TagSource = "native"
    main: bool = False

    def as_json(self) -> dict[str, Any]:
        return {"_id": self.id, "name": self.name, "source": self.source, "isMain": self.main}


@dataclass(slots=True, kw_only=True)
class Holdings:
    """All that the authors of one company have made, by id. `path_tags`: the tags of each path, in order."""

    paths: dict[str, Path] = field(default_factory=dict)
    courses: dict[str, Course] = field(default_factory=dict)
    classrooms: dict[str, Classroom] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)
    path_tags: dict[str, list[str]] = field(default_factory=dict)


class Library:
    """The paths of a company and what authors do to them. Ids are 24 hexadecimal digits.

    As documented, tags and translations move no `modifiedAt`, and neither does archiving a course. Whether archiving
    a path does is not said: here it does not, which is harder for whoever goes by it. Every other change moves it, by
    a millisecond at least.
    """

    def __init__(self, clock: Clock) -> None:
        self._now = clock
        self._numbers = itertools.count(1)
        self.users: dict[str, User] = {}
        self.holdings = Holdings()
        self.root_id = ""
        self.owner_id = ""

    @property
    def paths(self) -> dict[str, Path]:
        return self.holdings.paths

    def new_id(self) -> str:
        return f"{0x65A0_0000_0000_0000_0000_0000 + next(self._numbers):024x}"

    def describe_path(
        self,
        path_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        authors: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        steps: Sequence[tuple[StepType, str]] | None = None,
        duration: tuple[str, float] | None = None,
        state: Literal["archived", "published"] | None = None,
    ) -> None:
        """Writes what is given; None leaves it as it is.

        `authors`: full names, the main one first. `steps`: type and title; titles name what is there already, and
        what has none in 360Learning (an e-mail, an assessment, a program) has none here. `duration`: unit and value.
        """
        path = self.paths[path_id]
        before = repr(path)
        path.name = path.name if name is None else name
        path.description = path.description if description is None else description
        path.duration = path.duration if duration is None else duration
        if authors is not None:
            path.author_id, *path.co_author_ids = [self.author(full) for full in authors] or [self.owner_id]
        if steps is not None:
            path.steps = [self._step(kind, title) for kind, title in steps]
        if repr(path) != before:
            path.modified_at = self._later(path.modified_at)
        if tags is not None:
            self.holdings.path_tags[path_id] = [self.tag(one) for one in tags]
        path.status = state or path.status

    def translate_path(
        self, path_id: str, lang: str, *, name: str, description: str = "", published: bool = True
    ) -> None:
        self.paths[path_id].translations[lang] = Translation(
            name=name, description=description, published=published
        )

    def remove_path(self, path_id: str) -> None:
        del self.paths[path_id]

    def add_course(self, name: str, *, duration_min: float | None = None) -> str:
        at = self._now()
        course = Course(
            id=self.new_id(),
            name=name,
            group_id=self.root_id,
            author_id=self.owner_id,
            created_at=at,
            modified_at=at,
            duration_min=duration_min,
        )
        self.holdings.courses[course.id] = course
        return course.id

    def rename_course(self, course_id: str, name: str) -> None:
        course = self.holdings.courses[course_id]
        course.name, course.modified_at = name, self._later(course.modified_at)

    def author(self, full_name: str) -> str:
        """The id of the user of that name, made if there is none."""
        first, _, last = full_name.partition(" ")
        for user in self.users.values():
            if (user.first_name, user.last_name or "") == (first, last):
                return user.id
        user = User(
            id=self.new_id(),
            mail=None,
            username=f"author{len(self.users)}",
            status="active",
            first_name=first,
        )
        user.last_name = last or None
        self.users[user.id] = user
        return user.id

    def tag(self, name: str) -> str:
        """The id of the tag of that name, made if there is none."""
        known = next((tag.id for tag in self.holdings.tags.values() if tag.name == name), None)
        if known is None:
            known = self.new_id()
            self.holdings.tags[known] = Tag(id=known, name=name)
        return known

    def _step(self, kind: StepType, title: str) -> Step:
        match kind:
            case "course":
                here = {course.name: course.id for course in self.holdings.courses.values()}
                return Step(id=here.get(title) or self.add_course(title), type=kind)
            case "classroom":
                return Step(id=self._classroom(title), type=kind)
            case "path":
                return Step(id=next(path.id for path in self.paths.values() if path.name == title), type=kind)
        return Step(id=self.new_id(), type=kind)

    def _classroom(self, name: str) -> str:
        known = next((room.id for room in self.holdings.classrooms.values() if room.name == name), None)
        if known is None:
            known, at = self.new_id(), self._now()
            self.holdings.classrooms[known] = Classroom(
                id=known, name=name, group_id=self.root_id, created_at=at, modified_at=at
            )
        return known

    def _later(self, before: datetime) -> datetime:
        return max(self._now(), before + _A_MOMENT)
