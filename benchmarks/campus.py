"""The fake Moodle: accounts and enrolments in memory, and a count of whatever was made twice."""

import json
import threading
from urllib.parse import parse_qsl

from benchmarks.exchange import Answer, Request
from benchmarks.stats import Stats

FUNCTIONS = (
    "core_webservice_get_site_info",
    "core_user_get_users",
    "core_user_get_users_by_field",
    "core_user_create_users",
    "core_course_get_courses_by_field",
    "core_enrol_get_users_courses",
    "core_enrol_get_enrolled_users",
    "enrol_manual_enrol_users",
    "enrol_manual_unenrol_users",
    "core_course_get_contents",
    "core_competency_list_course_competencies",
)
FIRST_USER_ID = 100
Fields = dict[str, str]


class Campus:
    """Answers the functions an enrolment needs; every course exists and takes anybody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers = {
            "core_webservice_get_site_info": self._site,
            "core_user_get_users": self._search,
            "core_user_get_users_by_field": self._look_up,
            "core_user_create_users": self._create,
            "core_course_get_courses_by_field": self._course,
            "core_enrol_get_users_courses": self._courses_of,
            "core_enrol_get_enrolled_users": self._inactive,
            "enrol_manual_enrol_users": self._enrol,
        }
        self.forget()

    def forget(self) -> None:
        with self._lock:
            self._addresses: list[str] = []
            self._ids: dict[str, int] = {}
            self._courses: dict[str, list[str]] = {}
            self._enrolments = 0
            self._doubles = 0

    def fill(self, stats: Stats) -> None:
        with self._lock:
            stats.enrolments = self._enrolments
            stats.doubles = self._doubles

    def answer(self, request: Request) -> Answer:
        fields = dict(parse_qsl(request.body.decode()))
        function = fields.get("wsfunction", "")
        if function not in self._answers:
            return Answer(kind="unknown", status=404, body=b"{}")
        with self._lock:
            answer = self._answers[function](fields)
        return Answer(kind=function, body=json.dumps(answer, separators=(",", ":")).encode())

    def _site(self, _fields: Fields) -> object:
        functions = [{"name": name, "version": "2024100700"} for name in FUNCTIONS]
        url = "https://campus.example.test"
        return {
            "siteurl": url,
            "sitename": "Campus",
            "userid": 3,
            "release": "5.0",
            "version": "2025041400",
            "functions": functions,
        }

    def _search(self, fields: Fields) -> object:
        user_id = self._ids.get(fields["criteria[0][value]"].casefold())
        return {"users": [] if user_id is None else [self._user(user_id)], "warnings": []}

    def _look_up(self, fields: Fields) -> object:
        wanted = fields["values[0]"]
        if fields["field"] == "id":
            known = 0 <= int(wanted) - FIRST_USER_ID < len(self._addresses)
            return [self._user(int(wanted))] if known else []
        user_id = self._ids.get(wanted.casefold()) if fields["field"] == "email" else None
        return [] if user_id is None else [self._user(user_id)]

    def _user(self, user_id: int) -> dict[str, object]:
        address = self._addresses[user_id - FIRST_USER_ID]
        return {
            "id": user_id,
            "username": address,
            "firstname": "Begoña",
            "lastname": "Núñez",
            "fullname": "Begoña Núñez",
            "email": address,
            "department": "",
            "auth": "manual",
            "suspended": False,
            "confirmed": True,
            "lang": "en",
            "profileimageurl": "https://campus.example.test/theme/image.php/boost/core/1/u/f1",
        }

    def _create(self, fields: Fields) -> object:
        address = fields["users[0][email]"].casefold()
        self._doubles += address in self._ids
        self._ids[address] = FIRST_USER_ID + len(self._addresses)
        self._addresses.append(address)
        return [{"id": self._ids[address], "username": fields["users[0][username]"]}]

    def _course(self, fields: Fields) -> object:
        course_id = int(fields["value"])
        course = {
            "id": course_id,
            "fullname": f"Course {course_id}",
            "shortname": f"C{course_id}",
            "summary": "<p>What it is about.</p>",
            "visible": 1,
            "enrollmentmethods": ["manual", "self"],
        }
        return {"courses": [course], "warnings": []}

    def _courses_of(self, fields: Fields) -> object:
        mine = self._courses.get(fields["userid"], [])
        return [{"id": int(course_id), "fullname": f"Course {course_id}", "visible": 1} for course_id in mine]

    def _inactive(self, _fields: Fields) -> object:
        return []

    def _enrol(self, fields: Fields) -> object:
        courses = self._courses.setdefault(fields["enrolments[0][userid]"], [])
        self._doubles += fields["enrolments[0][courseid]"] in courses
        self._enrolments += 1
        courses.append(fields["enrolments[0][courseid]"])
        return None
