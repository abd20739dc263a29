"""Looking at the terms of the mapping's rows: what they promise and cannot keep."""

from collections.abc import Callable, Iterator
from datetime import datetime

from wcsync.doctor.diagnosis import Diagnosis
from wcsync.errors import Finding, Severity
from wcsync.gate import SHOP
from wcsync.mappers.mapping import Mapping
from wcsync.mappers.mapping_terms import render_until
from wcsync.store.base import Store

NO_SUBSCRIPTIONS = Finding(
    code="no_subscriptions",
    message="access is sold with a subscription, but the shop has no subscriptions: it would never end",
    remedy="activate WooCommerce Subscriptions in the shop, or write days or until instead of with_subscription",
    severity=Severity.WARNING,
)


def examine_terms(
    store: Store, mapping: Mapping, zone: str, now: datetime, tell: Callable[[str], None]
) -> Iterator[Diagnosis]:
    """`zone`: the shop's. Asks it for its subscriptions, once, if a row needs them. Changes nothing.

    Raises: TransientError, ServiceBlocked.
    """
    yield from _past_ends(mapping, zone, now)
    lines = [row.source for row in mapping.rows if row.terms.access.with_subscription]
    if lines:
        tell("shop: whether it has subscriptions")
        page = next(iter(store.fetch_subscription_pages(now)), None)
        if page is not None and not page.offered:
            yield Diagnosis.of(SHOP, NO_SUBSCRIPTIONS, lines)


def _past_ends(mapping: Mapping, zone: str, now: datetime) -> Iterator[Diagnosis]:
    """Rows of the same end are told together."""
    past: dict[datetime, list[str]] = {}
    for row in mapping.rows:
        until, placed = row.terms.access.until, row.terms.access.placed(zone).until
        if until is not None and placed is not None and placed <= now:
            past.setdefault(until, []).append(row.source)
    for until, lines in past.items():
        finding = Finding(
            code="until_past",
            message=f"access until {render_until(until)} is over: whoever buys it now is not let in",
            remedy="write a later day, or ignore = true if it is not to be sold any more",
            severity=Severity.WARNING,
        )
        yield Diagnosis.of(SHOP, finding, lines)
