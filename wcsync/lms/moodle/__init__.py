"""Moodle."""

from wcsync.lms.moodle.adapter import GUIDE, TARGET_KEYS, Moodle, MoodleSettings

__all__ = ["GUIDE", "TARGET_KEYS", "Moodle", "MoodleSettings"]
