"""Who learns, what takes access back, the proof, how long people are remembered: the config's sections of it."""

import re
from datetime import time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from wcsync.config.section import DAY_S, Section
from wcsync.credentials import refusal
from wcsync.mappers.cells import find_hidden
from wcsync.mappers.entitlements import normalise_address, usable_address
from wcsync.mappers.text_file import render_quoted
from wcsync.sale import DELETED, Aftermath, SeatRule
from wcsync.store.meta_keys import EMAIL_KEYS, FIRST_NAME_KEYS, LAST_NAME_KEYS, MetaKeys

MOST_KEYS = 50
LONGEST_PATH = 200
LONGEST_LIFE_DAYS = 36_500

_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_DOMAIN = re.compile(r"@[^\s@.]+(\.[^\s@.]+)+")


def check_meta_key(key: str) -> str:
    if not key or key != key.strip() or find_hidden(key) or len(key) > LONGEST_PATH:
        raise refusal(
            "is no meta key", 'Write it as the shop keeps it, as in "_learner_email" or "learner.email".'
        )
    return key


def check_field_names(fields: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for name in fields:
        if not _FIELD_NAME.fullmatch(name):
            remedy = "Use a word of ASCII letters, digits and _, as in company."
            raise refusal(f"the field {render_quoted(name)} cannot be called so", remedy)
    return fields


def parse_unwanted(text: str) -> str:
    """An address as addresses are compared, or a domain with its @ in front."""
    entry = normalise_address(text)
    entry = entry if "@" in entry else f"@{entry}"
    if not find_hidden(entry) and (_DOMAIN.fullmatch(entry) or usable_address(entry)):
        return entry
    remedy = 'Write a whole address, "eve@example.com", or a domain, "@competitor.com".'
    raise refusal("is neither an e-mail address nor a domain", remedy)


def check_time_of_day(text: str) -> str:
    if not _TIME_OF_DAY.fullmatch(text):
        raise refusal("is no time of day", 'Write hours and minutes, as in "03:00".')
    return text


MetaPaths = Annotated[
    tuple[Annotated[str, AfterValidator(check_meta_key)], ...], Field(strict=False, max_length=MOST_KEYS)
]
FieldPaths = Annotated[dict[str, MetaPaths], Field(max_length=MOST_KEYS), AfterValidator(check_field_names)]
Unwanted = Annotated[tuple[Annotated[str, AfterValidator(parse_unwanted)], ...], Field(strict=False)]
TimeOfDay = Annotated[str, AfterValidator(check_time_of_day)]
After = Annotated[Aftermath, Field(strict=False)]

AFTER = "end (access ends), ask (a person decides first) or keep"


class LearnersSettings(Section):
    """Who learns."""

    email: MetaPaths = Field(
        default=EMAIL_KEYS,
        description="meta keys of lines and orders that hold the learner's address, the first that is filled counts; "
        "a dot leads into a value, * to each of several",
    )
    first_name: MetaPaths = Field(
        default=FIRST_NAME_KEYS,
        description="the same for the learner's first name",
    )
    last_name: MetaPaths = Field(
        default=LAST_NAME_KEYS,
        description="the same for the learner's last name",
    )
    fields: FieldPaths = Field(
        default_factory=dict,
        description="more that an LMS needs to know, by names of your own, and the meta keys it is in; "
        "see profile; absent: none",
    )
    seats: Annotated[SeatRule, Field(strict=False)] = Field(
        default=SeatRule.BUYER_ONCE,
        description="who gets the seats of a line with several: buyer-once, learners-in-meta or hold; rows may differ",
    )
    never: Unwanted = Field(
        default=(), description="addresses and domains whose owners are never enrolled; absent: none"
    )

    @property
    def meta_keys(self) -> MetaKeys:
        return MetaKeys(
            email=self.email, first_name=self.first_name, last_name=self.last_name, fields=self.fields
        )


class TakingBackSettings(Section):
    """What takes access back."""

    cancelled: After = Field(default=Aftermath.END, description=f"what a cancelled order means: {AFTER}")
    refunded: After = Field(
        default=Aftermath.END, description=f"what an order means that was refunded in full: {AFTER}"
    )
    failed: After = Field(default=Aftermath.END, description=f"what an order means that failed: {AFTER}")
    trash: After = Field(default=Aftermath.ASK, description=f"what an order in the trash means: {AFTER}")
    deleted: After = Field(
        default=Aftermath.ASK, description=f"what an order means that the shop has deleted: {AFTER}"
    )
    max_withdrawals: int = Field(
        default=25,
        ge=1,
        le=1_000_000,
        description="more withdrawals than this in 24 hours wait, all of them, for `wcsync withdrawals allow`",
    )
    max_withdrawals_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="the same as a share of all who are in: 0.1 is 10 %; five or fewer are always done",
    )

    @property
    def endings(self) -> dict[str, Aftermath]:
        """What each status does that may end seats."""
        return {
            "cancelled": self.cancelled,
            "refunded": self.refunded,
            "failed": self.failed,
            "trash": self.trash,
            DELETED: self.deleted,
        }


class SubscriptionsSettings(Section):
    """Subscriptions, if the shop has any."""

    every_s: float = Field(
        default=300.0, ge=60, le=DAY_S, description="seconds between two looks at the shop's subscriptions"
    )


class ReconcileSettings(Section):
    """The proof that no paid line is lost."""

    enabled: bool = Field(default=True, description="whether shop, ledger and LMS are compared every night")
    at: TimeOfDay = Field(default="03:00", description="when, by the shop's clock")
    look_back_days: int = Field(
        default=90, ge=1, le=LONGEST_LIFE_DAYS, description="how many days of orders are compared"
    )
    lms: Literal["all", "sample", "none"] = Field(
        default="sample", description="how many learners are looked up in their LMS: all, sample or none"
    )
    sample: int = Field(default=200, ge=1, le=1_000_000, description="how many a sample is")

    @property
    def time_of_day(self) -> time:
        """`at`, as a clock shows it."""
        return time.fromisoformat(self.at)


class RetentionSettings(Section):
    """How long people are remembered."""

    days: int = Field(
        default=1095,
        ge=1,
        le=LONGEST_LIFE_DAYS,
        description="days after the end of a learner's last access until name and address are erased here",
    )
