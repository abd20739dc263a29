"""360Learning."""

from wcsync.lms.threesixty.adapter import GUIDE, TARGET_KEYS, ThreeSixty, ThreeSixtySettings

__all__ = ["GUIDE", "TARGET_KEYS", "ThreeSixty", "ThreeSixtySettings"]
