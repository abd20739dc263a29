"""What Moodle answers when it refuses: always HTTP 200, with these very words."""

from typing import Any

_NAMES = {
    "enrol/manual:enrol": "Enrol users",
    "enrol/manual:unenrol": "Unenrol users from the course",
    "moodle/cohort:assign": "Add and remove cohort members",
    "moodle/cohort:view": "View site-wide cohorts",
    "moodle/course:enrolreview": "Review course enrolments",
    "moodle/course:managegroups": "Manage groups",
    "moodle/course:viewparticipants": "View participants",
    "moodle/role:review": "Review permissions for others",
    "moodle/user:create": "Create users",
}
"""What a refusal calls the capability."""


class MoodleError(Exception):
    """An application error. `errorcode` None: a crash of PHP itself, which has none."""

    def __init__(self, exception: str, errorcode: str | None, message: str) -> None:
        super().__init__(message)
        self.exception = exception
        self.errorcode = errorcode
        self.message = message

    def as_body(self) -> dict[str, Any]:
        code = {} if self.errorcode is None else {"errorcode": self.errorcode}
        return {"exception": self.exception} | code | {"message": self.message}


class NotKnown(Exception):
    """Nobody has recorded what a site answers there."""


def moodle_error(errorcode: str, message: str | None = None) -> MoodleError:
    """A plain moodle_exception. One without a text of its own shows its code, as in `error/userdeleted`."""
    return MoodleError(
        "core\\exception\\moodle_exception", errorcode, f"error/{errorcode}" if message is None else message
    )


def invalid_parameter() -> MoodleError:
    """The one answer to every kind of bad input, from a missing field to a taken e-mail address."""
    return MoodleError(
        "core\\exception\\invalid_parameter_exception", "invalidparameter", "Invalid parameter value detected"
    )


def access_denied() -> MoodleError:
    """The one answer to an expired token, a foreign address, a function outside the service and more."""
    return MoodleError("webservice_access_exception", "accessexception", "Access control exception")


def invalid_token() -> MoodleError:
    return moodle_error("invalidtoken", "Invalid token - token not found")


def missing_record(table: str) -> MoodleError:
    """A row that must exist does not; users have a code of their own."""
    if table == "user":
        return MoodleError("dml_missing_record_exception", "invaliduser", "Invalid user")
    return MoodleError(
        "dml_missing_record_exception", "invalidrecord", f"Can't find data record in database table {table}."
    )


def write_failed() -> MoodleError:
    """The database refused a row: a value longer than its column, or a unique index."""
    return MoodleError("dml_write_exception", "dmlwriteexception", "Error writing to database")


def coding_error(detail: str) -> MoodleError:
    return MoodleError(
        "core\\exception\\coding_exception",
        "codingerror",
        f"Coding error detected, it must be fixed by a programmer: {detail}",
    )


def lacks(capability: str) -> MoodleError:
    """The service user may not do that."""
    return MoodleError(
        "core\\exception\\required_capability_exception",
        "nopermissions",
        f"Sorry, but you do not currently have permissions to do that ({_NAMES[capability]}).",
    )


def not_accessible() -> MoodleError:
    """The service user cannot enter the course."""
    return MoodleError(
        "core\\exception\\require_login_exception",
        "requireloginerror",
        "Course or activity not accessible.",
    )


def crash(message: str) -> MoodleError:
    """PHP itself gave up: no errorcode."""
    return MoodleError("Error", None, message)
