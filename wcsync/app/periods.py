"""How often each job asks whether there is something to do, and how long things may take."""

from datetime import timedelta

LEASE_LIMIT = timedelta(minutes=15)
"""With the longest turn there can be, whichever is more: no attempt takes so long, so nobody will settle the lease."""

TICK_S = 1.0
"""How often it is asked whether the shop is due to be looked at."""
BREATH_S = 0.01
"""How long a planning of many lines lets others write to the ledger between two batches."""
MAPPING_EVERY_S = 2.0
MAPPING_ABANDON_S = 5.0
"""How long a stop waits for a look at the mapping file: its folder may be a mount that went away."""
LEDGER_EVERY_S = 2.0
"""How often a ledger that failed is tried again."""
ALERTS_EVERY_S = COURSES_EVERY_S = 30.0
"""How often it is asked whether there is something to tell, or course data to be carried over."""
SUBSCRIPTIONS_EVERY_S = 5.0
"""How often it is asked whether subscriptions are due to be looked at."""
EXPIRY_EVERY_S = 30.0
"""How long after its end an access may last where the LMS does not end it by itself."""
RETENTION_EVERY_S = 3600.0
"""How often it is asked whether people are due to be forgotten."""
CATCHING_UP_EVERY_S = 5.0
"""How often a restored ledger is asked whether it has caught up."""
RECONCILE_EVERY_S = 60.0
"""How often it is asked whether the night's proof is due."""
