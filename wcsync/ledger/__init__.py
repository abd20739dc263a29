"""The ledger: what the shop said, what was sold, what should be, what is. The only speaker of SQL."""
