"""One product of a shop as WooCommerce writes it, for the fake shop that is written to.

https://woocommerce.github.io/woocommerce-rest-api-docs/#product-properties
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]

_SITE = "https://shop.example.test"
_MADE, _MADE_GMT = "2026-01-01T09:00:00", "2026-01-01T08:00:00"
_TERM = {"id": 15, "name": "Uncategorized", "slug": "uncategorized"}
_ALLOW = {"allow": ["GET", "POST", "PUT", "PATCH", "DELETE"]}


def sku_of(number: int) -> str:
    return f"COURSE-{number:04d}"


def ware(number: int) -> Json:
    """A product that people have priced, and not yet described."""
    return {
        "id": number,
        "name": "",
        "slug": f"course-{number}",
        "permalink": f"{_SITE}/product/course-{number}/",
        "date_created": _MADE,
        "date_created_gmt": _MADE_GMT,
        "date_modified": _MADE,
        "date_modified_gmt": _MADE_GMT,
        "type": "simple",
        "status": "publish",
        "featured": False,
        "catalog_visibility": "visible",
        "description": "",
        "short_description": "",
        "sku": sku_of(number),
        **_prices(),
        **_delivery(),
        "reviews_allowed": True,
        "average_rating": "0",
        "rating_count": 0,
        "upsell_ids": [],
        "cross_sell_ids": [],
        "parent_id": 0,
        "purchase_note": "",
        "categories": [_TERM],
        "brands": [],
        "tags": [],
        "images": [],
        "attributes": [],
        "default_attributes": [],
        "variations": [],
        "grouped_products": [],
        "menu_order": 0,
        "price_html": '<span class="woocommerce-Price-amount amount"><bdi><span class="woocommerce-Price-currency'
        'Symbol">&euro;</span>49.90</bdi></span>',
        "related_ids": [],
        "meta_data": [],
        "stock_status": "instock",
        "has_options": False,
        "post_password": "",
        "global_unique_id": "",
        "permalink_template": f"{_SITE}/product/%pagename%/",
        "generated_slug": f"course-{number}",
    }


def changed(product: Json, patch: Mapping[str, Any], edition: int) -> Json:
    """What is stored after a write: texts as they came, meta by its key, attributes whole."""
    stored = product | {key: value for key, value in patch.items() if key not in {"attributes", "meta_data"}}
    if "attributes" in patch:
        stored["attributes"] = [_attribute(told) for told in patch["attributes"]]
    if "meta_data" in patch:
        stored["meta_data"] = _meta(product, patch["meta_data"])
    written = datetime(2026, 1, 2) + timedelta(seconds=edition)  # noqa: DTZ001 - as the shop writes it, naive
    return stored | {"date_modified": written.isoformat(), "date_modified_gmt": written.isoformat()}


def with_links(product: Json) -> Json:
    """As the answer to a write shows it."""
    api = f"{_SITE}/wp-json/wc/v3/products"
    me = [{"href": f"{api}/{product['id']}", "targetHints": _ALLOW}]
    return product | {"_links": {"self": me, "collection": [{"href": api}]}}


def _attribute(told: Mapping[str, Any]) -> Json:
    shown = {"position": 0, "visible": False, "variation": False, "options": []}
    return {"id": 0, "name": told["name"], "slug": told["name"]} | shown | dict(told)


def _meta(product: Json, told: list[Json]) -> list[Json]:
    """Ids are never given twice: those of product n begin at 100 n."""
    kept = {one["key"]: one for one in product["meta_data"]}
    free = max([100 * product["id"], *(one["id"] for one in kept.values())]) + 1
    for one in told:
        if one["value"] is None:
            kept.pop(one["key"], None)
            continue
        known = kept.get(one["key"])
        kept[one["key"]] = {"id": known["id"] if known else free, "key": one["key"], "value": one["value"]}
        free += known is None
    return list(kept.values())


def _prices() -> Json:
    dates = dict.fromkeys(f"date_on_sale_{end}{zone}" for end in ("from", "to") for zone in ("", "_gmt"))
    return {
        "price": "49.90",
        "regular_price": "49.90",
        "sale_price": "",
        **dates,
        "on_sale": False,
        "purchasable": True,
        "total_sales": 49,
    }


def _delivery() -> Json:
    return {
        "virtual": True,
        "downloadable": False,
        "downloads": [],
        "download_limit": -1,
        "download_expiry": -1,
        "external_url": "",
        "button_text": "",
        "tax_status": "taxable",
        "tax_class": "",
        "manage_stock": False,
        "stock_quantity": None,
        "backorders": "no",
        "backorders_allowed": False,
        "backordered": False,
        "low_stock_amount": None,
        "sold_individually": False,
        "weight": "",
        "dimensions": {"length": "", "width": "", "height": ""},
        "shipping_required": False,
        "shipping_taxable": False,
        "shipping_class": "",
        "shipping_class_id": 0,
    }
