"""Which parts of a product the mirror may write, and under which conditions."""

from enum import StrEnum

PREFIX = "_wcsync_"
"""All meta keys that begin so are ours alone."""


class Field(StrEnum):
    """A part of a product, named as in the config. The rest of a product is never written."""

    NAME = "name"
    DESCRIPTION = "description"
    SHORT_DESCRIPTION = "short_description"
    ATTRIBUTES = "attributes"
    TAGS = "tags"
    CATEGORIES = "categories"
    IMAGES = "images"
    META = "meta"


class Ownership(StrEnum):
    """Who has the last word on a field.

    `OFF`: people alone. `FILL`: written only while it is empty. `OWN_UNLESS_EDITED`: written as long as the shop still
    holds what we wrote; what people wrote or changed stays. `OWN`: the course alone; edits are overwritten.
    """

    OFF = "off"
    FILL = "fill"
    OWN_UNLESS_EDITED = "own-unless-edited"
    OWN = "own"


FOR_VARIATIONS = frozenset({Field.DESCRIPTION, Field.IMAGES, Field.META})
"""All that a variation has of its own; the rest is its parent's."""

SYNC = "sync"
"""In a mapping row: the ownership of all fields; `sync_name` and its like: of one."""
TEMPLATE = "template"
"""In a mapping row, as `template_description` and its like: how one field is made."""
WITH_TEMPLATE = (Field.NAME, Field.DESCRIPTION, Field.SHORT_DESCRIPTION, Field.TAGS, Field.CATEGORIES)
"""Made by one template; attributes and meta have one for each name, images none."""

_SHOPS_OWN = frozenset({
    "_backorders", "_button_text", "_children", "_crosssell_ids", "_default_attributes", "_download_expiry",
    "_download_limit", "_downloadable", "_downloadable_files", "_featured", "_file_paths",
    "_global_unique_id", "_height", "_length", "_low_stock_amount", "_manage_stock", "_product_attributes",
    "_product_image_gallery", "_product_url", "_product_version", "_purchase_note", "_regular_price",
    "_sku", "_sold_individually", "_thumbnail_id", "_upsell_ids", "_variation_description", "_virtual",
    "_visibility", "_weight", "_width", "total_sales",
})  # fmt: skip
_SHOPS_OWN_BEGIN = (
    "_price",
    "_sale_price",
    "_stock",
    "_tax_",
    "_wc_",
    "_wp_",
    "_edit_",
    "_oembed_",
    "attribute_",
    "pa_",
)


def changes_product(key: str) -> bool:
    """Whether WooCommerce or WordPress keep something of their own under this meta key: written as meta it would change
    a product's SKU, price, stock, image and the like behind their back. Upper and lower case are the same there.

    https://github.com/woocommerce/woocommerce/blob/trunk/plugins/woocommerce/includes/data-stores/class-wc-product-data-store-cpt.php
    """
    folded = key.strip().casefold()
    return folded in _SHOPS_OWN or folded.startswith(_SHOPS_OWN_BEGIN)
