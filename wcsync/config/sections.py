"""What a config says: one frozen model per section. A key's description is its comment in config.example.toml."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, SerializeAsAny, model_validator

from wcsync.config.course_sync import CourseSyncSettings
from wcsync.config.people import (
    LearnersSettings,
    ReconcileSettings,
    RetentionSettings,
    SubscriptionsSettings,
    TakingBackSettings,
)
from wcsync.config.section import DAY_S, Section
from wcsync.config.values import (
    CaFile,
    ConsumerKey,
    ConsumerSecret,
    FilePath,
    LedgerPath,
    MailAddress,
    Recipients,
    SecretUrl,
    ShopUrl,
    SigningSecret,
    Start,
    Statuses,
)
from wcsync.credentials import Secret, refusal
from wcsync.ledger.base import Limits
from wcsync.lms.base import LmsSettings
from wcsync.mappers.alerts import Kind
from wcsync.mappers.toml_lines import KeyPath
from wcsync.sale import Withdrawal


class StoreSettings(Section):
    """The WooCommerce shop."""

    url: ShopUrl = Field(description="the shop's address as in a browser, without /wp-json")
    consumer_key: ConsumerKey = Field(
        description="REST API key, permission Read/Write (Read will do without notes): ck_…"
    )
    consumer_secret: ConsumerSecret = Field(description="the secret that belongs to consumer_key: cs_…")
    auth: Literal["basic", "query"] = Field(
        default="basic",
        description="how keys are sent over https; query for a host that strips the Authorization header",
    )
    ca_file: CaFile | None = Field(
        default=None, description="private CA in PEM, if the shop's certificate needs one"
    )
    timeout_s: float = Field(default=30.0, gt=0, le=300, description="seconds to wait for one answer")
    identity_every_s: float = Field(
        default=600.0,
        ge=60,
        le=DAY_S,
        description="seconds between two checks that the same shop still answers at url",
    )


class OrdersSettings(Section):
    """How orders are read and worked off."""

    paid_statuses: Statuses = Field(
        default=("completed",),
        description="statuses that count as paid, without wc-; all but completed need a payment date as well",
    )
    poll_every_s: float = Field(
        default=60.0, ge=1, le=DAY_S, description="longest wait between two looks at the shop, in seconds"
    )
    duty_share: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="share of one of the shop's cores that looking may cost while nothing happens: 0.01 is 1 %",
    )
    hot_s: float = Field(
        default=120.0,
        ge=0,
        le=3600,
        description="seconds during which the shop is looked at often after an order came or changed; 0 = never",
    )
    overlap_s: float = Field(
        default=300.0,
        ge=1,
        le=7 * DAY_S,
        description="seconds that each look reaches back behind the last order seen",
    )
    start: Start = Field(
        default="now",
        description="where a new ledger begins to read: now, a date, or an instant with its zone",
    )
    workers: int = Field(default=4, ge=1, le=16, description="how many enrolments are worked on at a time")
    page_size: int = Field(default=100, ge=1, le=100, description="orders per page asked of the shop")

    @property
    def start_at(self) -> datetime | None:
        """`start` as an instant; None = now."""
        return None if self.start == "now" else self.start


class RetrySettings(Section):
    """How often and how long a failing enrolment is tried."""

    max_attempts: int = Field(
        default=12, ge=1, le=1000, description="failures after which it is given up as dead"
    )
    first_delay_s: float = Field(
        default=30.0, ge=1, le=DAY_S, description="seconds before the second try; doubles from try to try"
    )
    max_delay_s: float = Field(
        default=21600.0, ge=1, le=7 * DAY_S, description="longest wait between two tries, in seconds"
    )


class LedgerSettings(Section):
    """Where wcsync keeps what it knows."""

    path: LedgerPath = Field(
        default=Path("/var/lib/wcsync/ledger.db"),
        validate_default=True,
        description="the SQLite file of this shop, seen from this file's folder; in /etc/wcsync/SHOP/ by default "
        "/var/lib/wcsync-SHOP/ledger.db",
    )


class MappingSettings(Section):
    """Which product sells which courses."""

    path: FilePath = Field(
        default=Path("mapping.toml"),
        validate_default=True,
        description="a .toml or .csv file; a relative path begins at this file's folder",
    )


class NotesSettings(Section):
    """Private notes beside the orders in the shop."""

    enabled: bool = Field(
        default=True,
        description="whether an order gets a private note once its buyers are enrolled; needs a Read/Write key",
    )
    waiting_after_s: float = Field(
        default=900.0,
        ge=60,
        le=7 * DAY_S,
        description="seconds after which an order that still waits gets a note that says so",
    )


class MailSettings(Section):
    """Alerts by e-mail."""

    host: str = Field(pattern=r"^[A-Za-z0-9._:-]+$", description="the SMTP server that takes our mail")
    port: int = Field(default=587, ge=1, le=65535, description="its port: mostly 587 (starttls) or 465 (tls)")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="how the connection is secured; none for a server on this machine alone",
    )
    user: str | None = Field(default=None, description="login name, if the server wants one")
    password: Secret | None = Field(default=None, description="the password that belongs to user")
    sender: MailAddress = Field(description="the address that alerts come from")
    to: Recipients = Field(description="the addresses that alerts go to")
    timeout_s: float = Field(default=30.0, gt=0, le=300, description="seconds to wait for one answer")
    ca_file: CaFile | None = Field(
        default=None, description="private CA in PEM, if its certificate needs one"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise refusal("has only one of user and password", "Give both, or none.")
        if self.port == 465 and self.security != "tls":
            raise refusal("names port 465, which speaks TLS from the start", 'Set security = "tls".')
        return self


class WebSettings(Section):
    """Alerts as web calls."""

    name: str = Field(
        default="web",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$",
        description="how messages call it; each [[alerts.web]] needs its own",
    )
    url: SecretUrl = Field(
        description="where alerts are posted to; a secret, as whoever knows it can write there"
    )
    token: Secret | None = Field(
        default=None, description="sent along in token_header, if the far side wants one"
    )
    token_header: str = Field(
        default="Authorization",
        pattern=r"^[A-Za-z0-9-]+$",
        description="the header that holds token; in Authorization it is sent as a bearer",
    )
    signing_secret: SigningSecret | None = Field(
        default=None, description="signs each call as Standard Webhooks do; whsec_… or any text"
    )
    timeout_s: float = Field(default=10.0, gt=0, le=300, description="seconds to wait for one answer")
    ca_file: CaFile | None = Field(
        default=None, description="private CA in PEM, if its certificate needs one"
    )


class AlertsSettings(Section):
    """Who is told of trouble, and of what."""

    kinds: tuple[Annotated[Kind, Field(strict=False)], ...] = Field(
        default=tuple(Kind),
        strict=False,
        description="what people are told of; courses: the course mirror, dead: given up, parked: needs a person, "
        "message: notes given up",
    )
    instance: str | None = Field(
        default=None,
        min_length=1,
        max_length=80,
        description="how messages call this shop; its host if absent",
    )
    after_s: float = Field(
        default=300.0, ge=0, le=DAY_S, description="seconds a service may be down before people are told"
    )
    quiet_s: float = Field(
        default=300.0,
        ge=0,
        le=DAY_S,
        description="seconds a trouble must be gone before it is called over; grows if it comes back often",
    )
    batch_s: float = Field(
        default=900.0,
        ge=0,
        le=DAY_S,
        description="least seconds between two messages about dead, parked or message",
    )
    mail: MailSettings | None = Field(default=None, description="alerts by e-mail; absent: none")
    web: tuple[WebSettings, ...] = Field(
        default=(), strict=False, description="alerts as web calls; one section for each"
    )

    @property
    def wanted(self) -> bool:
        """Whether there is any way to tell people."""
        return self.mail is not None or bool(self.web)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({web.name for web in self.web}) < len(self.web):
            raise refusal("has two [[alerts.web]] of the same name", "Give each its own name.")
        return self


class HeartbeatSettings(Section):
    """A sign of life for a watchman elsewhere."""

    url: SecretUrl | None = Field(
        default=None,
        description="pinged after each successful look at the shop; a secret; absent: nothing is pinged",
    )
    method: Literal["GET", "POST", "HEAD"] = Field(default="GET", description="how the url is asked")
    every_s: float = Field(default=30.0, ge=1, le=DAY_S, description="least seconds between two pings")
    timeout_s: float = Field(default=5.0, gt=0, le=60, description="seconds to wait for the answer to a ping")
    ca_file: CaFile | None = Field(
        default=None, description="private CA in PEM, if its certificate needs one"
    )


class LogSettings(Section):
    """What is written to stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least grave lines that are written"
    )
    format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto is text on a terminal and json elsewhere"
    )


