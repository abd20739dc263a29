"""What one look showed, as people and scripts are told."""

from collections.abc import Iterable
from dataclasses import dataclass

from wcsync.errors import Finding, Problem, Severity, WcsyncError

FILES = "files"
MACHINE = "machine"
"""What is looked at beside the services."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """`code`: a short word that never changes; README lists them all.

    `fatal`: the daemon cannot do its work there until it is mended; what is neither `ok` nor `fatal` is a warning.
    `file`: the mistake is in a file of ours; `where`: the lines of that file.
    """

    service: str
    code: str
    ok: bool
    message: str
    remedy: str = ""
    fatal: bool = False
    file: bool = False
    where: tuple[str, ...] = ()

    @classmethod
    def of(cls, service: str, finding: Finding, where: Iterable[str] = ()) -> "Diagnosis":
        return cls(
            service=service,
            code=finding.code,
            ok=finding.severity is Severity.OK,
            fatal=finding.severity is Severity.FATAL,
            message=finding.message,
            remedy=finding.remedy,
            file=finding.in_mapping,
            where=tuple(dict.fromkeys(where)),
        )

    @classmethod
    def of_error(cls, service: str, error: WcsyncError, where: Iterable[str] = ()) -> "Diagnosis":
        """An error that kept the look from going on."""
        told = error.finding or Finding(code="other", message=str(error).removeprefix(f"{service}: "))
        return cls.of(service, told, where)

    @classmethod
    def of_problem(
        cls, code: str, problem: Problem, *, service: str = FILES, fatal: bool = True
    ) -> "Diagnosis":
        return cls(
            service=service,
            code=code,
            ok=False,
            fatal=fatal,
            file=True,
            message=problem.message,
            remedy=problem.remedy,
            where=(problem.where,),
        )


def fine(service: str, code: str, message: str) -> Diagnosis:
    return Diagnosis(service=service, code=code, ok=True, message=message)
