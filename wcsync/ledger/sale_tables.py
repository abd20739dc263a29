"""The tables of an order's life: the statements of the sixth migration, and the conditions its indexes were made for.

Released: never to be changed."""

# Withdrawals that nobody said a word about and whose time has not come: what a mass of them is counted by. A row keeps
# the end it had when it was wished out: who is out because that end came nearer lost it by an order, not by the time.
M006_BY_TIME = "(cause = 'expired' AND until IS NOT NULL AND until <= wished_at)"
M006_UNASKED = (
    f"desired = 'out' AND NOT {M006_BY_TIME} AND cause NOT IN ('person', 'relinked') "
    "AND on_withdraw NOT IN ('keep', 'ask') AND allowed_revision <> revision"
)
M006_LEFT = (
    "applied = 'out' AND outcome IN ('removed', 'suspended') "
    f"AND NOT {M006_BY_TIME} AND cause NOT IN ('person', 'relinked') AND allowed_revision <> applied_revision"
)
M006_FREE = (
    f"(desired = 'in' OR {M006_BY_TIME} OR cause IN ('person', 'relinked') OR on_withdraw IN ('keep', 'ask') "
    "OR allowed_revision = revision)"
)
M006 = (
    "ALTER TABLE entitlements DROP COLUMN until",  # never written
    # when its access begins, by the shop's facts
    "ALTER TABLE entitlements ADD COLUMN starts_at TEXT NOT NULL DEFAULT ''",
    # how long it lasts, JSON; '' = without end
    "ALTER TABLE entitlements ADD COLUMN access TEXT NOT NULL DEFAULT ''",
    # sale.Withdrawal, '' = as the LMS's section says
    "ALTER TABLE entitlements ADD COLUMN on_withdraw TEXT NOT NULL DEFAULT ''",
    # sale.Cause, '' while live
    "ALTER TABLE entitlements ADD COLUMN cause TEXT NOT NULL DEFAULT ''",
    """
    UPDATE entitlements SET cause = iif(live, '', 'order'), starts_at = coalesce((
        SELECT coalesce(o.completed_at, o.paid_at, o.created_at) FROM orders AS o
        WHERE o.order_id = entitlements.order_id), sold_at)
    """,
    # how often a person said that its learner is another one
    "ALTER TABLE entitlements ADD COLUMN relinked INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TRIGGER entitlements_relinked AFTER UPDATE OF learner_key ON entitlements
    WHEN OLD.learner_key <> '' AND NEW.learner_key <> OLD.learner_key BEGIN
        UPDATE entitlements SET relinked = relinked + 1 WHERE order_id = NEW.order_id AND line_id = NEW.line_id
        AND seat = NEW.seat AND lms = NEW.lms AND course_id = NEW.course_id;
    END
    """,
    # serves: seats that nobody has (learner_key '')
    "CREATE INDEX entitlements_open ON entitlements (order_id) WHERE learner_key = '' AND live = 1",
    # why it is to end: sale.Cause, '' while it is not
    "ALTER TABLE enrolments ADD COLUMN cause TEXT NOT NULL DEFAULT ''",
    # what is to be done then: sale.Withdrawal, '' = as the LMS's section says
    "ALTER TABLE enrolments ADD COLUMN on_withdraw TEXT NOT NULL DEFAULT ''",
    # the revision that a person allowed to withdraw
    "ALTER TABLE enrolments ADD COLUMN allowed_revision INTEGER NOT NULL DEFAULT 0",
    # 1 = we suspended it, or it reached the end we gave it
    "ALTER TABLE enrolments ADD COLUMN dormant INTEGER NOT NULL DEFAULT 0",
    # serves: whose access ends next
    "CREATE INDEX enrolments_ending ON enrolments (until) WHERE desired = 'in' AND until IS NOT NULL",
    # serves: whose access ended by the time, although that is still to come
    f"CREATE INDEX enrolments_over ON enrolments (until) WHERE desired = 'out' AND {M006_BY_TIME}",
    # serves: withdrawals that wait and that no person asked for
    f"CREATE INDEX enrolments_leaving ON enrolments (lms) WHERE state IN ('due', 'leased') AND {M006_UNASKED}",
    # serves: withdrawals done lately that no person asked for
    f"CREATE INDEX enrolments_left ON enrolments (applied_at) WHERE {M006_LEFT}",
    # serves: how many learners are in by our doing
    "CREATE INDEX enrolments_inside ON enrolments (lms) WHERE applied = 'in' AND ours = 1",
    # serves: claim while withdrawals are stopped, oldest due row first
    f"CREATE INDEX enrolments_free ON enrolments (lms, next_attempt_at) WHERE state = 'due' AND {M006_FREE}",
    "ALTER TABLE orders ADD COLUMN refunds TEXT NOT NULL DEFAULT '[]'",  # JSON: id, total, lines
    "ALTER TABLE orders ADD COLUMN learners TEXT NOT NULL DEFAULT '[]'",  # JSON: keys of those the order names
    "ALTER TABLE order_lines ADD COLUMN learners TEXT NOT NULL DEFAULT '[]'",  # JSON: keys of those the line names
    "ALTER TABLE order_lines ADD COLUMN part_of INTEGER NOT NULL DEFAULT 0",  # line of its bundle
    "ALTER TABLE order_lines ADD COLUMN container INTEGER NOT NULL DEFAULT 0",  # 1 = stands for a bundle
    "ALTER TABLE learners ADD COLUMN fields TEXT NOT NULL DEFAULT '[]'",  # JSON list of [name, value]
    # when the address was blanked: by a person, or after the retention time
    "ALTER TABLE learners ADD COLUMN erased_at TEXT",
    "ALTER TABLE services ADD COLUMN zone TEXT NOT NULL DEFAULT ''",  # the shop's: IANA name or offset
    """
    CREATE TABLE subscriptions (     -- what the shop said last
        subscription_id INTEGER PRIMARY KEY,
        parent_id INTEGER NOT NULL,  -- the order that began it, 0 = none
        status TEXT NOT NULL,
        products TEXT NOT NULL,      -- JSON list of product and variation ids
        modified_at TEXT NOT NULL,
        read_at TEXT NOT NULL
    ) STRICT
    """,
    # serves: the subscriptions an order began
    "CREATE INDEX subscriptions_of_order ON subscriptions (parent_id)",
    """
    CREATE TABLE renewals (          -- orders that pay a subscription anew
        subscription_id INTEGER NOT NULL,
        order_id INTEGER NOT NULL,
        PRIMARY KEY (subscription_id, order_id)
    ) STRICT, WITHOUT ROWID
    """,
    # serves: the subscriptions an order renews
    "CREATE INDEX renewals_of_order ON renewals (order_id)",
    """
    CREATE TABLE holds (             -- orders about which nothing is to be done
        order_id INTEGER PRIMARY KEY,
        reason TEXT NOT NULL,
        since TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE decisions (         -- a person's word that something is to end: sale.Decision
        order_id INTEGER NOT NULL,
        line_id INTEGER NOT NULL,
        seat INTEGER NOT NULL,
        cause TEXT NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (order_id, line_id, seat, cause)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE aliases (           -- learners that stand for others since a person said so
        old_key TEXT PRIMARY KEY,
        new_key TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # serves: whom a learner stands for
    "CREATE INDEX aliases_of_new ON aliases (new_key)",
    """
    CREATE TABLE new_accounts (      -- accounts that we made in an LMS, or were about to
        lms TEXT NOT NULL,
        learner_key TEXT NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (lms, learner_key)
    ) STRICT, WITHOUT ROWID
    """,
    # serves: how many on a day
    "CREATE INDEX new_accounts_lately ON new_accounts (lms, at)",
)
