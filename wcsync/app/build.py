"""Making concrete things from a config: services, channels, rules."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from wcsync.cadence import Tempo
from wcsync.config import Config
from wcsync.config.sections import WebSettings
from wcsync.gate import SHOP, Answerer
from wcsync.http import Service
from wcsync.ledger.ledger import SqliteLedger
from wcsync.lms.base import Lms
from wcsync.lms.registry import KINDS
from wcsync.mappers.entitlements import Planner
from wcsync.mappers.mapping import Mapping, TargetKey
from wcsync.mappers.troubles import Part, Rules
from wcsync.model import LmsName, PlanOrder
from wcsync.notes import SERVICE as NOTES_SERVICE
from wcsync.notify.base import Channel
from wcsync.notify.heartbeat import Heartbeat
from wcsync.notify.web import WebCall
from wcsync.retry import Backoff
from wcsync.sale import Aftermath
from wcsync.store.base import Store
from wcsync.store.client import WooCommerce
from wcsync.times import Clock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WAY_SERVICE = "alert {}"
"""How messages and the ledger call a way to tell people. No LMS can have this name: it holds a blank."""
TURN_CALLS = 20
GRACE_S = 60.0
"""No turn of a worker, and none of a poller between two pages, is longer than so many calls that each take all the time
they may (twice the time-out), and what the ledger and a name server take besides."""
SILENT_CALLS = 3
"""Each call is a sign of life, and who waits for another's call gives some: no thread is silent for longer than one
takes. The others are for a throttle's waits, and for a machine that is short of breath."""
MAIL_TURNS, WEB_TURNS = 6, 2
"""So many time-outs a mail or a web call may take at the most."""
OVERDUE_S = 600.0
"""With five of the longest waits between two polls, whichever is more: so long the shop may stay unread."""
UNPROVEN_AFTER = timedelta(days=3)
"""So long the proof that no line is lost may not come about."""
STALE_S = 3 * 24 * 3600.0
"""With three times the mirror's own interval, whichever is more: so long course data may go without a good run."""


def plan_by(config: Config, mapping: Mapping, ledger: SqliteLedger) -> PlanOrder:
    return planner_by(config, mapping, ledger).plan


def planner_by(config: Config, mapping: Mapping, ledger: SqliteLedger) -> Planner:
    return Planner(
        mapping=mapping,
        paid_statuses=frozenset(config.orders.paid_statuses),
        identify=ledger.identify,
        endings=config.taking_back.endings,
        seats=config.learners.seats,
        never=frozenset(config.learners.never),
        zone=shop_zone(ledger),
    )


def shop_zone(ledger: SqliteLedger) -> str:
    """By whose calendar days are counted; '' until the shop has told."""
    return ledger.read_service(SHOP, EPOCH).zone  # the instant counts for nothing here


def tempo(config: Config) -> Tempo:
    orders = config.orders
    return Tempo(longest_s=orders.poll_every_s, duty=orders.duty_share, hot_s=orders.hot_s)


def build_backoff(config: Config) -> Backoff:
    retry = config.retry
    return Backoff(
        max_attempts=retry.max_attempts,
        first_delay_s=retry.first_delay_s,
        max_delay_s=retry.max_delay_s,
    )


def build_store(config: Config) -> WooCommerce:
    store = config.store
    return WooCommerce(
        url=store.url,
        consumer_key=store.consumer_key.reveal(),
        consumer_secret=store.consumer_secret.reveal(),
        auth=store.auth,
        ca_file=store.ca_file,
        timeout_s=store.timeout_s,
        page_size=config.orders.page_size,
        meta_keys=config.learners.meta_keys,
        ended=[status for status, after in config.taking_back.endings.items() if after is Aftermath.END],
    )


def build_lmss(config: Config) -> dict[LmsName, Lms]:
    return {LmsName(settings.name): KINDS[settings.kind].build(settings) for settings in config.lms}


