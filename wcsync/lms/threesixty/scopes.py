"""Which scopes the credentials lack: found out by calls that change nothing and ask for what nobody has."""

from collections.abc import Iterable, Iterator

from wcsync.errors import Finding, PermanentError, Severity
from wcsync.lms.threesixty.rest import (
    INVALID_SCOPE,
    PATHS_READ,
    PROBE,
    Call,
    LacksScope,
    Refused,
    Rest,
    lacks_scope,
)

NOBODY = "0" * 24

A_PATH = Call(method="GET", path=f"/paths/{NOBODY}", scope=PATHS_READ)

Probe = tuple[Call, Severity]

FOR_SALES: tuple[Probe, ...] = ((PROBE, Severity.FATAL), (A_PATH, Severity.WARNING))
"""Paths are looked at for rows that name one; nobody is kept out without."""

FOR_COURSES: tuple[Probe, ...] = (
    (A_PATH, Severity.FATAL),
    (Call(method="GET", path=f"/courses/{NOBODY}", scope="courses:read"), Severity.FATAL),
    (Call(method="GET", path=f"/paths/{NOBODY}/tags", scope="tags:read"), Severity.FATAL),
    (PROBE, Severity.FATAL),
    (Call(method="GET", path=f"/classrooms/{NOBODY}", scope="classrooms:read"), Severity.WARNING),
)
"""Without classrooms:read their titles are not told; all else would be missing from every product."""


def missing_scopes(rest: Rest, probes: Iterable[Probe]) -> Iterator[Finding]:
    """A finding of the severity given for each scope that is refused. Raises as `Rest` for all other trouble."""
    for call, severity in probes:
        try:
            rest.read(call, object)
        except (LacksScope, Refused) as exc:
            if isinstance(exc, LacksScope) or exc.code == INVALID_SCOPE:
                yield lacks_scope(call.scope, severity=severity)


def demanding(rest: Rest, refusal: Refused) -> PermanentError | LacksScope:
    """The error for a refusal where nothing goes without paths:read."""
    if refusal.code != INVALID_SCOPE:
        return refusal
    finding = lacks_scope(PATHS_READ)
    return LacksScope(f"{rest.name}: {finding}", finding=finding)