class Config(Section):
    """A whole config. `lms` has at least one section, each of its kind's own model; their names differ."""

    store: StoreSettings
    orders: OrdersSettings = Field(default_factory=OrdersSettings)
    learners: LearnersSettings = Field(default_factory=LearnersSettings)
    taking_back: TakingBackSettings = Field(default_factory=TakingBackSettings)
    subscriptions: SubscriptionsSettings = Field(default_factory=SubscriptionsSettings)
    retry: RetrySettings = Field(default_factory=RetrySettings)
    lms: tuple[SerializeAsAny[LmsSettings], ...] = Field(min_length=1)
    ledger: LedgerSettings = Field(default_factory=LedgerSettings)
    mapping: MappingSettings = Field(default_factory=MappingSettings)
    course_sync: CourseSyncSettings = Field(default_factory=CourseSyncSettings)
    notes: NotesSettings = Field(default_factory=NotesSettings)
    alerts: AlertsSettings = Field(default_factory=AlertsSettings)
    heartbeat: HeartbeatSettings = Field(default_factory=HeartbeatSettings)
    reconcile: ReconcileSettings = Field(default_factory=ReconcileSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @property
    def limits(self) -> Limits:
        """Of withdrawals. An LMS whose section says `keep` or `ask` makes no mass of them."""
        taking_back, gentle = self.taking_back, {Withdrawal.KEEP, Withdrawal.ASK}
        return Limits(
            most=taking_back.max_withdrawals,
            share=taking_back.max_withdrawals_share,
            sparing=frozenset(lms.name for lms in self.lms if lms.on_withdraw in gentle),
        )

    def secrets(self) -> tuple[str, ...]:
        """Every secret's value, so that the log can take it out of its lines."""
        return tuple(secret.reveal() for _, secret in self.secret_keys())

    def secret_keys(self) -> Iterator[tuple[KeyPath, Secret]]:
        """Every secret with the key that holds it."""
        yield from _find_secrets(self, ())


def _find_secrets(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, Secret]]:
    match value:
        case Secret():
            yield path, value
        case BaseModel():
            for name in type(value).model_fields:
                yield from _find_secrets(getattr(value, name), (*path, name))
        case dict():
            for key, item in value.items():
                yield from _find_secrets(item, (*path, str(key)))
        case list() | tuple():
            for number, item in enumerate(value):
                yield from _find_secrets(item, (*path, number))
