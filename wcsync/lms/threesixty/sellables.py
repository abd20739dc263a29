"""The paths of a 360Learning company that a shop could sell, each with the private group that opens it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wcsync.course import Sellable
from wcsync.lms.threesixty.answers import Path
from wcsync.lms.threesixty.offers import PATHS
from wcsync.lms.threesixty.places import Groups
from wcsync.lms.threesixty.rest import Call, Refused, Rest
from wcsync.lms.threesixty.scopes import demanding
from wcsync.lms.threesixty.sessions import FOLLOWS, IN_PATH, KEEPS_REFUNDED, Sessions
from wcsync.mappers.courses.plain import one_line
from wcsync.model import CourseId, LmsName, Target

PUBLISHED = Call(method="GET", path=PATHS.path, scope=PATHS.scope, query=(("status[eq]", "published"),))

NO_GROUP = (
    "no open session of it has a private group without subgroups as its audience: make such a group, and with the "
    f"audience builder a session that enrols and unenrols it dynamically ({IN_PATH})"
)
NOT_DYNAMIC = (
    f"its session does not follow the group: let its audience enrol and unenrol dynamically ({IN_PATH})"
)
REFUNDED_STAY = (
    "who is refunded stays enrolled: let the audience of its session enrol and unenrol dynamically "
    f"({IN_PATH} → Audience)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Door:
    """A group that opens a path, and how the session between them follows it."""

    group_id: str
    mode: str


def fetch_sellables(rest: Rest, groups: Groups, lms: LmsName) -> list[Sellable]:
    """Every published path. The target's `course_id` is '' where there is no group yet that a row could name.

    A call for each path and one for each of its open sessions. The session is left out of the target: any one that
    follows the group will do, this year's or the next one's. Raises as `Rest`, ServiceBlocked without paths:read.
    """
    try:
        paths = {path.id: path for page in rest.read_pages(PUBLISHED, list[Path]) for path in page}
        sessions = Sessions(rest)
        doors = {path_id: sorted(_doors(path_id, sessions, groups), key=_worth) for path_id in paths}
    except Refused as refusal:
        raise demanding(rest, refusal) from refusal
    opens = Counter(group_id for found in doors.values() for group_id in {door.group_id for door in found})
    return [_sellable(path, doors[path.id], opens, lms) for path in paths.values()]


def _doors(path_id: str, sessions: Sessions, groups: Groups) -> Iterator[_Door]:
    for session in sessions.usable(path_id):
        audience = sessions.audience(session)
        for group_id in audience.groups():
            group = groups.fetch(CourseId(group_id))
            if group and not (group.public or group.parent_id is None or groups.has_subgroups(group_id)):
                yield _Door(group_id=group_id, mode=audience.mode)


def _worth(door: _Door) -> tuple[int, str]:
    """The better a session follows its group, the smaller; the id makes the choice the same each time."""
    return {FOLLOWS: 0, KEEPS_REFUNDED: 1}.get(door.mode, 2), door.group_id


def _sellable(path: Path, doors: list[_Door], opens: Mapping[str, int], lms: LmsName) -> Sellable:
    group_id = doors[0].group_id if doors else ""
    return Sellable(
        target=Target(lms=lms, course_id=CourseId(group_id), options=(("path", path.id),)),
        title=one_line(path.name),
        concern=_concern(doors, opens),
    )


def _concern(doors: list[_Door], opens: Mapping[str, int]) -> str:
    if not doors:
        return NO_GROUP
    door, others = doors[0], {one.group_id for one in doors} - {doors[0].group_id}
    if door.mode == KEEPS_REFUNDED:
        return REFUNDED_STAY
    if door.mode != FOLLOWS:
        return NOT_DYNAMIC
    if opens[door.group_id] > 1:
        return f"its group {door.group_id} opens {opens[door.group_id]} paths: who buys one gets them all"
    if others:
        return f"{len(others) + 1} private groups open it: sell one that is used for nothing else"
    return ""
