"""The composition root: the one place that knows concrete classes."""

from wcsync.app.app import App, utc_now
from wcsync.app.build import (
    build_channels,
    build_lmss,
    build_store,
    instance_of,
    plan_by,
    target_keys,
)
from wcsync.app.revival import plan_of_today, revive

__all__ = [
    "App",
    "build_channels",
    "build_lmss",
    "build_store",
    "instance_of",
    "plan_by",
    "plan_of_today",
    "revive",
    "target_keys",
    "utc_now",
]
