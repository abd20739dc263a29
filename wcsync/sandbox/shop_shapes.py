"""The shapes the sandbox shop keeps in memory."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Json = dict[str, Any]

SHIPPING_FIELDS = (
    "first_name",
    "last_name",
    "company",
    "address_1",
    "address_2",
    "city",
    "state",
    "postcode",
    "country",
    "phone",
)
ITEM_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
BILLING_FIELDS = (*SHIPPING_FIELDS[:-1], "email", "phone")


def blank_order(order_id: int, when: str) -> Json:
    """An order of nothing by nobody, completed, unpaid, created and changed at `when`."""
    key = hashlib.sha256(f"order {order_id}".encode()).hexdigest()[:13]
    return {
        "id": order_id,
        "status": "completed",
        "currency": "EUR",
        "total": "0.00",
        "customer_id": 0,
        "order_key": f"wc_order_{key}",
        "billing": dict.fromkeys(BILLING_FIELDS, ""),
        "shipping": dict.fromkeys(SHIPPING_FIELDS, ""),
        "payment_method": "",
        "payment_method_title": "",
        "transaction_id": "",
        "created_via": "checkout",
        "customer_note": "",
        "meta_data": [],
        "line_items": [],
        "date_created_gmt": when,
        "date_modified_gmt": when,
        "date_completed_gmt": None,
        "date_paid_gmt": None,
    }


def gmt_text(instant: datetime) -> str:
    """Whole seconds of UTC, as the shop's tables keep them."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def read_zone(name: str) -> tzinfo:
    """A zone by its IANA name, or a fixed offset as in `+05:30`."""
    if name[:1] not in {"+", "-"}:
        return ZoneInfo(name)
    hours, _, minutes = name[1:].partition(":")
    ahead = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-ahead if name[0] == "-" else ahead)


def site_time(gmt: str | None, zone: tzinfo) -> str | None:
    """UTC seconds as the wall clock of `zone` showed them, without a zone."""
    if gmt is None:
        return None
    instant = datetime.fromisoformat(gmt).replace(tzinfo=UTC)
    return instant.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")


def link(href: str, methods: list[str]) -> Json:
    """A link as WordPress writes it, with what may be done there."""
    return {"href": href, "targetHints": {"allow": methods}}


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def money(amount: Decimal) -> str:
    return str(amount.quantize(Decimal("0.01")))
