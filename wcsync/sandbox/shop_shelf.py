"""What a merchant does to the sandbox shop's products."""

import copy
import itertools
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from wcsync.sandbox.shop_kses import stored_html
from wcsync.sandbox.shop_memory import CATEGORIES, TAGS, UNCATEGORIZED, ShopMemory
from wcsync.sandbox.shop_product_values import MetaDraft, stored_attributes
from wcsync.sandbox.shop_shapes import Json
from wcsync.sandbox.shop_text import slug

Amount = Decimal | str | float | int
Attributes = Mapping[str, Sequence[str]] | Sequence[Mapping[str, Any]]
"""Name → options, visible to all; or the entries of the REST API's list."""

TEXTS = ("name", "description", "short_description")
TRASH_SLUG = "__trashed"


class Shelf(ShopMemory):
    """Products are kept as they are stored: `tags`, `categories`, `images` as ids, texts as `context=edit` shows them.

    Every method is thread-safe and happens at `clock()`.
    """

    def add_product(
        self,
        name: str,
        *,
        sku: str = "",
        product_id: int | None = None,
        price: Amount = "19.90",
        kind: str = "simple",
        status: str = "publish",
        virtual: bool = True,
        categories: Iterable[str] = (UNCATEGORIZED,),
        tags: Iterable[str] = (),
        description: str = "",
        short_description: str = "",
        attributes: Attributes = (),
        images: Iterable[int] = (),
        meta: Mapping[str, Any] | None = None,
        unfiltered: bool = False,
    ) -> int:
        """A new product, virtual as courses are; answers its id. `images`: ids of `add_image`.

        Texts are stored as the admin screen stores a shop manager's. `unfiltered`: as an administrator's or an
        import's, which WordPress takes as they are.
        """
        with self.lock:
            product = self.new_product(sku=sku, price=str(price), product_id=product_id)
            product |= {"type": kind, "status": status, "virtual": virtual}
            texts = {"name": name, "description": description, "short_description": short_description}
            lists = {"categories": categories, "tags": tags, "attributes": attributes, "images": images}
            self._store(product, {**texts, **lists, "meta": meta or {}}, unfiltered=unfiltered)
            product["slug"] = self.free_slug(product)
            return int(product["id"])

    def add_variation(
        self,
        product_id: int,
        option: str,
        *,
        sku: str = "",
        attribute: str = "Nivel",
        variation_id: int | None = None,
        price: Amount = "19.90",
        description: str = "",
        image: int | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> int:
        """One choice of a product, which becomes a variable one; answers the variation's id."""
        with self.lock:
            parent = self.products[product_id]
            parent["type"] = "variable"
            _offer(parent["attributes"], attribute, option)
            variation = self.new_product(sku=sku, price=str(price), product_id=variation_id)
            variation |= {
                "type": "variation",
                "parent_id": product_id,
                "option": option,
                "attribute": attribute,
                "name": f"{parent['name']} - {option}",
                "virtual": True,
            }
            images = () if image is None else (image,)
            self._store(variation, {"description": description, "images": images, "meta": meta or {}})
            return int(variation["id"])

    def add_image(self, name: str, *, alt: str = "") -> int:
        """An image in the media library, which no product shows yet; answers its id."""
        with self.lock:
            return self.media.add(name, alt=alt)

    def delete_image(self, image_id: int) -> None:
        """Out of the media library, and so out of every product."""
        with self.lock:
            del self.media.rows[image_id]

    def delete_term(self, kind: str, name: str) -> None:
        """A tag or category (`tags`, `categories`) is deleted, and so gone from every product."""
        with self.lock:
            term_id = self.terms[kind].find(name)
            assert term_id is not None, f"no {kind} called {name!r}"
            del self.terms[kind].rows[term_id]

    def add_attribute(self, name: str) -> int:
        """An attribute of the whole shop, for `{"id": …, "options": […]}` in a product's list; answers its id."""
        with self.lock:
            attribute_id = self._take_id("attribute")
            self.attributes[attribute_id] = name
            return attribute_id

    def edit_product(self, product_id: int, *, unfiltered: bool = False, **changes: Any) -> None:
        """A merchant's edit on the admin screen. Orders show the new SKU, old ones too, but keep the name.

        Texts, `attributes`, `tags`, `categories` and `images` as in `add_product`, each replacing the whole; of `meta`
        the keys that are named, None takes one away. All else is stored as it is.
        """
        with self.lock:
            product = self.products[product_id]
            self._store(product, changes, unfiltered=unfiltered)
            product["modified"] = self.now()

    def trash_product(self, product_id: int) -> None:
        with self.lock:
            product = self.products[product_id]
            left = [("status", product["status"]), ("time", str(int(self.clock().timestamp())))]
            marks = {f"_wp_trash_meta_{name}": value for name, value in left}
            self.edit_product(
                product_id, status="trash", meta=marks | {"_wp_desired_post_slug": product["slug"]}
            )
            product["slug"] += TRASH_SLUG

    def delete_product_for_good(self, product_id: int) -> None:
        """Its order lines lose product id and SKU, and keep their name."""
        with self.lock:
            gone = {
                key for key, product in self.products.items() if product_id in {key, product["parent_id"]}
            }
            for key in gone:
                del self.products[key]

    def product_meta(self, product_id: int) -> dict[str, Any]:
        """Its meta values by key, as they are stored."""
        with self.lock:
            return {row["key"]: copy.deepcopy(row["value"]) for row in self.products[product_id]["meta_data"]}

    @property
    def uploads(self) -> int:
        """How many image files the shop ever fetched."""
        return self.media.uploads

    def new_product(self, *, sku: str = "", price: str = "", product_id: int | None = None) -> Json:
        """A simple, published product of nothing."""
        product: Json = {
            "id": self._take_id("post", product_id),
            "slug": "",
            "sku": sku,
            "price": price,
            "type": "simple",
            "status": "publish",
            "parent_id": 0,
            "virtual": False,
            "catalog_visibility": "visible",
            "categories": [],
            "tags": [],
            "images": [],
            "attributes": [],
            "meta_data": [],
            "created": self.now(),
            "modified": self.now(),
        } | dict.fromkeys(TEXTS, "")
        self.products[product["id"]] = product
        return product

    def new_meta_id(self) -> int:
        return self._take_id("meta")

    def free_slug(self, product: Json) -> str:
        """The product's part of its address; one that was given away is never given again."""
        wanted = slug(product["name"]) or str(product["id"])
        numbered = (f"{wanted}-{number}" for number in itertools.count(2))
        free = next(one for one in itertools.chain([wanted], numbered) if one not in self.slugs)
        self.slugs.add(free)
        return free

    def _store(self, product: Json, changes: Mapping[str, Any], *, unfiltered: bool = False) -> None:
        for key, value in changes.items():
            if key in TEXTS:
                product[key] = value if unfiltered or not isinstance(value, str) else stored_html(value)
            elif key in {TAGS, CATEGORIES}:
                product[key] = list(dict.fromkeys(self.terms[key].ensure(name) for name in value))
            elif key == "attributes":
                product[key] = stored_attributes(_entries(value), self.attributes)
            elif key == "meta":
                draft = MetaDraft(product["meta_data"])
                for name, one in value.items():
                    draft.put({"key": name, "value": one})
                product["meta_data"] = draft.numbered(self.new_meta_id)
            else:
                product[key] = list(value) if key == "images" else value


def _entries(attributes: Attributes) -> Sequence[Mapping[str, Any]]:
    if not isinstance(attributes, Mapping):
        return attributes
    return [
        {"name": name, "options": list(options), "visible": True, "position": place}
        for place, (name, options) in enumerate(attributes.items())
    ]


def _offer(attributes: list[Json], name: str, option: str) -> None:
    known = next((one for one in attributes if one["name"] == name), None)
    if known is None:
        known = {"id": 0, "name": name, "position": 0, "visible": True, "variation": True, "options": []}
        attributes.append(known)
    known["variation"] = True
    if option not in known["options"]:
        known["options"].append(option)
