"""Moodle."""

from wcsync.lms.moodle.adapter import TARGET_KEYS, Moodle, MoodleSettings

__all__ = ["TARGET_KEYS", "Moodle", "MoodleSettings"]
