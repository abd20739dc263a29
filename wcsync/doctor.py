"""Looking at every service once: who answers, with what rights, and what a person has to mend."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from wcsync.errors import PermanentError, ServiceBlocked, TransientError
from wcsync.gate import SHOP, same_site
from wcsync.lms.base import Lms, Severity
from wcsync.model import CourseId, LmsName
from wcsync.store.base import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What one look at one service showed.

    `fatal`: the daemon cannot do its work there until it is mended. `file`: the mistake is in a file of ours.
    """

    service: str
    ok: bool
    message: str
    remedy: str = ""
    fatal: bool = False
    file: bool = False


def examine(
    store: Store,
    lmss: Mapping[LmsName, Lms],
    mapped: Mapping[LmsName, Mapping[CourseId, str]],
    known: Callable[[str], str],
    now: datetime,
) -> Iterator[Diagnosis]:
    """Asks each service, and each LMS for every mapped course; yields what it found as it finds it. Changes nothing.

    `mapped`: the courses of the mapping with the line that names them; `known` tells the identity the ledger holds
    for a service, '' for none.
    """
    yield from _guarded(SHOP, lambda: _examine_shop(store, known(SHOP), now))
    for name, lms in lmss.items():
        found = _guarded(name, partial(_examine_lms, lms, known(name)))
        yield from found
        if not any(diagnosis.fatal for diagnosis in found):
            yield from _guarded(name, partial(_examine_courses, lms, mapped.get(name, {})))


def _examine_shop(store: Store, known: str, now: datetime) -> list[Diagnosis]:
    identity = store.fetch_identity()
    found = [_answers(SHOP, identity.name or identity.url, identity.url)]
    since = identity.server_time or now
    next(iter(store.fetch_pages(since - timedelta(minutes=1))))
    found.append(Diagnosis(service=SHOP, ok=True, message="the key may read orders"))
    return found + _identity(SHOP, known, identity.url)


def _examine_lms(lms: Lms, known: str) -> list[Diagnosis]:
    identity = lms.fetch_identity()
    found = [_answers(lms.name, f"{identity.title} {identity.version}".strip(), identity.identity)]
    for finding in identity.findings:
        fatal = finding.severity is Severity.FATAL
        found.append(
            Diagnosis(service=lms.name, ok=False, message=finding.message, remedy=finding.remedy, fatal=fatal)
        )
    return found + _identity(lms.name, known, identity.identity)


def _examine_courses(lms: Lms, mapped: Mapping[CourseId, str]) -> list[Diagnosis]:
    titles = {course_id: lms.fetch_course_title(course_id) for course_id in mapped}
    found = [
        Diagnosis(
            service=lms.name,
            ok=False,
            file=True,
            message=f"{mapped[course_id]}: there is no course {course_id}, or it is hidden from wcsync's user",
            remedy="correct the course in the mapping; then `wcsync dead revive` for what was refused meanwhile",
        )
        for course_id, title in titles.items()
        if title is None
    ]
    there = len(titles) - len(found)
    return [
        Diagnosis(service=lms.name, ok=True, message=f"{there} of {len(titles)} mapped courses are there"),
        *found,
    ]


def _answers(service: str, title: str, address: str) -> Diagnosis:
    return Diagnosis(service=service, ok=True, message=f"{title} answers at {address}")


def _identity(service: str, known: str, answering: str) -> list[Diagnosis]:
    if not known or same_site(known, answering):
        return []
    return [
        Diagnosis(
            service=service,
            ok=False,
            fatal=True,
            message=f"{answering} answers, but the ledger belongs to {known}",
            remedy=f"correct the url in the config, or run `wcsync accept {service}` if the site has really moved",
        )
    ]


def _guarded(service: str, look: Callable[[], list[Diagnosis]]) -> list[Diagnosis]:
    try:
        return look()
    except (TransientError, PermanentError, ServiceBlocked) as exc:
        return [
            Diagnosis(service=service, ok=False, fatal=True, message=str(exc).removeprefix(f"{service}: "))
        ]
