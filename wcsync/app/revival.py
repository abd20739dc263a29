"""Planning orders anew for what a person says, without a whole App."""

from wcsync.app.app import utc_now
from wcsync.app.build import plan_by, target_keys
from wcsync.config import Config
from wcsync.ledger.ledger import SqliteLedger
from wcsync.model import CourseId, LmsName, PlanOrder
from wcsync.pollers.mapping import MappingKeeper


def revive(
    config: Config,
    ledger: SqliteLedger,
    lms: LmsName | None,
    course_id: CourseId | None,
    order_id: int | None,
) -> int:
    """Lets dead enrolments be tried again; those that never got in by the mapping of today. Returns how many."""
    return ledger.desk.revive(lms, course_id, order_id, plan_of_today(config, ledger), utc_now())


def plan_of_today(config: Config, ledger: SqliteLedger) -> PlanOrder:
    """How orders are planned by the config and the mapping as they are now. Raises ConfigError without a mapping."""
    keeper = MappingKeeper(config.mapping.path, target_keys(config), ledger, utc_now)
    keeper.load()
    return plan_by(config, keeper.current, ledger)
