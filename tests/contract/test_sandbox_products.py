"""How the sandbox shop stores and writes products, against recorded exchanges with a real one."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.pictures import Pictures
from tests.replay import Exchange, HandClock, cases, error_of, now, recorded, replay, then
from wcsync.sandbox.shop import SandboxShop

API = "/wp-json/wc/v3/products"


@pytest.fixture
def pictures() -> Iterator[Pictures]:
    with Pictures() as server:
        yield server


def catalogue(shop: SandboxShop, clock: HandClock) -> None:
    """The recorded shop as it was in the beginning."""
    clock.set("2026-11-21T19:16:24")
    rows = [
        (11, "Introducción a Python", "COURSE-001", "19.90"),
        (12, "Español para niños", "COURSE-002", "29.90"),
        (13, "漢字入門", "COURSE-003", "39.90"),
        (14, "العربية للمبتدئين", "COURSE-004", "49.90"),
    ]
    for number, (product_id, name, sku, price) in enumerate(rows):
        shop._last_ids["meta"] = 22 + 19 * number
        meta = {"_lms_course_id": f"lms-00{number + 1}"}
        text = f"<p>{name}</p>"
        shop.add_product(name, sku=sku, product_id=product_id, price=price, description=text, meta=meta)
    shop.add_product("Inglés por niveles", sku="COURSE-VAR", product_id=21)
    shop.add_variation(21, "A1", sku="COURSE-VAR-A1", variation_id=22)
    shop.add_variation(21, "B2", sku="COURSE-VAR-B2", variation_id=23)
    shop._last_ids["meta"] = 301


def moment(exchange: Exchange) -> str | None:
    """When the shop did it: what it wrote down, else the Date of its answer."""
    body = exchange["response"]["body"]
    for row in (body, *(body.get("update", ()) if isinstance(body, dict) else ())):
        if isinstance(row, dict) and "date_modified_gmt" in row and exchange["request"]["method"] != "GET":
            return str(row["date_modified_gmt"])
    date = exchange["response"].get("headers", {}).get("Date")
    return parsedate_to_datetime(date).strftime("%Y-%m-%dT%H:%M:%S") if date else None


def settled(body: Any) -> Any:
    """Without what the sandbox does not work out: related products, and how many were sold."""
    if isinstance(body, list):
        return [settled(one) for one in body]
    if not isinstance(body, dict):
        return body
    return {name: settled(one) for name, one in body.items() if name not in {"related_ids", "total_sales"}}


def both(client: httpx.Client, clock: HandClock, exchange: Exchange) -> tuple[Any, Any]:
    """The sandbox's answer and the recorded one."""
    instant = moment(exchange)
    if instant:
        clock.set(instant)
    exchange["response"].setdefault("headers", {})
    ours, real = now(replay(client, exchange), exchange), then(exchange)
    if not exchange["response"]["headers"]:
        return (ours["status"], settled(ours["body"])), (real["status"], settled(real["body"]))
    return settled(ours), settled(real)


SELF_SIGNED = 33
READ_ONLY = 5
BY_A_SHOP_MANAGER = 13


def test_products_are_written_one_by_one_and_in_batches_as_recorded(
    shop: SandboxShop, client: httpx.Client, clock: HandClock
) -> None:
    catalogue(shop, clock)
    for place, exchange in enumerate(recorded("products_write")):
        if place == BY_A_SHOP_MANAGER:
            html = recorded("products_write")[11]["request"]["body"]
            meta = [{"key": "_html", "value": "<script>alert(1)</script>"}]
            clock.set("2026-11-21T19:23:26")
            fields = {"_fields": ",".join(exchange["response"]["body"])}
            body = client.put(f"{API}/13", json=html | {"meta_data": meta}, params=fields).json()
            assert body == exchange["response"]["body"]
        elif place != SELF_SIGNED:
            ours, real = both(client, clock, exchange)
            assert ours == real, place
    shop.trash_product(11)
    for place, exchange in enumerate(recorded("products_batch")):
        if place == 1:
            exchange["request"]["body"] = {"update": [{"id": 13}] * 101}
        ours, real = both(client, clock, exchange) if place != READ_ONLY else ({}, {})
        assert ours == real, place


def test_a_key_that_may_only_read_writes_no_batch(shop: SandboxShop, client: httpx.Client) -> None:
    shop.gate.permissions = "read"
    exchange = recorded("products_batch")[READ_ONLY]
    assert error_of(now(replay(client, exchange), exchange)) == error_of(then(exchange))


