"""The forms in which the sandbox shop stores a product's prices, attributes and meta values."""

import re
from collections.abc import Callable, Iterable, Mapping
from html import unescape
from typing import Any

from wcsync.sandbox.shop_errors import not_imitated
from wcsync.sandbox.shop_kses import plain
from wcsync.sandbox.shop_shapes import Json, words
from wcsync.sandbox.shop_text import slug

CORE_KEYS = words(
    "_visibility _regular_price _sale_price _sale_price_dates_from _sale_price_dates_to total_sales "
    "_tax_status _tax_class _manage_stock _stock _stock_status _backorders _low_stock_amount "
    "_sold_individually _weight _length _width _height _upsell_ids _crosssell_ids _purchase_note "
    "_default_attributes _product_attributes _virtual _downloadable _download_limit _download_expiry "
    "_featured _downloadable_files _wc_rating_count _wc_average_rating _wc_review_count "
    "_variation_description _thumbnail_id _file_paths _product_image_gallery _product_version "
    "_wp_old_slug _edit_last _edit_lock"
)
"""Meta keys behind which WooCommerce keeps a product's own fields; only `_sku` and `_price` were recorded."""


def stored_price(value: Any) -> str:
    """Digits, points and a minus sign; a comma is taken for a thousands separator."""
    return re.sub(r"[^0-9.-]", "", as_text(value))


def stored_attributes(sent: Iterable[Mapping[str, Any]], shop_wide: Mapping[int, str]) -> list[Json]:
    """The whole list, as sent but for what is no attribute; sorted by position, of one name the last.

    Shop-wide ones are kept by their taxonomies: one of the product's own may be called the same.
    """
    kept: dict[tuple[bool, str], Json] = {}
    for one in sent:
        attribute_id = int(one.get("id") or 0)
        name = shop_wide.get(attribute_id, "") if attribute_id else plain(str(one.get("name", "")))
        options = _options(one.get("options"), shop_wide=bool(attribute_id))
        if not name or (attribute_id and not options) or options is None:
            continue
        kept[bool(attribute_id), slug(name)] = {
            "id": attribute_id,
            "name": name,
            "position": abs(int(one.get("position") or 0)),
            "visible": bool(one.get("visible")),
            "variation": bool(one.get("variation")),
            "options": options,
        }
    return sorted(kept.values(), key=lambda one: int(one["position"]))


def _options(sent: Any, *, shop_wide: bool) -> list[str] | None:
    """`|` separates options, whatever list they came in; entities are undone when they are read."""
    if sent is None:
        return None
    texts = sent.split("|") if isinstance(sent, str) else [str(one) for one in sent]
    if not shop_wide:
        texts = unescape(" | ".join(texts)).split("|")
    return [text.strip() for text in texts if text.strip()]


class MetaDraft:
    """A product's meta values while they are being changed. `sku` is set where `_sku` was among them."""

    def __init__(self, kept: Iterable[Json]) -> None:
        self.rows: list[Json] = [dict(row) for row in kept]
        self.sku: str | None = None

    def put(self, entry: Mapping[str, Any]) -> None:
        """Same key or id updates in place, null deletes; an id that is not this product's makes a new one."""
        key, value = entry.get("key"), entry.get("value")
        if key in CORE_KEYS:
            raise not_imitated(f"writing {key} as a meta value")
        if key == "_sku":
            self.sku = "" if value is None else as_text(value)
        elif key != "_price":  # it is worked out from the other prices when the product is saved
            self._put(entry.get("id"), key, _value(value))

    def numbered(self, new_id: Callable[[], int]) -> list[Json]:
        """What is stored in the end."""
        rows = [row for row in self.rows if row["value"] is not None]
        return [{"id": row["id"] or new_id(), "key": row["key"], "value": row["value"]} for row in rows]

    def _put(self, meta_id: Any, key: str | None, value: Any) -> None:
        found = [row for row in self.rows if (row["id"] == meta_id if meta_id else row["key"] == key)]
        for row in found:
            row["value"] = None
        if found:
            found[0] |= {"key": found[0]["key"] if key is None else key, "value": value}
        elif key is None:
            raise not_imitated("a meta value without a key")
        else:
            self.rows = [row for row in self.rows if row["key"] != key]
            self.rows.append({"id": 0, "key": key, "value": value})


def _value(value: Any) -> Any:
    """Numbers and truth values come back as PHP writes them; lists and objects stay as they are."""
    return value if value is None or isinstance(value, str | list | dict) else as_text(value)


def as_text(value: Any) -> str:
    """A number or truth value as PHP writes it."""
    if isinstance(value, bool):
        return "1" if value else ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
