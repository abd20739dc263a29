"""The config file: sections, values, loading."""

from wcsync.config.course_sync import CourseSyncSettings
from wcsync.config.loading import DEFAULT_PATHS, Loaded, find_config, load_config
from wcsync.config.people import (
    LearnersSettings,
    ReconcileSettings,
    RetentionSettings,
    SubscriptionsSettings,
    TakingBackSettings,
)
from wcsync.config.sections import (
    Config,
    LedgerSettings,
    LogSettings,
    MappingSettings,
    OrdersSettings,
    RetrySettings,
    StoreSettings,
)

__all__ = [
    "DEFAULT_PATHS",
    "Config",
    "CourseSyncSettings",
    "LearnersSettings",
    "LedgerSettings",
    "Loaded",
    "LogSettings",
    "MappingSettings",
    "OrdersSettings",
    "ReconcileSettings",
    "RetentionSettings",
    "RetrySettings",
    "StoreSettings",
    "SubscriptionsSettings",
    "TakingBackSettings",
    "find_config",
    "load_config",
]
