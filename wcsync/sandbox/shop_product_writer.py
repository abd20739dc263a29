"""How the sandbox shop's REST API writes products and variations: what is checked, and what is stored.

A write alone is checked against the schema; one in a batch is not, and what is wrong there does what it does in PHP.
https://woocommerce.github.io/woocommerce-rest-api-docs/#update-a-product
"""

from collections.abc import Mapping
from typing import Any

from wcsync.sandbox.shop_errors import PhpFatal, Problems, ShopError, not_imitated
from wcsync.sandbox.shop_kses import kses, plain, stored_html
from wcsync.sandbox.shop_media import ImageRefused
from wcsync.sandbox.shop_memory import CATEGORIES, TAGS, UNCATEGORIZED
from wcsync.sandbox.shop_product_values import MetaDraft, as_text, stored_attributes, stored_price
from wcsync.sandbox.shop_shapes import Json, words
from wcsync.sandbox.shop_shelf import TEXTS, TRASH_SLUG
from wcsync.sandbox.shop_state import ShopState

STATUSES = ("draft", "pending", "private", "publish", "future", "auto-draft", "trash")
TYPES = ("simple", "grouped", "external", "variable")
VISIBILITIES = ("visible", "catalog", "search", "hidden")
CHOICES = {"type": TYPES, "status": STATUSES, "catalog_visibility": VISIBILITIES}
STRINGS = (*TEXTS, "sku", "regular_price", "type", "status", "catalog_visibility")
LISTS = ("attributes", TAGS, CATEGORIES, "images", "meta_data")
OF_VARIATIONS = {"description", "sku", "regular_price", "status", "meta_data"}
UNWRITABLE = words(
    "slug date_created date_created_gmt featured sale_price date_on_sale_from date_on_sale_from_gmt "
    "date_on_sale_to date_on_sale_to_gmt downloadable downloads download_limit download_expiry "
    "external_url button_text tax_status tax_class manage_stock stock_quantity stock_status backorders "
    "low_stock_amount sold_individually weight dimensions shipping_class reviews_allowed upsell_ids "
    "cross_sell_ids parent_id purchase_note default_attributes grouped_products post_password "
    "global_unique_id brands menu_order"
)


