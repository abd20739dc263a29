"""The ledger's tables, as migrations that are only ever appended to. All times are `times.render_instant` texts."""

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from wcsync.ledger.sale_tables import M006

migrations = Migrations("wcsync")

_M001 = (
    """
    CREATE TABLE facts (             -- single values that belong to this ledger as a whole
        name TEXT PRIMARY KEY,       -- 'identity_key' (hex), 'created_at', 'mapping' (last good, JSON)
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE orders (            -- what the shop said last
        order_id INTEGER PRIMARY KEY,
        number TEXT NOT NULL,        -- what people call it
        status TEXT NOT NULL,
        created_at TEXT NOT NULL,
        modified_at TEXT NOT NULL,   -- newest wins; an older reading never overwrites a newer one
        paid_at TEXT,
        completed_at TEXT,
        customer_id INTEGER NOT NULL,
        learner_key TEXT NOT NULL,   -- the buyer's, '' without a usable address
        refunded_total TEXT NOT NULL,
        paid INTEGER NOT NULL,       -- 1 = counted as paid by the rules when last planned
        digest TEXT NOT NULL,        -- of all that was read: the same again is not news
        read_at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE order_lines (
        order_id INTEGER NOT NULL,
        line_id INTEGER NOT NULL,
        product_id INTEGER NOT NULL, -- 0 = the product is gone
        variation_id INTEGER NOT NULL,
        sku TEXT NOT NULL,
        name TEXT NOT NULL,
        quantity TEXT NOT NULL,
        total TEXT NOT NULL,
        verdict TEXT NOT NULL,       -- model.Verdict
        reason TEXT NOT NULL,
        PRIMARY KEY (order_id, line_id)
    ) STRICT, WITHOUT ROWID
    """,
    # serves: lines to plan again when the mapping has learnt their product
    "CREATE INDEX lines_unmapped ON order_lines (order_id) WHERE verdict = 'unmapped'",
    """
    CREATE TABLE entitlements (      -- one seat sold; a snapshot of the mapping row of that day
        order_id INTEGER NOT NULL,
        line_id INTEGER NOT NULL,
        seat INTEGER NOT NULL,
        lms TEXT NOT NULL,
        course_id TEXT NOT NULL,
        learner_key TEXT NOT NULL,
        options TEXT NOT NULL,       -- JSON list of [key, value]
        until TEXT,                  -- NULL = unlimited
        live INTEGER NOT NULL,
        reason TEXT NOT NULL,        -- why it ended
        source TEXT NOT NULL,        -- file and line of the mapping row
        product_id INTEGER NOT NULL, -- what the line was about that day
        variation_id INTEGER NOT NULL,
        sold_at TEXT NOT NULL,
        PRIMARY KEY (order_id, line_id, seat, lms, course_id)
    ) STRICT, WITHOUT ROWID
    """,
    # serves: all seats of one learner and course
    "CREATE INDEX entitlements_of_learner ON entitlements (lms, course_id, learner_key)",
    """
    CREATE TABLE enrolments (        -- what should be and what the LMS was last told, per learner and course
        lms TEXT NOT NULL,
        course_id TEXT NOT NULL,
        learner_key TEXT NOT NULL,
        desired TEXT NOT NULL,       -- 'in' or 'out'
        until TEXT,
        options TEXT NOT NULL,
        revision INTEGER NOT NULL,   -- grows with each change of the wish
        applied TEXT NOT NULL,       -- 'none', 'in' or 'out': what the LMS last confirmed
        applied_until TEXT,
        applied_revision INTEGER NOT NULL,
        applied_at TEXT,
        outcome TEXT NOT NULL,       -- model.Outcome of the last success, '' before
        ours INTEGER NOT NULL,       -- 1 = the enrolment in the LMS is of our making
        state TEXT NOT NULL,         -- retry.State
        attempts INTEGER NOT NULL,   -- since the wish last changed, this one included while leased
        next_attempt_at TEXT NOT NULL,
        lease INTEGER NOT NULL,      -- grows with each claim; whoever settles must name it
        sending_since TEXT,          -- a write may be under way at the LMS since then
        withdrawing INTEGER NOT NULL, -- 1 = and that write may be a withdrawal
        written INTEGER NOT NULL,    -- 1 = a call that changes the enrolment went out and was never confirmed
        error_kind TEXT NOT NULL,
        error TEXT NOT NULL,
        wished_at TEXT NOT NULL,
        changed_at TEXT NOT NULL,
        PRIMARY KEY (lms, course_id, learner_key)
    ) STRICT, WITHOUT ROWID
    """,
    # serves: claim, oldest due row of an LMS first
    "CREATE INDEX enrolments_due ON enrolments (lms, next_attempt_at) WHERE state = 'due'",
    # serves: is anything of this learner under way; recover
    "CREATE INDEX enrolments_leased ON enrolments (lms, learner_key) WHERE state = 'leased'",
    # serves: may an account of this learner be in the making
    "CREATE INDEX enrolments_open ON enrolments (lms, learner_key) WHERE sending_since IS NOT NULL",
    # serves: the dead list
    "CREATE INDEX enrolments_dead ON enrolments (changed_at) WHERE state = 'dead'",
    """
    CREATE TABLE accounts (          -- a learner's own id in an LMS, as last seen
        lms TEXT NOT NULL,
        learner_key TEXT NOT NULL,
        user_id TEXT NOT NULL,
        seen_at TEXT NOT NULL,
        PRIMARY KEY (lms, learner_key)
    ) STRICT, WITHOUT ROWID
    """,
    # serves: who else shares an account
    "CREATE INDEX accounts_of_user ON accounts (lms, user_id)",
    """
    CREATE TABLE learners (          -- the only table that holds addresses and names
        learner_key TEXT PRIMARY KEY,
        email TEXT NOT NULL,
        first_name TEXT NOT NULL,
        last_name TEXT NOT NULL,
        language TEXT NOT NULL,
        changed_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE parked (            -- what needs a person
        order_id INTEGER NOT NULL,   -- 0 = an order whose id could not be read
        line_id INTEGER NOT NULL,    -- 0 = the whole order
        kind TEXT NOT NULL,
        reason TEXT NOT NULL,
        since TEXT NOT NULL,
        dropped_at TEXT,             -- a person said it is dealt with
        PRIMARY KEY (order_id, line_id, kind)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE outbox (            -- something to say once
        key TEXT PRIMARY KEY,        -- made of facts: what is said about what
        channel TEXT NOT NULL,
        payload TEXT NOT NULL,
        state TEXT NOT NULL,         -- retry.State
        attempts INTEGER NOT NULL,
        next_attempt_at TEXT NOT NULL,
        lease INTEGER NOT NULL,
        sending_since TEXT,
        error TEXT NOT NULL,
        changed_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # serves: claim, oldest due message first
    "CREATE INDEX outbox_due ON outbox (next_attempt_at) WHERE state = 'due'",
    """
    CREATE TABLE cursors (           -- how far a poller has read, by the shop's clock
        name TEXT PRIMARY KEY,
        position TEXT NOT NULL,      -- all changes up to here are in the ledger
        walk_since TEXT,             -- a walk under way: its window,
        walk_started_at TEXT,        -- the shop's clock at its first page,
        walk_newest TEXT,            -- the newest change seen in it,
        walk_page INTEGER,           -- the last page recorded,
        walk_total INTEGER,          -- and how many orders the shop said there are
        polled_at TEXT               -- our clock at the last complete pass
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE services (          -- the shop and each LMS: who they are and how they do
        name TEXT PRIMARY KEY,
        identity TEXT NOT NULL,      -- '' until it first answered
        title TEXT NOT NULL,
        condition TEXT NOT NULL,     -- health.Condition
        since TEXT NOT NULL,
        failures INTEGER NOT NULL,
        retry_at TEXT,
        reason TEXT NOT NULL,
        checked_at TEXT              -- our clock when the identity was last confirmed
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE mirror (            -- per product field: the hash of what we last wrote, as the shop stored it
        product_id INTEGER NOT NULL,
        field TEXT NOT NULL,
        digest TEXT NOT NULL,
        pushed_at TEXT NOT NULL,
        PRIMARY KEY (product_id, field)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE audit (             -- append-only: who changed what, when; no addresses, no names
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,       -- 'order 1017', 'enrolment campus/42/9f…', 'service shop'
        detail TEXT NOT NULL
    ) STRICT
    """,
    # serves: the story of one subject
    "CREATE INDEX audit_of_subject ON audit (subject, id)",
    "CREATE TRIGGER audit_keeps BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit only grows'); END",
    "CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit only grows'); END",
)


@migrations()
def m001_the_spine(db: Database) -> None:
    for statement in _M001:
        db.conn.execute(statement)


_M002 = (
    # what a message is about, as in 'order 1017'; messages about one thing go out one after the other
    "ALTER TABLE outbox ADD COLUMN subject TEXT NOT NULL DEFAULT ''",
    # the first, second, … about its subject in its channel
    "ALTER TABLE outbox ADD COLUMN number INTEGER NOT NULL DEFAULT 0",
    # of what it says: the same again is not news
    "ALTER TABLE outbox ADD COLUMN digest TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE outbox ADD COLUMN created_at TEXT NOT NULL DEFAULT ''",
    "DROP INDEX outbox_due",
    # serves: claim, oldest due message of a channel first
    "CREATE INDEX outbox_due ON outbox (channel, next_attempt_at) WHERE state = 'due'",
    # serves: is a message of this channel leased; recover
    "CREATE INDEX outbox_leased ON outbox (channel) WHERE state = 'leased'",
    # serves: what was said last about a subject
    "CREATE INDEX outbox_of_subject ON outbox (channel, subject, number)",
    # serves: all enrolments that wait, longest first
    "CREATE INDEX enrolments_waiting ON enrolments (wished_at) WHERE state IN ('due', 'leased')",
)


@migrations()
def m002_messages(db: Database) -> None:
    for statement in _M002:
        db.conn.execute(statement)


_M003 = (
    """
    CREATE TABLE confirmations (     -- enrolments that an LMS accepted and has not shown yet
        lms TEXT NOT NULL,
        course_id TEXT NOT NULL,
        learner_key TEXT NOT NULL,
        since TEXT NOT NULL,         -- when it was accepted
        looks INTEGER NOT NULL,
        next_look_at TEXT NOT NULL,
        hint TEXT NOT NULL,          -- what a person should look at if it never shows
        PRIMARY KEY (lms, course_id, learner_key)
    ) STRICT, WITHOUT ROWID
    """,
    # serves: the next looks due at an LMS
    "CREATE INDEX confirmations_due ON confirmations (lms, next_look_at)",
)


@migrations()
def m003_confirmations(db: Database) -> None:
    for statement in _M003:
        db.conn.execute(statement)


_M004 = (
    """
    CREATE TABLE troubles (          -- what is or was wrong, and what people were told of it
        key TEXT NOT NULL,           -- made of facts: 'service/campus', 'dead/campus/42/9f…'
        occurrence INTEGER NOT NULL, -- the first, second, … time
        kind TEXT NOT NULL,          -- mappers.alerts.Kind
        grade INTEGER NOT NULL,      -- the highest that people were told of
        title TEXT NOT NULL,         -- one line; no address, no name of a person
        detail TEXT NOT NULL,
        advice TEXT NOT NULL,
        since TEXT NOT NULL,
        told_at TEXT,                -- when a message about it was last made; NULL = it waits for its batch
        gone_at TEXT,                -- not seen since then; until ended_at it may come back
        ended_at TEXT,               -- when it was called over
        PRIMARY KEY (key, occurrence)
    ) STRICT, WITHOUT ROWID
    """,
    # serves: what is not over yet
    "CREATE INDEX troubles_open ON troubles (key) WHERE ended_at IS NULL",
    # serves: when people were last told of a kind
    "CREATE INDEX troubles_told ON troubles (kind, told_at)",
    # serves: parked entries that nobody dealt with
    "CREATE INDEX parked_open ON parked (since) WHERE dropped_at IS NULL",
    # serves: messages given up
    "CREATE INDEX outbox_dead ON outbox (channel, changed_at) WHERE state = 'dead'",
)


@migrations()
def m004_troubles(db: Database) -> None:
    for statement in _M004:
        db.conn.execute(statement)


_M005 = (
    "DROP TABLE mirror",  # never written
    """
    CREATE TABLE mirror_fields (     -- one field of one product: what we wrote, and how it stands
        product_id INTEGER NOT NULL,
        field TEXT NOT NULL,         -- 'name', 'attributes:Author', 'meta:_level'
        sent TEXT NOT NULL,          -- digest of the canonical form of what we last wrote, '' = never
        stored TEXT NOT NULL,        -- digest of what the shop then held, exactly
        ours TEXT NOT NULL,          -- JSON list: members of a list that we put there
        known TEXT NOT NULL,         -- JSON list: members we ever wanted there
        pending TEXT NOT NULL,       -- as sent, of a write whose result is not known; '' = none
        pending_since TEXT,
        pending_ours TEXT NOT NULL,  -- JSON list
        rewrites INTEGER NOT NULL,   -- how often in a row the same was written again
        standing TEXT NOT NULL,      -- mappers.courses.marks.Standing
        standing_since TEXT NOT NULL, -- when it was first found so
        note TEXT NOT NULL,          -- why it stands so, for people
        changed_at TEXT NOT NULL,
        PRIMARY KEY (product_id, field)
    ) STRICT, WITHOUT ROWID
    """,
    # serves: what people should know of
    "CREATE INDEX mirror_standing ON mirror_fields (product_id, field) WHERE standing <> 'ours'",
    """
    CREATE TABLE mirror_courses (    -- courses of the mapping that an LMS has shown once
        lms TEXT NOT NULL,
        course_id TEXT NOT NULL,     -- as the mapping names it
        name TEXT NOT NULL,
        state TEXT NOT NULL,         -- course.CourseState
        seen_at TEXT NOT NULL,
        gone_since TEXT,             -- not to be seen since then
        PRIMARY KEY (lms, course_id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE mirror_pictures (   -- pictures of courses as last fetched
        url TEXT PRIMARY KEY,
        version TEXT NOT NULL,
        digest TEXT NOT NULL,        -- of the bytes
        changed_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE mirror_uploads (    -- which image of the shop holds which bytes
        digest TEXT PRIMARY KEY,
        image_id INTEGER NOT NULL,
        changed_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE mirror_drafts (     -- products made from courses
        lms TEXT NOT NULL,
        course_id TEXT NOT NULL,
        sku TEXT NOT NULL,
        product_id INTEGER,          -- NULL = not known to be there yet
        sending_since TEXT,
        changed_at TEXT NOT NULL,
        PRIMARY KEY (lms, course_id)
    ) STRICT, WITHOUT ROWID
    """,
)


@migrations()
def m005_mirror(db: Database) -> None:
    for statement in _M005:
        db.conn.execute(statement)


@migrations()
def m006_the_life_of_an_order(db: Database) -> None:
    for statement in M006:
        db.conn.execute(statement)


_M007 = (
    """
    CREATE TABLE origin (            -- that this file is, or was, a copy of a ledger; no row = it never was one
        id INTEGER PRIMARY KEY CHECK (id = 1),
        taken_at TEXT NOT NULL,      -- when the copy was taken: what came later is not in it
        restored_at TEXT,            -- when a daemon first worked on the copy; NULL = none did: it is a backup
        caught_up_at TEXT            -- when all that came between the two was looked up
    ) STRICT
    """,
)


@migrations()
def m007_copies(db: Database) -> None:
    for statement in _M007:
        db.conn.execute(statement)
