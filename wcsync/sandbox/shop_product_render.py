"""The sandbox shop's answers about products, as WooCommerce 9.9 writes them.

`related_ids` is always empty and `total_sales` 0. Shortcodes are shown as they are stored, in every context.
https://woocommerce.github.io/woocommerce-rest-api-docs/#product-properties
"""

from decimal import Decimal, InvalidOperation
from typing import Any

from wcsync.sandbox.shop_memory import CATEGORIES, TAGS, ShopMemory
from wcsync.sandbox.shop_shapes import ITEM_METHODS, Json, link, site_time
from wcsync.sandbox.shop_text import paragraphs, slug, typographic

EDIT, VIEW = "edit", "view"
NO_DATES = dict.fromkeys(
    ("date_on_sale_from", "date_on_sale_from_gmt", "date_on_sale_to", "date_on_sale_to_gmt")
)
STOCK = {"stock_quantity": None, "backorders": "no", "backorders_allowed": False, "backordered": False}
SIZE = {"weight": "", "dimensions": {"length": "", "width": "", "height": ""}}
NO_DOWNLOADS = {"downloadable": False, "downloads": [], "download_limit": -1, "download_expiry": -1}


class ProductRender:
    """Turns products into JSON values. `site_url` is the address the shop believes to have."""

    def __init__(self, memory: ShopMemory, site_url: str) -> None:
        self._memory = memory
        self._site = site_url
        self._api = f"{site_url}/wp-json/wc/v3"

    def product(self, product: Json, context: str = VIEW) -> Json:
        """A product as `/products` and `/products/<id>` show it, variations included."""
        children = self._children(product)
        edit = {
            "permalink_template": f"{self._site}/product/%pagename%/",
            "generated_slug": slug(product["name"]),
        }
        return {
            "id": product["id"],
            "name": product["name"],
            "slug": product["slug"],
            "permalink": self._permalink(product),
            **self._dates(product),
            "type": product["type"],
            "status": product["status"],
            "featured": product.get("featured", False),
            "catalog_visibility": product["catalog_visibility"],
            **_texts(product, context),
            "sku": self.sku(product),
            **_prices(product),
            "total_sales": 0,
            "virtual": product["virtual"],
            **NO_DOWNLOADS,
            "external_url": "",
            "button_text": "",
            "tax_status": "taxable",
            "tax_class": "",
            "manage_stock": product.get("manage_stock", False),
            **STOCK,
            "low_stock_amount": None,
            "sold_individually": False,
            **SIZE,
            "shipping_required": not product["virtual"],
            "shipping_taxable": not product["virtual"],
            "shipping_class": "",
            "shipping_class_id": 0,
            "reviews_allowed": True,
            "average_rating": "0",
            "rating_count": 0,
            "upsell_ids": [],
            "cross_sell_ids": [],
            "parent_id": product["parent_id"],
            "purchase_note": "",
            "categories": self._memory.terms[CATEGORIES].shown(product["categories"]),
            "brands": [],
            "tags": self._memory.terms[TAGS].shown(product["tags"]),
            "images": self._images(product),
            "attributes": _attributes(product),
            "default_attributes": [],
            "variations": children,
            "grouped_products": [],
            "menu_order": product.get("menu_order", 0),
            "price_html": _price_html(product.get("sale_price") or product["price"]),
            "related_ids": [],
            "meta_data": product["meta_data"],
            "stock_status": product.get("stock_status", "instock"),
            "has_options": bool(children),
            "post_password": "",
            "global_unique_id": "",
            **(edit if context == EDIT else {}),
            "_links": self._links(product),
        }

    def variation(self, variation: Json) -> Json:
        """A variation as `/products/<id>/variations` shows it: its name is the option alone.

        Its description is made into paragraphs and typographic quotes in every context, `edit` and the answer to a
        write included. Not recorded; WooCommerce's own source says so.
        """
        path = f"{self._api}/products/{variation['parent_id']}"
        images = self._images(variation)
        return {
            "id": variation["id"],
            "type": "variation",
            **self._dates(variation),
            "description": paragraphs(typographic(variation["description"])),
            "permalink": self._permalink(self._memory.products[variation["parent_id"]]),
            "sku": self.sku(variation),
            **_prices(variation),
            "status": variation["status"],
            "virtual": variation["virtual"],
            **NO_DOWNLOADS,
            "tax_status": "taxable",
            "tax_class": "",
            "manage_stock": variation.get("manage_stock", False),
            **STOCK,
            "low_stock_amount": None,
            "stock_status": variation.get("stock_status", "instock"),
            **SIZE,
            "shipping_class": "",
            "shipping_class_id": 0,
            "image": images[0] if images else None,
            "attributes": _attributes(variation),
            "menu_order": variation.get("menu_order", 0),
            "meta_data": variation["meta_data"],
            "name": variation["option"],
            "parent_id": variation["parent_id"],
            "_links": {
                "self": [link(f"{path}/variations/{variation['id']}", ITEM_METHODS)],
                "collection": [{"href": f"{path}/variations"}],
                "up": [{"href": path}],
            },
        }

    def term(self, kind: str, row: Json) -> Json:
        """A tag or category as its own list shows it."""
        members = [one for one in self._memory.products.values() if row["id"] in one[kind]]
        own: Json = {"description": ""}
        if kind == CATEGORIES:
            own = {"parent": 0, **own, "display": "default", "image": None, "menu_order": 0}
        path = f"{self._api}/products/{kind}"
        links = {
            "self": [link(f"{path}/{row['id']}", ITEM_METHODS)],
            "collection": [{"href": path}],
        }
        counted = sum(one["status"] == "publish" for one in members)
        return row | own | {"count": counted, "_links": links}

    def sku(self, product: Json) -> Any:
        """A variation without a SKU of its own shows its parent's."""
        parent = self._memory.products.get(product["parent_id"])
        return product["sku"] or (parent["sku"] if parent else product["sku"])

    def _children(self, product: Json) -> list[int]:
        if product["type"] != "variable":
            return []
        everything = self._memory.products.values()
        return sorted(one["id"] for one in everything if one["parent_id"] == product["id"])

    def _permalink(self, product: Json) -> str:
        if product["status"] == "publish":
            return f"{self._site}/product/{product['slug']}/"
        return f"{self._site}/?post_type=product&p={product['id']}"

    def _images(self, product: Json) -> list[Json]:
        return [self._image(one) for one in self._memory.media.known(product["images"])]

    def _image(self, image: Json) -> Json:
        """Its date in the site's time is ahead by the site's offset once more, as in the real shop."""
        zone = self._memory.timezone
        ahead = site_time(site_time(image["created"], zone), zone)
        return {
            "id": image["id"],
            "date_created": ahead,
            "date_created_gmt": image["created"],
            "date_modified": ahead,
            "date_modified_gmt": image["created"],
            "src": f"{self._site}/wp-content/uploads/{image['file']}",
            "name": image["name"],
            "alt": image["alt"],
        }

    def _dates(self, product: Json) -> Json:
        zone = self._memory.timezone
        return {
            "date_created": site_time(product["created"], zone),
            "date_created_gmt": product["created"],
            "date_modified": site_time(product["modified"], zone),
            "date_modified_gmt": product["modified"],
        }

    def _links(self, product: Json) -> Json:
        links: Json = {
            "self": [link(f"{self._api}/products/{product['id']}", ITEM_METHODS)],
            "collection": [{"href": f"{self._api}/products"}],
        }
        if product["parent_id"]:
            links["up"] = [{"href": f"{self._api}/products/{product['parent_id']}"}]
        return links