class ProductWriter:
    """Applies what was sent to a product, all of it or nothing; only images already fetched and new tags stay."""

    def __init__(self, state: ShopState) -> None:
        self._state = state

    def create(self, sent: Mapping[str, Any]) -> Json:
        """Published, if it does not say otherwise. Raises ShopError."""
        changes = self._read(None, sent)
        product = self._state.new_product()
        product["categories"] = [self._state.terms[CATEGORIES].ensure(UNCATEGORIZED)]
        self._apply(product, changes)
        product["slug"] = self._state.free_slug(product)
        return product

    def update(self, product: Json, sent: Mapping[str, Any]) -> Json:
        """Any write counts as a change, even of nothing. Raises ShopError."""
        if product["type"] == "variation":
            raise ShopError(
                404,
                "woocommerce_rest_invalid_product_id",
                "To manipulate product variations you should use the "
                "/products/&lt;product_id&gt;/variations/&lt;id&gt; endpoint.",
            )
        self._apply(product, self._read(product, sent))
        return product

    def update_variation(self, variation: Json, sent: Mapping[str, Any]) -> Json:
        """Description, image, SKU, price, status, meta values. Not recorded; WooCommerce's documentation and source.

        Of the description no backslash is eaten; without `id` and `src` the image is taken away.
        """
        for name in {"attributes", "virtual", *UNWRITABLE} & sent.keys():
            raise not_imitated(f"writing {name} of a variation")
        known = {name: value for name, value in sent.items() if name in OF_VARIATIONS}
        changes = self._read(variation, known)
        if "description" in changes:
            changes["description"] = kses(_string(known["description"]))
        if sent.get("image") is not None:
            changes["images"] = self._one_image(sent["image"])
        self._apply(variation, changes)
        return variation

    def _read(self, product: Json | None, sent: Mapping[str, Any]) -> Json:
        """The stored form of all that was sent; null is as not sent."""
        given = {name: value for name, value in sent.items() if value is not None}
        for name in UNWRITABLE & given.keys():
            raise not_imitated(f"writing {name} of a product")
        changes: Json = {name: stored_html(_string(given[name])) for name in TEXTS if name in given}
        changes |= {name: given[name] for name in ("type", "catalog_visibility", "virtual") if name in given}
        if "status" in given:
            changes["status"] = _status(product, given["status"])
        if "regular_price" in given:
            changes["price"] = stored_price(_scalar(given["regular_price"]))
        self._read_lists(given, changes)
        self._read_meta(product, given, changes)
        if "sku" in given:
            changes["sku"] = plain(_string(given["sku"]))
        self._check_sku(product, changes.get("sku", ""))
        return changes

    def _read_lists(self, given: Json, changes: Json) -> None:
        for name in LISTS:
            if not all(isinstance(one, Mapping) for one in _list(given.get(name, []))):
                raise not_imitated(f"{name} whose members are no objects")
        if "attributes" in given:
            changes["attributes"] = stored_attributes(given["attributes"], self._state.attributes)
        if CATEGORIES in given:
            categories = self._state.terms[CATEGORIES]
            ids = categories.known(one.get("id") for one in given[CATEGORIES])
            changes[CATEGORIES] = ids or [categories.ensure(UNCATEGORIZED)]
        if TAGS in given:
            tags = self._state.terms[TAGS]
            ids = [tags.ensure(one["name"]) if "name" in one else one.get("id") for one in given[TAGS]]
            changes[TAGS] = tags.known(ids)
        if "images" in given:
            changes["images"] = [self._image(one, "product") for one in given["images"] if one]

    def _read_meta(self, product: Json | None, given: Json, changes: Json) -> None:
        draft = MetaDraft(product["meta_data"] if product else ())
        for entry in given.get("meta_data", []):
            draft.put(entry)
        changes["meta_data"] = draft.numbered(self._state.new_meta_id)
        if draft.sku is not None:
            changes["sku"] = draft.sku

    def _one_image(self, sent: Any) -> list[int]:
        if not isinstance(sent, Mapping) or not (sent.get("id") or "src" in sent):
            return []
        return [self._image(sent, "variation")]

    def _image(self, sent: Mapping[str, Any], what: str) -> int:
        try:
            return self._state.media.take(sent)
        except ImageRefused as refused:
            problem = "invalid_image_id" if refused.unknown_id else "image_upload_error"
            raise ShopError(400, f"woocommerce_{what}_{problem}", str(refused)) from refused

    def _check_sku(self, product: Json | None, sku: str) -> None:
        """Case does not make another SKU. One that hides in the trash is found by the table's own index only."""
        if not sku:
            return
        others = [one for one in self._state.products.values() if one is not product and one["sku"]]
        found = [one for one in others if one["sku"].casefold() == sku.casefold()]
        living = [one for one in found if one["status"] != "trash"]
        if living:
            taken = {one["sku"].casefold() for one in others}
            free = (f"{sku}-{number}" for number in range(1, len(taken) + 2))
            unique = next(one for one in free if one.casefold() not in taken)
            details = {"status": 400, "resource_id": living[0]["id"], "unique_sku": unique}
            raise ShopError(400, "product_invalid_sku", "Invalid or duplicated SKU.", details=details)
        if found and product is not None:
            raise not_imitated("giving a product the SKU of one in the trash")
        if found:
            message = f"The product with SKU ({sku}) you are trying to insert is already present in the lookup table"
            raise ShopError(400, "woocommerce_rest_product_not_created", message)

    def _apply(self, product: Json, changes: Json) -> None:
        if product["status"] == "trash" and changes.get("status", "trash") != "trash":
            product["slug"] = product["slug"].removesuffix(TRASH_SLUG)
            marks = [row for row in changes["meta_data"] if row["key"] != "_wp_desired_post_slug"]
            changes["meta_data"] = marks
        product |= changes | {"modified": self._state.now()}


def check_product(sent: Mapping[str, Any]) -> None:
    """What the schema asks of a write that comes alone. Raises ShopError 400 with every field that is wrong."""
    problems = Problems()
    for name in STRINGS:
        if name in sent and not isinstance(sent[name], str):
            problems.add_wrong_type(name, "string")
        elif name in CHOICES and name in sent and sent[name] not in CHOICES[name]:
            *most, last = CHOICES[name]
            problems.add(name, "rest_not_in_enum", f"{name} is not one of {', '.join(most)}, and {last}.")
    for name in LISTS:
        if name in sent and not isinstance(sent[name], list):
            problems.add_wrong_type(name, "array")
    if "virtual" in sent and sent["virtual"] not in {True, False, "true", "false", "1", "0"}:
        problems.add_wrong_type("virtual", "boolean")
    problems.raise_if_any()


def _status(product: Json | None, status: Any) -> str:
    """Whatever WordPress does not know makes a draft of it."""
    known = isinstance(status, str) and status in STATUSES
    if status == "trash" and (product is None or product["status"] != "trash"):
        raise not_imitated("trashing a product by its status")
    return str(status) if known else "draft"


def _string(value: Any) -> str:
    return as_text(_scalar(value))


def _scalar(value: Any) -> Any:
    """PHP takes a number for a text, and dies of a list."""
    if isinstance(value, list | dict):
        raise PhpFatal
    return value


def _list(value: Any) -> Any:
    if not isinstance(value, list):
        raise not_imitated("a text where a list belongs")
    return value
