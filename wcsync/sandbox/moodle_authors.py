"""What those who make courses do on a Moodle site, and which of a course's marks that moves."""

import itertools
from collections.abc import Sequence
from typing import Any

from wcsync.sandbox.moodle_records import KINDS, Account, Activity, Competency, Course, Section, StoredFile
from wcsync.sandbox.moodle_state import MoodleSite

COVER_NAME = "cover image.png"


class Authors(MoodleSite):
    """Edits of courses. As measured: a new name, summary or visibility moves `timemodified` and `cacherev`; sections
    and modules move `cacherev` alone; custom fields, images and teachers move neither. Competencies and categories
    were not measured; here they move neither.
    """

    def describe_course(
        self,
        course_id: int,
        *,
        name: str | None = None,
        summary: str | None = None,
        visible: bool | None = None,
        teachers: Sequence[str] | None = None,
        modules: Sequence[tuple[str, str, str]] | None = None,
        skills: Sequence[str] | None = None,
        level: str | None = None,
        duration: str | None = None,
        language: str | None = None,
        category: str | None = None,
        cover: bytes | None = None,
    ) -> None:
        """None = left as it is. `modules`: section, title and kind of each, in order. `cover` b'' takes it away.

        `level`, `duration`, `language` are custom fields. Who teaches has an account or gets one.
        """
        with self.lock:
            course = self.courses[course_id]
            self._edit(course, fullname=name, summary=summary, visible=visible)
            if modules is not None:
                course.sections = self._laid_out(course, modules)
                self.touch(course)
            if teachers is not None:
                self._let_teach(course_id, teachers)
            if skills is not None:
                course.competencies = [self._competency(skill) for skill in skills]
            for shortname, value in (("level", level), ("duration", duration), ("language", language)):
                if value is not None:
                    self.set_field(course_id, shortname, value)
            if category is not None:
                course.category_id = self._category_id(category)
                self._sort_courses(course.category_id)
            if cover is not None:
                self._put_cover(course, cover)

    def rename_course(self, course_id: int, name: str) -> None:
        self.describe_course(course_id, name=name)

    def delete_course(self, course_id: int) -> None:
        """With all that hangs on it."""
        with self.lock:
            for enrolment in self.enrolments_in(course_id):
                self._remove_enrolment(enrolment)
            self.groups = {
                number: group for number, group in self.groups.items() if group.course_id != course_id
            }
            del self.courses[course_id]

    def set_field(self, course_id: int, shortname: str, value: str, *, kind: str = "text") -> None:
        """Fills in a custom field of the course; '' empties it."""
        with self.lock:
            fields = self.courses[course_id].customfields
            filled: dict[str, Any] = {
                "name": shortname.capitalize(),
                "shortname": shortname,
                "type": kind,
                "valueraw": value,
                "value": value or None,
            }
            known = [field["shortname"] for field in fields]
            if shortname in known:
                fields[known.index(shortname)] |= {"valueraw": value, "value": value or None}
            else:
                fields.append(filled)

    def touch(self, course: Course) -> None:
        """Moodle gives every change another `cacherev`, also two within one second."""
        course.cacherev = max(self.now_s(), course.cacherev + 1)

    def _edit(self, course: Course, **wanted: str | bool | None) -> None:
        changes = {key: value for key, value in wanted.items() if value is not None}
        if all(getattr(course, key) == value for key, value in changes.items()):
            return
        for key, value in changes.items():
            setattr(course, key, value)
        course.timemodified = self.now_s()
        self.touch(course)

    def _laid_out(self, course: Course, modules: Sequence[tuple[str, str, str]]) -> list[Section]:
        """Modules that follow each other under one heading share its section; what was there keeps its number."""
        known = {
            (one.kind, one.name): one.id for other in self.courses.values() for one in _activities(other)
        }
        fresh = itertools.count(max(known.values(), default=0) + 1)
        kept = {(one.kind, one.name): one.id for one in _activities(course)}
        sections = [Section(id=course.id * 1000, number=0)]
        for name, title, kind in modules:
            assert kind in KINDS, f"no module of the kind {kind} was ever recorded"
            if sections[-1].name != name:
                sections.append(Section(id=course.id * 1000 + len(sections), number=len(sections), name=name))
            number = kept.get((kind, title)) or next(fresh)
            sections[-1].activities.append(Activity(id=number, kind=kind, name=title, instance=number))
        return sections

    def _let_teach(self, course_id: int, names: Sequence[str]) -> None:
        """These and no others, in this order."""
        for account in self.contacts(course_id):
            self.unenrol(account.id, course_id)
        for name in names:
            self.enrol(self._teacher(name).id, course_id, "editingteacher")

    def _teacher(self, name: str) -> Account:
        living = (one for one in self.users.values() if not one.deleted)
        known = next((one for one in living if one.fullname.strip() == name), None)
        if known is not None:
            return known
        first, _, last = name.partition(" ")
        number = self.next_user_id
        return self.users[self.add_user(f"teacher{number}@campus.example.test", None, first, last)]

    def _competency(self, shortname: str) -> Competency:
        known = {one.shortname: one for course in self.courses.values() for one in course.competencies}
        number = max((one.id for one in known.values()), default=0) + 1
        return known.get(shortname) or Competency(id=number, shortname=shortname)

    def _put_cover(self, course: Course, content: bytes) -> None:
        course.files = [file for file in course.files if file.area != "overviewfiles"]
        if content:
            course.files.append(
                StoredFile(
                    area="overviewfiles",
                    name=COVER_NAME,
                    content=content,
                    mimetype="image/png",
                    timemodified=self.now_s(),
                )
            )


def _activities(course: Course) -> list[Activity]:
    return [activity for section in course.sections for activity in section.activities]