def _texts(product: Json, context: str) -> Json:
    """`edit` shows what is stored; `view` what a visitor gets."""
    description, short = product["description"], product["short_description"]
    if context == VIEW:
        description, short = paragraphs(description), paragraphs(typographic(short))
    return {"description": description, "short_description": short}


def _prices(product: Json) -> Json:
    sale = product.get("sale_price", "")
    return {
        "price": sale or product["price"],
        "regular_price": product["price"],
        "sale_price": sale,
        **NO_DATES,
        "on_sale": sale != "",
        "purchasable": product["price"] != "",
    }


def _price_html(price: Any) -> str:
    """As in a shop that sells in euros."""
    try:
        amount = f"{Decimal(price):,.2f}"
    except (InvalidOperation, TypeError, ValueError):
        return ""
    symbol = '<span class="woocommerce-Price-currencySymbol">&euro;</span>'
    return f'<span class="woocommerce-Price-amount amount"><bdi>{symbol}{amount}</bdi></span>'


def _attributes(product: Json) -> list[Json]:
    if product["type"] == "variation":
        name = product["attribute"]
        return [{"id": 0, "name": name, "slug": name.lower(), "option": product["option"]}]
    return [
        {
            "id": one["id"],
            "name": one["name"],
            "slug": f"pa_{slug(one['name'])}" if one["id"] else one["name"],
        }
        | {name: one[name] for name in ("position", "visible", "variation", "options")}
        for one in product["attributes"]
    ]
