"""Which kinds of LMS there are: one line each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wcsync.lms import moodle, threesixty
from wcsync.lms.base import Lms, LmsSettings
from wcsync.mappers.mapping import TargetKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`settings`: the keys of its `[[lms]]` section; `target_keys`: what a mapping row may say for it; `guide`: where
    its secrets come from, in the words of its own screens."""

    settings: type[LmsSettings]
    target_keys: tuple[TargetKey, ...]
    guide: str
    build: Callable[[Any], Lms]


KINDS: dict[str, Kind] = {
    "moodle": Kind(
        settings=moodle.MoodleSettings,
        target_keys=moodle.TARGET_KEYS,
        guide=moodle.GUIDE,
        build=moodle.Moodle,
    ),
    "360learning": Kind(
        settings=threesixty.ThreeSixtySettings,
        target_keys=threesixty.TARGET_KEYS,
        guide=threesixty.GUIDE,
        build=threesixty.ThreeSixty,
    ),
}