def test_names_and_texts_come_back_as_recorded(
    shop: SandboxShop, client: httpx.Client, clock: HandClock
) -> None:
    catalogue(shop, clock)
    shop.edit_product(13, sku="HACK", status="draft", name="Curso", price="1250")
    for place, exchange in enumerate(recorded("products_write2") + recorded("products_batch2")):
        ours, real = both(client, clock, exchange)
        if "update" in real["body"]:
            cut = {"id", "sku", "short_description"}
            rows = [
                {name: row[name] for name in row if name in cut or "error" in row}
                for row in ours["body"]["update"]
            ]
            ours["body"] = {"update": rows}
        assert ours == real, place


def test_a_batch_that_dies_half_way_leaves_what_was_done(
    shop: SandboxShop, client: httpx.Client, clock: HandClock
) -> None:
    catalogue(shop, clock)
    shop.edit_product(13, name='Curso & "ñ" <3 \' \\ x', short_description="ok")
    for place, exchange in enumerate(recorded("products_batch_fatal")):
        if place == 8:
            shop.edit_product(12, price="29.90", status="publish")
        ours, real = both(client, clock, exchange)
        if place == 3:
            for answer in (ours, real):
                answer["body"].sort(key=lambda row: row["id"])
        assert ours == real, place


def test_images_are_fetched_anew_each_time_as_recorded(
    shop: SandboxShop, client: httpx.Client, clock: HandClock, pictures: Pictures
) -> None:
    catalogue(shop, clock)
    shop.site_url = "http://127.0.0.1:8081"
    shop._last_ids["post"] = 5904
    clock.set("2026-11-21T19:39:14")
    for exchange in recorded("products_images"):
        sent = exchange["request"]["body"]["images"]
        for image in sent:
            for path in ("/wp-includes/images", "/wp-includes", ""):
                if image.get("src", "").startswith(f"{shop.site_url}{path}/") and "id" not in image:
                    image["src"] = image["src"].replace(f"{shop.site_url}{path}", pictures.url)
        response = client.put(f"{API}/14", json={"images": sent}, params={"_fields": "images"})
        answer = response.json()
        answer.pop("_links", None)
        real = exchange["response"]["body"]
        real.pop("_links", None)
        if "message" in real:
            real["message"] = real["message"].replace(f"{shop.site_url}/wp-includes", pictures.url)
        assert (response.status_code, answer) == (exchange["response"]["status"], real)
    assert (shop.uploads, len(pictures.requests)) == (2, 4)


@pytest.mark.parametrize("exchange", cases("products_sku_filter", skip=(9, 10)))
def test_a_shop_with_a_trashed_product_is_searched_as_recorded(
    shop: SandboxShop, client: httpx.Client, clock: HandClock, exchange: Exchange
) -> None:
    catalogue(shop, clock)
    shop.trash_product(11)
    for number in range(5, 11):
        shop.add_product(f"Curso {number}", sku=f"COURSE-{number:03}", product_id=10 + number)
    shop.add_product("Pack", sku="PACK-001", product_id=24, kind="grouped")
    ours, real = both(client, clock, exchange)
    assert ours == real


@pytest.mark.parametrize("exchange", cases("products_sku_filter2")[8:])
def test_a_sku_is_given_to_one_product_only_as_recorded(
    shop: SandboxShop, client: httpx.Client, clock: HandClock, exchange: Exchange
) -> None:
    catalogue(shop, clock)
    ours, real = both(client, clock, exchange)
    assert ours == real


def test_a_product_in_the_trash_holds_its_sku_and_comes_back_as_recorded(
    shop: SandboxShop, client: httpx.Client, clock: HandClock
) -> None:
    catalogue(shop, clock)
    for exchange in recorded("errors_requests")[20:22]:
        ours, real = both(client, clock, exchange)
        assert ours == real
    shop.trash_product(11)
    for exchange in recorded("errors_requests")[26:27] + recorded("method_override_danger"):
        ours, real = both(client, clock, exchange)
        assert ours == real
    assert shop.product(11)["slug"] == "introduccion-a-python"


def test_a_products_life_is_answered_as_recorded(
    shop: SandboxShop, client: httpx.Client, clock: HandClock
) -> None:
    shop._last_ids |= {"post": 5887, "meta": 556}
    for exchange in recorded("line_items_vs_products")[0::2][:4]:
        clock.set("2026-11-21T19:38:26" if exchange["request"]["method"] == "GET" else moment(exchange) or "")
        ours, real = settled(now(replay(client, exchange), exchange)), settled(then(exchange))
        assert (ours, list(ours["body"])) == (real, list(real["body"]))
