"""The fake Moodle's courses: what is in them, as bytes made beforehand. All else it answers as `Campus` does."""

from urllib.parse import parse_qsl

from benchmarks.campus import Campus, Fields
from benchmarks.exchange import Answer, Request
from benchmarks.lessons import competencies, contents, lesson
from benchmarks.payload import php_json
from benchmarks.stats import Stats

FIRST = 2
"""Course 1 is the site itself."""


class Courses:
    """`courses` in all. `/revise` does what no Moodle does: it gives each of them another summary."""

    def __init__(self, *, courses: int, summary_b: int) -> None:
        self._campus = Campus()
        self._numbers = range(FIRST, FIRST + courses)
        self._summary_b = summary_b
        self._contents = {str(number): php_json(contents(number)) for number in self._numbers}
        self._skills = {str(number): php_json(competencies(number)) for number in self._numbers}
        self._inside = {
            "core_course_get_contents": lambda fields: self._contents[fields["courseid"]],
            "core_competency_list_course_competencies": lambda fields: self._skills[fields["id"]],
            "core_course_get_courses_by_field": self._told,
        }
        self.forget()

    def forget(self) -> None:
        self._campus.forget()
        self._revise(1)

    def fill(self, stats: Stats) -> None:
        self._campus.fill(stats)

    def answer(self, request: Request) -> Answer:
        if request.path == "/revise":
            self._revise(self._edition + 1)
            return Answer(kind="revise", body=b"{}")
        fields = dict(parse_qsl(request.body.decode()))
        function = fields.get("wsfunction", "")
        if function not in self._inside:
            return self._campus.answer(request)
        return Answer(kind=function, body=self._inside[function](fields))

    def _revise(self, edition: int) -> None:
        self._edition = edition
        self._courses = {
            str(number): php_json(lesson(number, edition=edition, summary_b=self._summary_b))
            for number in self._numbers
        }

    def _told(self, fields: Fields) -> bytes:
        found = [self._courses[course_id] for course_id in fields["value"].split(",")]
        return b'{"courses":[%b],"warnings":[]}' % b",".join(found)
