"""The LMS side: one Protocol, one file per LMS, one registry."""
