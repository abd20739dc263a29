"""One call of a web service function: who calls, with what, and what that user may do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wcsync.sandbox.moodle_errors import MoodleError, lacks, moodle_error, not_accessible
from wcsync.sandbox.moodle_params import Param
from wcsync.sandbox.moodle_records import SITE_COURSE_ID, Course, ServiceUser
from wcsync.sandbox.moodle_state import MoodleSite


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`params` are checked already. `raw`: stored texts are wanted, not those made safe for a page."""

    site: MoodleSite
    caller: ServiceUser
    params: dict[str, Any]
    base_url: str
    raw: bool = False

    def may(self, capability: str) -> bool:
        return capability in self.caller.capabilities

    def require(self, capability: str) -> None:
        """Raises `nopermissions`."""
        if not self.may(capability):
            raise lacks(capability)

    def enter_site(self) -> None:
        """Raises what is wrong with the service user itself. Not every function asks."""
        if self.caller.must_change_password:
            raise moodle_error("forcepasswordchangenotice")
        if self.caller.profile_incomplete:
            raise moodle_error("usernotfullysetup", "User not fully set-up")
        if self.caller.policy_not_agreed:
            link = f'<a href="{self.base_url}/user/policy.php">Click here to open the site policy.</a>'
            raise moodle_error("sitepolicynotagreed", f"Site policy not agreed: {link}")

    def enter_course(self, course: Course) -> None:
        """Raises also `requireloginerror` if the service user cannot get into the course."""
        self.enter_site()
        if course.id != SITE_COURSE_ID and not (self.may("moodle/course:view") and self.can_see(course)):
            raise not_accessible()

    def enter_course_or_say_which(self, course: Course) -> None:
        """As `enter_course`, with the refusal wrapped the way functions about many courses do."""
        try:
            self.enter_course(course)
        except MoodleError as exc:
            raise moodle_error(
                "errorcoursecontextnotvalid",
                f"You cannot execute functions in the course context (course id:{course.id}). "
                f"The context error message was: {exc.message}",
            ) from exc

    def can_see(self, course: Course) -> bool:
        return course.visible or self.may("moodle/course:viewhiddencourses")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A web service function: its parameters, its work, and the version it reports."""

    params: Mapping[str, Param]
    run: Callable[[Call], Any]
    version: str = "2024100706"
