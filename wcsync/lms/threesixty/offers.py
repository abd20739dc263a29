"""The groups and paths of a 360Learning company, for people to choose from."""

from wcsync.lms.threesixty.answers import Group, Path
from wcsync.lms.threesixty.places import GROUPS
from wcsync.lms.threesixty.rest import INVALID_SCOPE, PATHS_READ, Call, Refused, Rest
from wcsync.model import LmsName, Offer

PATHS = Call(method="GET", path="/paths", scope=PATHS_READ)


def fetch_offers(rest: Rest, lms: LmsName) -> list[Offer]:
    """Groups, and paths unless the credentials may not read them: rows need no path."""
    groups = {group.id: group for page in rest.read_pages(GROUPS, list[Group]) for group in page}
    parents = {group.parent_id for group in groups.values()}
    offers = [
        Offer(
            lms=lms,
            key="group",
            value=group.id,
            title=group.name,
            concern=_concern(group, group.id in parents),
        )
        for group in groups.values()
    ]
    return offers + [
        Offer(
            lms=lms,
            key="path",
            value=path.id,
            title=path.name,
            concern="it is archived" if path.status == "archived" else "",
        )
        for path in _fetch_paths(rest).values()
    ]


def _fetch_paths(rest: Rest) -> dict[str, Path]:
    try:
        return {path.id: path for page in rest.read_pages(PATHS, list[Path]) for path in page}
    except Refused as refusal:
        if refusal.code == INVALID_SCOPE:
            return {}
        raise


def _concern(group: Group, has_subgroups: bool) -> str:
    if group.parent_id is None:
        return "it is the root group, which everybody is in"
    if has_subgroups:
        return "it has subgroups: who leaves it leaves those too"
    return "it is public: sell a private group" if group.public else ""
