"""The sessions of paths and their audiences: which group opens a path. Looked at, never changed."""

from datetime import UTC, datetime

from wcsync.lms.threesixty.answers import Audience, Session
from wcsync.lms.threesixty.rest import PATHS_READ, Call, Refused, Rest
from wcsync.times import Clock

FOLLOWS, KEEPS_REFUNDED = "dynamic", "dynamicEnrollment"
"""Modes of an audience: it follows its group in both directions, or inwards alone."""

IN_PATH = "the path's page → Sessions"


def _now() -> datetime:
    return datetime.now(UTC)


class Sessions:
    """Each list and audience is asked for once and kept for good. Raises as `Rest`."""

    def __init__(self, rest: Rest, clock: Clock = _now) -> None:
        self._rest = rest
        self._clock = clock
        self._sessions: dict[str, list[Session]] = {}
        self._audiences: dict[str, Audience] = {}

    def of(self, path_id: str) -> list[Session]:
        if path_id not in self._sessions:
            pages = self._rest.read_pages(get(f"/paths/{path_id}/sessions"), list[Session])
            self._sessions[path_id] = [session for page in pages for session in page]
        return self._sessions[path_id]

    def usable(self, path_id: str) -> list[Session]:
        """Those that a group can be the audience of, and that have not ended."""
        return [one for one in self.of(path_id) if one.is_audience_builder and not self.ended(one)]

    def ended(self, session: Session) -> bool:
        return session.end_date is not None and session.end_date <= self._clock()

    def audience(self, session: Session) -> Audience:
        if session.id not in self._audiences:
            where = f"/paths/{session.path_id}/sessions/{session.id}/audiences"
            try:
                self._audiences[session.id] = self._rest.read(get(where), Audience)
            except Refused as refusal:
                if refusal.code not in {"sessionIsNotAudienceBuilder", "unsupportedAudienceFilter"}:
                    raise
                self._audiences[session.id] = Audience(filters=[], mode="manual")
        return self._audiences[session.id]


def get(path: str) -> Call:
    return Call(method="GET", path=path, scope=PATHS_READ)