def build_channels(config: Config, clock: Clock) -> list[Channel]:
    """The configured ways to tell people of trouble."""
    mail, instance, host = config.alerts.mail, instance_of(config), socket.gethostname()
    channels: list[Channel] = []
    if mail is not None:
        from wcsync.notify.mail import Mail  # noqa: PLC0415  the standard library's mails are 1 MB
        from wcsync.notify.smtp import Server  # noqa: PLC0415

        server = Server(
            name=WAY_SERVICE.format("mail"),
            host=mail.host,
            port=mail.port,
            security=mail.security,
            user=mail.user or "",
            password=mail.password.reveal() if mail.password else "",
            timeout_s=mail.timeout_s,
            ca_file=mail.ca_file,
        )
        channels.append(
            Mail(server=server, sender=mail.sender, to=mail.to, instance=instance, host=host, clock=clock)
        )
    return channels + [_web_call(web, instance, host, clock) for web in config.alerts.web]


def _web_call(web: WebSettings, instance: str, host: str, clock: Clock) -> WebCall:
    service = WAY_SERVICE.format(f"web {web.name}")
    return WebCall(
        name=f"web {web.name}",
        service=service,
        http=Service(service, timeout_s=web.timeout_s, ca_file=web.ca_file),
        url=web.url.reveal(),
        token=web.token.reveal() if web.token else "",
        token_header=web.token_header,
        signing_secret=web.signing_secret.reveal() if web.signing_secret else "",
        instance=instance,
        host=host,
        clock=clock,
    )


def build_rules(config: Config) -> Rules:
    """What people are told of, and when."""
    alerts = config.alerts
    names = (["mail"] if alerts.mail else []) + [f"web {web.name}" for web in alerts.web]
    ways = {name: WAY_SERVICE.format(name) for name in names}
    return Rules(
        kinds=frozenset(alerts.kinds),
        parts={SHOP: Part.SHOP}
        | ({NOTES_SERVICE: Part.NOTES} if config.notes.enabled else {})
        | {lms.name: Part.LMS for lms in config.lms}
        | dict.fromkeys(ways.values(), Part.WAY),
        ways=ways,
        after=timedelta(seconds=alerts.after_s),
        overdue=timedelta(seconds=max(OVERDUE_S, 5 * config.orders.poll_every_s)),
        quiet=timedelta(seconds=alerts.quiet_s),
        batch=timedelta(seconds=alerts.batch_s),
        stale=timedelta(seconds=max(STALE_S, 3 * config.course_sync.every_s))
        if config.course_sync.enabled
        else None,
        unproven=UNPROVEN_AFTER if config.reconcile.enabled else None,
        most=config.limits.most,
        share=config.limits.share,
        sparing=config.limits.sparing,
    )


def build_heartbeat(config: Config) -> Heartbeat | None:
    settings = config.heartbeat
    if settings.url is None:
        return None
    return Heartbeat(
        service=Service("heartbeat", timeout_s=settings.timeout_s, ca_file=settings.ca_file),
        url=settings.url.reveal(),
        method=settings.method,
        every_s=settings.every_s,
    )


def longest_turn_s(config: Config) -> float:
    """No turn of a worker or a poller takes longer, however slow the far sides are."""
    return _longest_s(config, TURN_CALLS)


def longest_silence_s(config: Config) -> float:
    """No thread that is at work gives no sign of life for longer."""
    return _longest_s(config, SILENT_CALLS)


def _longest_s(config: Config, calls: int) -> float:
    calls_s = 2 * calls * max(config.store.timeout_s, *(lms.timeout_s for lms in config.lms))
    mails_s = [MAIL_TURNS * config.alerts.mail.timeout_s] if config.alerts.mail else []
    webs_s = [WEB_TURNS * web.timeout_s for web in config.alerts.web]
    return max([calls_s, *mails_s, *webs_s]) + GRACE_S


def instance_of(config: Config) -> str:
    """How messages call the shop this installation serves."""
    return config.alerts.instance or urlsplit(config.store.url).netloc


def target_keys(config: Config) -> dict[LmsName, tuple[TargetKey, ...]]:
    return {LmsName(settings.name): KINDS[settings.kind].target_keys for settings in config.lms}


def ask_shop(store: Store) -> Callable[[], Answerer]:
    def ask() -> Answerer:
        identity = store.fetch_identity()
        return Answerer(
            identity=identity.url,
            title=identity.name,
            server_time=identity.server_time,
            zone=identity.zone,
        )

    return ask


def ask_lms(lms: Lms) -> Callable[[], Answerer]:
    def ask() -> Answerer:
        identity = lms.fetch_identity()
        return Answerer(identity=identity.identity, title=identity.title)

    return ask


def file_identity(path: Path) -> tuple[int, int] | None:
    """Which file a path names, whatever else happens to the name."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
