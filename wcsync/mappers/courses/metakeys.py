"""Which meta keys change a product itself, so that no mirror may write them. Pure.

WooCommerce keeps a product's price, stock, SKU and the like as meta, and takes some of them from a request's meta as
well: `_sku` written so changes the SKU.
https://github.com/woocommerce/woocommerce/blob/trunk/plugins/woocommerce/includes/data-stores/class-wc-product-data-store-cpt.php
"""

from wcsync.mappers.courses.fields import PREFIX

_PREFIXES = (
    "_product_",
    "_stock",
    "_price",
    "_regular_price",
    "_sale_price",
    "_tax_",
    "_edit_",
    "_wp_",
    "_wc_",
    "_download",
    "_subscription_",
    "_cogs_",
    "attribute_",
)
_KEYS = frozenset({
    "_sku", "_global_unique_id", "_thumbnail_id", "_visibility", "_virtual", "_featured", "_manage_stock",
    "_backorders", "_low_stock_amount", "_sold_individually", "_weight", "_length", "_width", "_height",
    "_upsell_ids", "_crosssell_ids", "_children", "_default_attributes", "_purchase_note", "_file_paths",
    "_variation_description", "_button_text", "_min_variation_price", "_max_variation_price", "total_sales",
})  # fmt: skip

LONGEST_KEY = 255
"""Letters that WordPress keeps of a meta key."""


def is_protected(key: str) -> bool:
    """Whether writing this key could change what a product is, costs, or how many there are.

    MySQL compares keys without regard to case, accents and blanks at their end.
    """
    folded = key.strip().casefold()
    return not folded.startswith(PREFIX) and (folded in _KEYS or folded.startswith(_PREFIXES))
