"""How a mapping row can name a product, and which rows are about it. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from wcsync.course import StoredProduct
from wcsync.mappers.cells import describe_sku_damage, find_hidden
from wcsync.mappers.mapping_table import is_wildcard
from wcsync.mappers.text_file import render_quoted
from wcsync.model import Line, LineId, Product, ProductId

LONGEST_SKU = 100


def as_line(product: Product) -> Line:
    """The line an order would have if the product were bought: what a mapping matches."""
    return Line(
        line_id=LineId(1),
        product_id=product.parent_id or product.product_id,
        variation_id=product.product_id if product.parent_id else ProductId(0),
        sku=product.sku,
        name=product.name,
        quantity=Decimal(1),
    )


def line_of(product: StoredProduct) -> Line:
    """As `as_line`, of a product as it is stored."""
    return as_line(
        Product(
            product_id=product.product_id, parent_id=product.parent_id, sku=product.sku, name=product.name
        )
    )


def line_of_sku(sku: str) -> Line:
    """As `as_line`, of a product that is yet to get this SKU."""
    return as_line(Product(product_id=ProductId(0), sku=sku))


def described(product: Product) -> str:
    """As in `product 1017 "Curso de Python"`, short and with nothing invisible."""
    kind = "variation" if product.parent_id else "product"
    return f"{kind} {product.product_id}" + (f" {render_quoted(product.name)}" if product.name else "")


class Selectors:
    """Chooses how a row names each product of one shop."""

    def __init__(self, products: Iterable[Product]) -> None:
        self._with_sku = defaultdict[str, set[ProductId]](set)
        for product in products:
            self._with_sku[_folded(product.sku)].add(product.product_id)

    def choose(self, product: Product) -> tuple[str, str]:
        """The key and its value: the SKU where it names this product alone and survives a file, else the number.

        A product with variations is named by its number: orders hold the SKUs of the variations.
        """
        if not product.variation_ids and self._names_alone(product):
            return "sku", product.sku
        return ("variation_id" if product.parent_id else "product_id"), str(product.product_id)

    def _names_alone(self, product: Product) -> bool:
        return fits_row(product.sku) and len(self._with_sku[_folded(product.sku)]) == 1


def fits_row(sku: str) -> bool:
    """Whether a row can name a product by it: it survives a file, and stands for nothing but itself."""
    return (
        bool(sku)
        and sku == sku.strip(" \u00a0")
        and len(sku) <= LONGEST_SKU
        and not is_wildcard(sku)
        and find_hidden(sku) is None
        and describe_sku_damage(sku) is None
    )


def _folded(sku: str) -> str:
    return sku.strip().casefold()
