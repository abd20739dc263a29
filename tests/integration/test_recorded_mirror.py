"""What a real WooCommerce made of texts and meta it was sent: the mirror comes to rest over each of them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from wcsync.course import StoredProduct
from wcsync.mappers.courses.decisions import decide
from wcsync.mappers.courses.fields import Ownership
from wcsync.mappers.courses.marks import Mark
from wcsync.mappers.courses.plan import Plan
from wcsync.mappers.courses.rules import DEFAULT_OWNERSHIP, Rules
from wcsync.mappers.courses.settling import settle
from wcsync.mappers.courses.wanted import Wanted
from wcsync.model import ProductId

RECORDINGS = Path(__file__).parents[1] / "recordings" / "woocommerce"
TEXTS = ("name", "description", "short_description")
Value = TypeVar("Value", StoredProduct, Wanted)
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
QUARANTINE = timedelta(seconds=90)


def sent_and_stored() -> Iterator[Any]:
    """Every text that a recorded PUT sent, with what its own answer says was stored."""
    for path in sorted(RECORDINGS.glob("products_*.json")):
        for number, exchange in enumerate(json.loads(path.read_text(encoding="utf-8"))):
            sent, stored = _bodies(exchange)
            if "code" in stored:
                continue
            for field in TEXTS:
                if isinstance(sent.get(field), str) and sent[field] and field in stored:
                    yield pytest.param(field, sent[field], stored[field], id=f"{path.stem}-{number}-{field}")


def meta_sent_and_stored() -> Iterator[Any]:
    exchanges = json.loads((RECORDINGS / "products_write.json").read_text(encoding="utf-8"))
    for number, exchange in enumerate(exchanges):
        sent, answer = _bodies(exchange)
        stored = {entry["key"]: entry["value"] for entry in answer.get("meta_data", [])}
        for entry in sent.get("meta_data", []):
            value = stored.get(entry["key"])
            if isinstance(value, str) and isinstance(entry["value"], str | int | float):
                yield pytest.param(entry["key"], str(entry["value"]), value, id=f"{number}-{entry['key']}")


def _bodies(exchange: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was put and what was answered; nothing for other exchanges, and for notes between them."""
    request, response = exchange.get("request", {}), exchange.get("response", {})
    sent, stored = request.get("body"), response.get("body")
    if request.get("method") != "PUT" or not isinstance(sent, dict) or not isinstance(stored, dict):
        return {}, {}
    return sent, stored


def _with(value: Value, field: str, text: str) -> Value:
    changes: dict[str, Any] = {field: text}
    return replace(value, **changes)


def look(product: StoredProduct, wanted: Wanted, marks: dict[str, Mark], ownership: Ownership) -> Plan:
    rules = Rules(ownership=dict.fromkeys(DEFAULT_OWNERSHIP, ownership))
    return decide(product, wanted, rules, marks, NOW, QUARANTINE)


@pytest.mark.parametrize("ownership", [Ownership.OWN_UNLESS_EDITED, Ownership.OWN])
@pytest.mark.parametrize(("field", "sent", "stored"), list(sent_and_stored()))
def test_a_text_is_written_once_however_the_shop_stores_it(
    field: str, sent: str, stored: str, ownership: Ownership
) -> None:
    product = StoredProduct(product_id=ProductId(13))
    wanted = _with(Wanted(), field, sent)
    plan = look(product, wanted, {}, ownership)
    assert plan.patch is not None
    after = _with(product, field, stored)
    marks = {mark.field: mark for mark in settle(plan, after)}
    again = look(after, wanted, marks, ownership)
    assert again.patch is None, again.decisions
    assert not again.edited
    changed = look(after, _with(Wanted(), field, f"{sent} and more"), marks, ownership)
    assert changed.patch is not None, "a change of the course would not reach the shop any more"


@pytest.mark.parametrize(("key", "sent", "stored"), list(meta_sent_and_stored()))
def test_a_meta_value_is_written_once_though_numbers_come_back_as_texts(
    key: str, sent: str, stored: str
) -> None:
    product, wanted = StoredProduct(product_id=ProductId(13)), Wanted(meta={key: sent})
    plan = look(product, wanted, {}, Ownership.OWN)
    after = replace(product, meta={key: stored})
    marks = {mark.field: mark for mark in settle(plan, after)}
    assert look(after, wanted, marks, Ownership.OWN).patch is None


def test_the_recordings_hold_what_makes_mirrors_run_in_circles() -> None:
    texts = [param.values for param in sent_and_stored()]
    assert any("&" in str(sent) and sent != stored for _, sent, stored in texts)
    assert any("\\" in str(sent) and "\\" not in str(stored) for _, sent, stored in texts)
    assert any(str(sent).startswith("[") for _, sent, _ in texts)
    assert len(list(meta_sent_and_stored())) >= 8
