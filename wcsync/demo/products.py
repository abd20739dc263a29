"""The demo's products as a shop has them before wcsync comes: some with texts of people, some without a word."""

from collections.abc import Mapping
from typing import Any

from wcsync.sandbox.shop import SandboxShop

TEAM_SKU = "PY-TEAM"
TEAM_TITLE = "Python, ten seats for your team"
"""Another product of the same course."""

Texts = Mapping[str, Any]

FURNITURE: Mapping[str, Texts] = {
    "PY-101": {
        "price": "149.00",
        "attributes": {"Format": ["Online", "At your own pace"]},
        "tags": ["Coding"],
    },
    TEAM_SKU: {"price": "990.00", "short_description": "<p>For teams. <b>Ask us</b> about more seats.</p>"},
    "DE-A1": {"price": "89.50", "description": '<p>Unser Klassiker seit 2014.</p>\n[gallery ids="7"]'},
    "ES-DIS": {"price": "120", "meta": {"_yoast_wpseo_title": "Diseño | Demo Academy"}},
    "GDPR": {"price": "60.00", "short_description": "Everything you may not do."},
    "MUG-1": {"price": "12.00", "description": "<p>Holds 0.3 l.</p>", "virtual": False},
}
"""As `SandboxShop.add_product` takes them."""


def furnish(shop: SandboxShop, titles: Mapping[str, str]) -> dict[str, int]:
    """Each product's number by its SKU."""
    products = {
        sku: shop.add_product(title, sku=sku, **FURNITURE.get(sku, {})) for sku, title in titles.items()
    }
    shop.edit_product(products["ES-DIS"], images=[shop.add_image("Poster of 2019")], manage_stock=True)
    shop.edit_product(products["JA-KAN"], status="private", featured=True)
    return products
