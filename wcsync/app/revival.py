"""Giving dead enrolments another chance, without a whole App."""

from wcsync.app.app import utc_now
from wcsync.app.build import plan_by, target_keys
from wcsync.config import Config
from wcsync.ledger.ledger import SqliteLedger
from wcsync.model import CourseId, LmsName
from wcsync.pollers.mapping import MappingKeeper


def revive(
    config: Config,
    ledger: SqliteLedger,
    lms: LmsName | None,
    course_id: CourseId | None,
    order_id: int | None,
) -> int:
    """Lets dead enrolments be tried again; those that never got in by the mapping of today. Returns how many."""
    keeper = MappingKeeper(config.mapping.path, target_keys(config), ledger, utc_now)
    keeper.load()
    return ledger.revive(lms, course_id, order_id, plan_by(config, keeper.current, ledger), utc_now())
