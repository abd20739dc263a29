"""360Learning."""

from wcsync.lms.threesixty.adapter import TARGET_KEYS, ThreeSixty, ThreeSixtySettings

__all__ = ["TARGET_KEYS", "ThreeSixty", "ThreeSixtySettings"]
