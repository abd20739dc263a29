"""Whether the demo's products show what the LMSs say and keep what people wrote: by the shop's own state alone."""

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from wcsync.demo.course_changes import EDITED, EDITED_SKU
from wcsync.demo.curriculum import Taught
from wcsync.demo.products import FURNITURE, TEAM_SKU, TEAM_TITLE
from wcsync.demo.stage import Stage

Json = dict[str, Any]

PEOPLES: Mapping[tuple[str, str], str] = {
    (TEAM_SKU, "name"): TEAM_TITLE,
    (EDITED_SKU, "description"): EDITED,
} | {
    (sku, field): texts[field]
    for sku, texts in FURNITURE.items()
    for field in ("description", "short_description")
    if field in texts
}
"""What people wrote and the mirror must never touch, by SKU and field."""

MIRRORED = {
    "name", "description", "short_description", "attributes", "images", "meta_data", "slug", "generated_slug",
}  # fmt: skip
"""Parts of which some is the courses': each is compared by itself."""
MOVING = {"date_modified", "date_modified_gmt", "permalink"}
OURS = {"Author", "Skills", "Level", "Duration", "Language"}
OUR_META = "_wcsync_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """`before`: the products as they were stored before wcsync saw them, by SKU."""

    stage: Stage
    before: Mapping[str, Json]

    @classmethod
    def of(cls, stage: Stage) -> "Window":
        return cls(
            stage=stage, before={sku: stage.shop.product(number) for sku, number in stage.products.items()}
        )

    def now(self, sku: str) -> Json:
        return self.stage.shop.product(self.stage.products[sku])

    def wrong(self) -> list[str]:
        """Where a product does not show just what the LMS says, a sentence each."""
        return [
            f"{sku}: {problem}"
            for sku in self.stage.courses
            for problem in _differences(sku, self.now(sku), self.stage.taught(sku))
        ]

    def lost(self) -> list[str]:
        """What people wrote and is not there word for word any more."""
        return [
            f"{sku}: what people wrote as {field} is not there any more"
            for (sku, field), text in PEOPLES.items()
            if self.now(sku)[field] != text
        ]

    def touched(self) -> list[str]:
        """What was none of the mirror's business and is not as it was."""
        return [
            f"{sku}: {part} is not as it was"
            for sku, before in self.before.items()
            for part in _touched(before, self.now(sku), sold=sku in self.stage.courses)
        ]

    def covers(self) -> tuple[int, int]:
        """How many pictures the LMSs have, and how many products show the right one first."""
        contents = {sku: self.stage.taught(sku).cover for sku in self.stage.courses}
        shown = sum(bool(content) and self._cover(sku) == content for sku, content in contents.items())
        return len({sha256(content).digest() for content in contents.values() if content}), shown

    def _cover(self, sku: str) -> bytes | None:
        images = self.now(sku)["images"]
        return self.stage.shop.media.contents[images[0]["id"]] if images else None


def _differences(sku: str, product: Json, taught: Taught) -> Iterator[str]:
    if (sku, "name") not in PEOPLES and html.unescape(product["name"]) != taught.name:
        yield f"it is called {product['name']!r}, the course {taught.name!r}"
    listed = tuple(
        html.unescape(item).strip() for item in re.findall("<li>(.*?)</li>", product["description"])
    )
    if (sku, "description") not in PEOPLES and listed != taught.skills + taught.modules:
        yield f"its description lists {listed}, the course {taught.skills + taught.modules}"
    options = {one["name"]: tuple(one["options"]) for one in product["attributes"] if one["name"] in OURS}
    said = {"Author": taught.authors, "Skills": taught.skills, "Language": (taught.language,)}
    said = {name: values for name, values in said.items() if any(values)}
    if options != said:
        yield f"its attributes say {options}, the course {said}"


def _touched(before: Json, now: Json, *, sold: bool) -> Iterator[str]:
    if not sold:
        yield from (part for part in before if before[part] != now[part])
        return
    yield from (part for part in before.keys() - MIRRORED - MOVING if before[part] != now[part])
    yield from (
        f"{part} of others"
        for part in ("attributes", "meta_data")
        if _others(before, part) != _others(now, part)
    )
    if [one for one in before["images"] if one not in now["images"]]:
        yield "its gallery"


def _others(product: Json, part: str) -> list[Json]:
    key = "name" if part == "attributes" else "key"
    return [one for one in product[part] if one[key] not in OURS and not one[key].startswith(OUR_META)]
