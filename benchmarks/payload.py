"""A shop's orders as bytes: pages as WooCommerce writes them, whole and cut by `_fields`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

PRODUCTS = 40
COURSES = range(2, 2 + PRODUCTS)
"""Product n sells the n-th of these."""

_OPENING = datetime(2026, 1, 1, 8, 0)  # noqa: DTZ001 - as the shop writes it, naive UTC
_ORIGIN = (
    "source_type",
    "referrer",
    "utm_source",
    "utm_medium",
    "session_entry",
    "session_start_time",
    "session_pages",
    "session_count",
    "device_type",
    "user_agent",
)
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageBytes:
    """One page of orders, `whole` and `cut` to the fields that were asked for."""

    whole: bytes
    cut: bytes


def render_pages(sizes: Sequence[int], fields: str, first: int = 1) -> list[PageBytes]:
    """Pages of as many orders as `sizes` says, numbered through from `first`; the same every time."""
    pages = []
    for size in sizes:
        orders = [_order(number) for number in range(first, first + size)]
        pages.append(
            PageBytes(whole=php_json(orders), cut=php_json([cut(order, fields) for order in orders]))
        )
        first += size
    return pages


def page_sizes(orders: int, page_size: int) -> list[int]:
    full, rest = divmod(orders, page_size)
    return [page_size] * full + ([rest] if rest else [])


def cut(order: dict[str, Any], fields: str) -> dict[str, Any]:
    """What WordPress leaves of an order: parts of an object can be had, of a list only the whole."""
    kept: dict[str, Any] = {}
    for name in fields.split(","):
        top, _, part = name.partition(".")
        if part:
            kept.setdefault(top, {})[part] = order[top][part]
        else:
            kept[top] = order[top]
    return kept


def php_json(value: object) -> bytes:
    """As PHP writes it."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode()


def _order(number: int) -> dict[str, Any]:
    """Nine of ten are completed; three of ten have a second line; one of ten buyers comes back for more."""
    buyer = number if number % 10 else number // 10
    status = {3: "processing", 7: "refunded"}.get(number % 20, "completed")
    lines = list(_lines(number))
    created = _OPENING + timedelta(minutes=3 * number)
    return {
        "id": number,
        "parent_id": 0,
        "status": status,
        "currency": "EUR",
        "version": "9.9.5",
        "prices_include_tax": False,
        **_moments(created, paid=True, completed=status == "completed"),
        **{f"{kind}_{what}": "0.00" for kind in ("discount", "shipping") for what in ("total", "tax")},
        "cart_tax": "0.00",
        "total": f"{49.9 * len(lines):.2f}",
        "total_tax": "0.00",
        "customer_id": buyer,
        "order_key": f"wc_order_{number:013x}",
        "billing": {
            **_address(buyer),
            "email": f"buyer{buyer}@example.test",
            "phone": f"+34 600 {buyer:06d}",
        },
        "shipping": {**_address(buyer), "phone": ""},
        "payment_method": "stripe",
        "payment_method_title": "Tarjeta de crédito",
        "transaction_id": f"pi_{number:024x}",
        "customer_ip_address": "192.0.2.7",
        "customer_user_agent": _AGENT,
        "created_via": "checkout",
        "customer_note": "",
        "cart_hash": f"{number:032x}",
        "number": str(number),
        "meta_data": list(_meta(number)),
        "line_items": lines,
        "tax_lines": [],
        "shipping_lines": [],
        "fee_lines": [],
        "coupon_lines": [],
        "refunds": [{"id": 900_000 + number, "reason": "", "total": "-49.90"}]
        if status == "refunded"
        else [],
        "payment_url": f"https://shop.example.test/checkout/order-pay/{number}/?pay_for_order=true",
        "is_editable": False,
        "needs_payment": False,
        "needs_processing": True,
        "currency_symbol": "€",
        "_links": _links(number, buyer),
    }


def _moments(created: datetime, *, paid: bool, completed: bool) -> dict[str, str | None]:
    moments = {
        "date_created": created,
        "date_modified": created + timedelta(seconds=95),
        "date_paid": created + timedelta(seconds=40) if paid else None,
        "date_completed": created + timedelta(seconds=95) if completed else None,
    }
    texts = {}
    for name, moment in moments.items():
        texts[name] = (moment + timedelta(hours=1)).isoformat() if moment else None
        texts[f"{name}_gmt"] = moment.isoformat() if moment else None
    return texts


def _address(buyer: int) -> dict[str, str]:
    return {
        "first_name": f"Begoña {buyer}",
        "last_name": "Núñez O'Neil",
        "company": "",
        "address_1": f"Calle de Alcalá {buyer % 400}",
        "address_2": "3º izquierda",
        "city": "Málaga",
        "state": "MA",
        "postcode": f"290{buyer % 100:02d}",
        "country": "ES",
    }


def _lines(number: int) -> Iterator[dict[str, Any]]:
    for position in range(2 if number % 10 in {2, 5, 8} else 1):
        product = 1 + (number + position) % PRODUCTS
        yield {
            "id": 10 * number + position,
            "name": f"Diseño Gráfico, nivel {product}",
            "product_id": product,
            "variation_id": 0,
            "quantity": 1,
            "tax_class": "",
            "subtotal": "49.90",
            "subtotal_tax": "0.00",
            "total": "49.90",
            "total_tax": "0.00",
            "taxes": [],
            "meta_data": [],
            "sku": f"COURSE-{product:03d}",
            "price": 49.9,
            "image": {"id": "", "src": ""},
            "parent_name": None,
        }


def _meta(number: int) -> Iterator[dict[str, object]]:
    for position, name in enumerate(_ORIGIN):
        value = _AGENT if name == "user_agent" else "https://shop.example.test/"
        yield {"id": 20 * number + position, "key": f"_wc_order_attribution_{name}", "value": value}
    yield {"id": 20 * number + 18, "key": "_stripe_intent_id", "value": f"pi_{number:024x}"}
    yield {"id": 20 * number + 19, "key": "is_vat_exempt", "value": "no"}


def _links(number: int, buyer: int) -> dict[str, Any]:
    api = "https://shop.example.test/wp-json/wc/v3"
    allow = {"allow": ["GET", "POST", "PUT", "PATCH", "DELETE"]}
    return {
        "self": [{"href": f"{api}/orders/{number}", "targetHints": allow}],
        "collection": [{"href": f"{api}/orders"}],
        "email_templates": [{"embeddable": True, "href": f"{api}/orders/{number}/actions/email_templates"}],
        "customer": [{"href": f"{api}/customers/{buyer}"}],
    }
