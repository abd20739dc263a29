"""The composition root: the one place that knows concrete classes."""

from wcsync.app.app import App, revive, utc_now
from wcsync.app.build import (
    REMOTE_ERRORS,
    build_channels,
    build_lmss,
    build_store,
    instance_of,
    plan_by,
    target_keys,
)

__all__ = [
    "REMOTE_ERRORS",
    "App",
    "build_channels",
    "build_lmss",
    "build_store",
    "instance_of",
    "plan_by",
    "revive",
    "target_keys",
    "utc_now",
]
