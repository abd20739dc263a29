"""What a merchant, a client and an accident do to the sandbox shop's products, beyond what was recorded."""

import ssl
from collections.abc import Iterator

import httpx
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pictures import Pictures
from wcsync.sandbox.server import Fault
from wcsync.sandbox.shop import SandboxShop
from wcsync.sandbox.shop_kses import kses, stored_html
from wcsync.sandbox.shop_text import paragraphs, slug, typographic

API = "/wp-json/wc/v3/products"


@pytest.fixture
def shop(server_tls: ssl.SSLContext) -> Iterator[SandboxShop]:
    with SandboxShop(tls=server_tls) as shop:
        yield shop


@pytest.fixture
def client(shop: SandboxShop, authority: trustme.CA) -> Iterator[httpx.Client]:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with httpx.Client(base_url=shop.url, verify=context, auth=("ck_sandbox", "cs_sandbox")) as client:
        yield client


@pytest.fixture
def pictures() -> Iterator[Pictures]:
    with Pictures() as server:
        yield server


HTML = (
    "<p>", "</p>", "<", "> ", " & ", "&amp;", "&#39;", "'", '"', "<script>", '<a href="x">', "<a href=javascript:x>",
    "<b ", "x", "=", " ", "--", "<img src=x onerror='y'>", ":", "/", "style='a:b;'", "é", "\n",
)  # fmt: skip


def names(rows: list[dict[str, object]]) -> list[object]:
    return [row["name"] for row in rows]


def test_a_new_product_has_all_that_it_is_given(shop: SandboxShop) -> None:
    cover = shop.add_image("Cover", alt="a desk")
    product_id = shop.add_product(
        "R & D",
        description="<p>a & b</p><script>x</script>",
        short_description="short",
        tags=["python", "Basics"],
        categories=["Courses"],
        attributes={"Author": ["Ana", "Bo"]},
        images=[cover],
        meta={"_theme": 5},
    )
    product = shop.product(product_id)
    assert (product["name"], product["description"]) == ("R &amp; D", "<p>a &amp; b</p>x")
    assert (names(product["tags"]), names(product["categories"])) == (["Basics", "python"], ["Courses"])
    assert (product["attributes"][0]["options"], product["images"][0]["alt"]) == (["Ana", "Bo"], "a desk")
    assert (shop.product_meta(product_id), shop.uploads) == ({"_theme": "5"}, 0)


def test_a_merchants_edit_is_stored_as_the_admin_screen_does(shop: SandboxShop) -> None:
    product_id = shop.add_product("Python", tags=["old"], meta={"a": "1", "b": "2"})
    shop.edit_product(product_id, name="A <3 B", tags=["new"], meta={"a": None, "c": "3"}, type="variable")
    product = shop.product(product_id)
    assert (product["name"], names(product["tags"]), product["type"]) == ("A &lt;3 B", ["new"], "variable")
    assert shop.product_meta(product_id) == {"b": "2", "c": "3"}


def test_an_administrators_text_may_hold_anything(shop: SandboxShop) -> None:
    product_id = shop.add_product("R & D", unfiltered=True)
    shop.edit_product(product_id, description="<iframe></iframe>", unfiltered=True)
    product = shop.product(product_id)
    assert (product["name"], product["description"]) == ("R & D", "<iframe></iframe>")


def test_an_attribute_of_the_whole_shop_keeps_its_id(shop: SandboxShop, client: httpx.Client) -> None:
    level = shop.add_attribute("Level")
    sent = [{"id": level, "options": ["A1", "B2"]}, {"id": 99, "options": ["x"]}, {"name": "Author"}]
    product_id = shop.add_product("Python")
    answer = client.put(f"{API}/{product_id}", json={"attributes": sent}).json()
    shown = [(one["id"], one["name"], one["slug"], one["options"]) for one in answer["attributes"]]
    assert shown == [(level, "Level", "pa_level", ["A1", "B2"])]


def test_attributes_are_sorted_by_position_and_lose_their_entities(
    shop: SandboxShop, client: httpx.Client
) -> None:
    sent = [
        {"name": "Skills", "options": "R &amp; D | SQL", "position": 2},
        {"name": "Author", "options": ["Ana", ""], "position": 1},
    ]
    product_id = shop.add_product("Python")
    answer = client.put(f"{API}/{product_id}", json={"attributes": sent}).json()
    assert [one["options"] for one in answer["attributes"]] == [["Ana"], ["R & D", "SQL"]]


def test_tags_are_found_page_by_page_and_by_what_they_are_called(
    shop: SandboxShop, client: httpx.Client
) -> None:
    shop.add_product("Python", tags=["C", "R & D", "a", "B"])
    page = client.get(f"{API}/tags", params={"per_page": 2, "page": 2})
    assert (names(page.json()), page.headers["x-wp-total"]) == (["C", "R &amp; D"], "4")
    assert page.headers["x-wp-totalpages"] == "2"
    assert names(client.get(f"{API}/tags", params={"search": "r &amp; d"}).json()) == ["R &amp; D"]
    assert client.get(f"{API}/tags", params={"search": "R & D"}).json() == []


def test_a_tag_is_made_once_whatever_its_case(shop: SandboxShop, client: httpx.Client) -> None:
    made = client.post(f"{API}/tags", json={"name": "R & D"})
    again = client.post(f"{API}/tags", json={"name": "r & d"})
    assert (made.status_code, made.json()["name"]) == (201, "R &amp; D")
    assert (again.status_code, again.json()["data"]["resource_id"]) == (400, made.json()["id"])


def test_categories_are_a_list_of_their_own(shop: SandboxShop, client: httpx.Client) -> None:
    made = client.post(f"{API}/categories", json={"name": "Courses"}).json()
    product_id = shop.add_product("Python")
    sent = {"categories": [{"id": made["id"]}, {"id": 99999}]}
    assert names(client.put(f"{API}/{product_id}", json=sent).json()["categories"]) == ["Courses"]
    again = client.post(f"{API}/categories", json={"name": "courses"}).json()
    assert again["message"] == "A term with the name provided already exists with this parent."
    assert names(client.get(f"{API}/categories").json()) == ["Courses", "Uncategorized"]
    assert client.get(f"{API}/categories/{made['id']}").json()["count"] == 1
    assert client.get(f"{API}/categories/1").status_code == 404


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param({}, 400, id="no name"),
        pytest.param({"name": 5}, 400, id="number"),
        pytest.param({"name": " "}, 501, id="blank"),
        pytest.param({"name": "x", "slug": "y"}, 501, id="slug"),
    ],
)
def test_odd_tags_are_refused(client: httpx.Client, sent: dict[str, object], status: int) -> None:
    assert client.post(f"{API}/tags", json=sent).status_code == status


IMAGE_TROUBLE = {
    "/page.png": "Invalid image: Sorry, you are not allowed to upload this file type.",
    "/no-extension": "Invalid image: Sorry, you are not allowed to upload this file type.",
    "/none.png": "Error: Not Found",
    "/round.png": "Error: Too many redirects",
}


@pytest.mark.parametrize(("path", "problem"), IMAGE_TROUBLE.items(), ids=IMAGE_TROUBLE.keys())
def test_what_is_no_image_is_refused_and_nothing_changes(
    shop: SandboxShop, client: httpx.Client, pictures: Pictures, path: str, problem: str
) -> None:
    product_id = shop.add_product("Python")
    sent = {"name": "changed", "images": [{"src": f"{pictures.url}{path}"}]}
    answer = client.put(f"{API}/{product_id}", json=sent)
    assert (answer.status_code, answer.json()["code"]) == (400, "woocommerce_product_image_upload_error")
    assert problem in answer.json()["message"]
    assert (shop.product(product_id)["name"], shop.uploads) == ("Python", 0)


def test_an_image_is_fetched_over_tls_only_from_whom_the_shop_trusts(
    shop: SandboxShop, client: httpx.Client, server_tls: ssl.SSLContext, authority: trustme.CA
) -> None:
    product_id = shop.add_product("Python")
    with Pictures(tls=server_tls) as pictures:
        sent = {"images": [{"src": f"{pictures.url}/w-logo-blue.png"}]}
        refused = client.put(f"{API}/{product_id}", json=sent).json()["message"]
        shop.media.trust = ssl.create_default_context()
        authority.configure_trust(shop.media.trust)
        taken = client.put(f"{API}/{product_id}", json=sent).json()["images"]
    assert "cURL error 60: SSL certificate problem: " in refused
    assert (names(taken), shop.uploads) == (["w-logo-blue.png"], 1)


def test_a_server_that_is_down_has_no_image(shop: SandboxShop, client: httpx.Client) -> None:
    product_id = shop.add_product("Python")
    with Pictures() as pictures:
        url = pictures.url
    answer = client.put(f"{API}/{product_id}", json={"images": [{"src": f"{url}/w-logo-blue.png"}]})
    assert "cURL error 7: Failed to connect to 127.0.0.1" in answer.json()["message"]


def test_only_web_addresses_are_images(shop: SandboxShop, client: httpx.Client) -> None:
    product_id = shop.add_product("Python")
    answer = client.put(f"{API}/{product_id}", json={"images": [{"src": "ftp://127.0.0.1/a.png"}]}).json()
    assert answer["message"].endswith("Error: A valid URL was not provided.")


def test_a_connection_that_breaks_brings_no_image(
    shop: SandboxShop, client: httpx.Client, pictures: Pictures
) -> None:
    pictures.faults.add(Fault(kind="reset_after"))
    product_id = shop.add_product("Python")
    sent = {"images": [{"src": f"{pictures.url}/modern.webp"}]}
    assert "cURL error 56" in client.put(f"{API}/{product_id}", json=sent).json()["message"]
    assert names(client.put(f"{API}/{product_id}", json=sent).json()["images"]) == ["modern.webp"]


def test_a_deleted_image_or_tag_is_gone_from_its_products(shop: SandboxShop, client: httpx.Client) -> None:
    image = shop.add_image("Cover")
    product_id = shop.add_product("Python", images=[image], tags=["python"])
    shop.delete_image(image)
    shop.delete_term("tags", "python")
    product = shop.product(product_id)
    assert (product["images"], product["tags"]) == ([], [])
    answer = client.put(f"{API}/{product_id}", json={"images": [{"id": image}]}).json()
    assert answer["code"] == "woocommerce_product_invalid_image_id"


def test_images_keep_their_order_and_are_renamed_in_place(
    shop: SandboxShop, client: httpx.Client, pictures: Pictures
) -> None:
    first = shop.add_image("First")
    product_id = shop.add_product("Python", images=[first])
    sent = [{"src": f"{pictures.url}/moved.png"}, {"src": f"{pictures.url}/a%20photo.png"}, {"id": first}]
    client.put(f"{API}/{product_id}", json={"images": sent})
    client.put(f"{API}/{product_id}", json={"images": [{"id": first, "name": "New"}]})
    files = [row["file"].rpartition("/")[2] for row in shop.media.rows.values()]
    assert files == ["First.png", "moved.png", "a-photo.jpg"]
    assert names(shop.product(product_id)["images"]) == ["New"]


def test_a_variation_has_a_description_an_image_and_meta_values_of_its_own(
    shop: SandboxShop, client: httpx.Client
) -> None:
    image = shop.add_image("Cover")
    product_id = shop.add_product("English")
    variation_id = shop.add_variation(product_id, "A1", sku="A1")
    sent = {
        "description": '<p>Say "no" & C:\\temp</p>',
        "image": {"id": image},
        "meta_data": [{"key": "_k", "value": 5}],
    }
    path = f"{API}/{product_id}/variations/{variation_id}"
    answer = client.put(path, json=sent).json()
    assert answer["description"] == "<p>Say &#8220;no&#8221; &amp; C:\\temp</p>\n"
    assert (answer["image"]["id"], shop.product_meta(variation_id)) == (image, {"_k": "5"})
    assert shop.product(variation_id)["description"] == '<p>Say "no" &amp; C:\\temp</p>'
    assert client.put(path, json={"image": ""}).json()["image"] is None


def test_what_a_variation_has_from_its_parent_is_not_written_through_it(
    shop: SandboxShop, client: httpx.Client
) -> None:
    product_id = shop.add_product("English")
    path = f"{API}/{product_id}/variations/{shop.add_variation(product_id, 'A1')}"
    assert client.put(path, json={"attributes": []}).status_code == 501
    ignored = client.put(path, json={"name": "x", "short_description": "y", "tags": []})
    assert (ignored.status_code, ignored.json()["name"]) == (200, "A1")


def test_a_sale_is_seen(shop: SandboxShop) -> None:
    product_id = shop.add_product("Python", price="20")
    shop.edit_product(product_id, sale_price="15")
    product = shop.product(product_id)
    assert (product["price"], product["regular_price"], product["on_sale"]) == ("15", "20", True)


def test_variations_are_written_in_batches_of_one_parent(shop: SandboxShop, client: httpx.Client) -> None:
    product_id, other = shop.add_product("English"), shop.add_product("French")
    first, second = (shop.add_variation(product_id, level) for level in ("A1", "B2"))
    stranger = shop.add_variation(other, "A1")
    sent = [{"id": one, "description": "x"} for one in (first, stranger, second)]
    answer = client.post(f"{API}/{product_id}/variations/batch", json={"update": sent}).json()["update"]
    codes = [one.get("error", {}).get("code") for one in answer]
    assert codes == [None, "woocommerce_rest_product_variation_invalid_id", None]
    stored = [shop.product(one)["description"] for one in (first, stranger, second)]
    assert stored == ["x", "", "x"]


def test_a_variation_refuses_an_image_in_words_of_its_own(shop: SandboxShop, client: httpx.Client) -> None:
    product_id = shop.add_product("English")
    path = f"{API}/{product_id}/variations/{shop.add_variation(product_id, 'A1')}"
    unknown = client.put(path, json={"image": {"id": 99999}}).json()
    blocked = client.put(path, json={"image": {"src": "https://img.example.test/a.jpg"}}).json()
    codes = ["woocommerce_variation_invalid_image_id", "woocommerce_variation_image_upload_error"]
    assert [unknown["code"], blocked["code"]] == codes


def five(shop: SandboxShop) -> list[int]:
    return [shop.add_product(f"Course {number}") for number in range(5)]


def renamed(products: list[int]) -> dict[str, object]:
    return {"update": [{"id": one, "name": "new"} for one in products]}


@pytest.mark.parametrize("items", [0, 1, 3, 5])
def test_a_batch_dies_where_it_is_told_to(shop: SandboxShop, client: httpx.Client, items: int) -> None:
    products = five(shop)
    shop.faults.add(Fault(kind="halfway", match="/products/batch", items=items))
    answer = client.post(f"{API}/batch", json=renamed(products))
    done = [shop.product(one)["name"] == "new" for one in products]
    assert (answer.status_code, done) == (500, [place < items for place in range(5)])
    assert client.post(f"{API}/batch", json=renamed(products)).status_code == 200


def test_an_answer_is_lost_after_its_batch_was_done(shop: SandboxShop, client: httpx.Client) -> None:
    products = five(shop)
    shop.faults.add(Fault(kind="reset_after", match="/products/batch"))
    with pytest.raises(httpx.TransportError):
        client.post(f"{API}/batch", json=renamed(products))
    assert shop.product(products[4])["name"] == "new"


def test_a_batch_is_done_late(shop: SandboxShop, client: httpx.Client) -> None:
    products = five(shop)
    shop.faults.add(Fault(kind="late_effect", match="/products/batch", seconds=0.05))
    with pytest.raises(httpx.TransportError):
        client.post(f"{API}/batch", json=renamed(products))
    shop.wait_for_late_effects()
    assert shop.product(products[4])["name"] == "new"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param({"update": [{"id": 11, "tags": "x"}]}, 501, id="text for a list"),
        pytest.param({"update": [{"id": 11, "tags": ["x"]}]}, 501, id="members that are texts"),
        pytest.param(
            {"update": [{"id": 11, "meta_data": [{"key": "_stock", "value": 1}]}]}, 501, id="core key"
        ),
        pytest.param(
            {"update": [{"id": 11, "meta_data": [{"id": 99, "value": 1}]}]}, 501, id="meta without key"
        ),
        pytest.param({"update": [{"id": 11, "stock_quantity": 5}]}, 501, id="stock"),
        pytest.param({"update": [{"id": 11, "status": "trash"}]}, 501, id="trash"),
        pytest.param({"delete": [11]}, 501, id="delete"),
        pytest.param({"update": [{"id": 11, "description": {"a": 1}}]}, 500, id="object for a text"),
        pytest.param({"update": [{"id": 11, "name": None, "description": 5}]}, 200, id="null and a number"),
    ],
)
def test_odd_batches(shop: SandboxShop, client: httpx.Client, sent: dict[str, object], status: int) -> None:
    shop.add_product("Python", product_id=11)
    assert client.post(f"{API}/batch", json=sent).status_code == status
    assert shop.product(11)["name"] == "Python"


def test_a_write_alone_is_checked_field_by_field(shop: SandboxShop, client: httpx.Client) -> None:
    product_id = shop.add_product("Python")
    sent = {"name": None, "status": "zzz", "tags": "x", "virtual": "perhaps"}
    answer = client.put(f"{API}/{product_id}", json=sent).json()
    assert answer["data"]["params"] == {
        "name": "name is not of type string.",
        "status": "status is not one of draft, pending, private, publish, future, auto-draft, and trash.",
        "tags": "tags is not of type array.",
        "virtual": "virtual is not of type boolean.",
    }


def test_a_trashed_product_takes_no_other_sku_away(shop: SandboxShop, client: httpx.Client) -> None:
    shop.trash_product(shop.add_product("Gone", sku="PY"))
    product_id = shop.add_product("Here", sku="JS")
    assert client.put(f"{API}/{product_id}", json={"sku": "PY"}).status_code == 501
    assert client.put(f"{API}/{product_id}", json={"sku": "js"}).status_code == 200


def test_only_contexts_that_exist_are_answered(shop: SandboxShop, client: httpx.Client) -> None:
    shop.add_product("Python", description="a\n\nb", product_id=11)
    shown = client.get(f"{API}/11", params={"_fields": "description"}).json()["description"]
    stored = client.get(f"{API}/11", params={"_fields": "description", "context": "edit"}).json()
    assert (shown, stored["description"]) == ("<p>a</p>\n<p>b</p>\n", "a\n\nb")
    assert client.get(f"{API}/11", params={"context": "embed"}).status_code == 501


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param("a &lt; b &nbsp; &#39; &#x2f;", "a &lt; b &nbsp; &#039; &#x2f;", id="entities"),
        pytest.param("&bogus; &", "&amp;bogus; &amp;", id="no entities"),
        pytest.param("5 > 4", "5 &gt; 4", id="greater"),
        pytest.param("a\x07\x00b", "ab", id="control characters"),
        pytest.param("<!-- a -- b --><!---->", "<!-- a - b -->", id="comments"),
        pytest.param("<IMG SRC='x y' ALT=z />", "<IMG SRC='x y' ALT=\"z\" />", id="quotes"),
        pytest.param('<p style=" color : red ; " style="x">', '<p style="color : red">', id="style"),
        pytest.param('<p style="">x</p>', "<p>x</p>", id="empty style"),
        pytest.param("<:::>x</nothing>", "x", id="malformed"),
        pytest.param('<a href="data:x">', '<a href="x">', id="protocol"),
        pytest.param('<p onclick="x" aria-label="y">', '<p aria-label="y">', id="handlers"),
    ],
)  # fmt: skip
def test_html_is_filtered(sent: str, kept: str) -> None:
    assert kses(sent) == kept


def test_what_is_stored_is_stored_again_as_it_is() -> None:
    sent = "<p>a & b < c 'd' \\ \\\\ e</p><!-- x --><b onclick=y>[gallery]</b> &amp; 1 <2"
    assert stored_html(stored_html(sent).replace("\\", "")) == stored_html(sent).replace("\\", "")


@settings(max_examples=50)
@given(st.lists(st.sampled_from(HTML), max_size=12).map("".join))
def test_filtered_html_is_filtered_no_further(sent: str) -> None:
    assert kses(kses(sent)) == kses(sent)


def test_shown_text_has_paragraphs_and_typographic_quotes() -> None:
    assert paragraphs("a\nb <i>c</i>\n\n<ul><li>d</li></ul>") == (
        "<p>a<br />\nb <i>c</i></p>\n<ul>\n<li>d</li>\n</ul>\n"
    )
    assert (paragraphs(" "), typographic("<a title='x'>it's \"it\"</a>...")) == (
        "",
        "<a title='x'>it&#8217;s &#8220;it&#8221;</a>&#8230;",
    )


def test_slugs_drop_accents_and_encode_other_scripts(shop: SandboxShop) -> None:
    assert (slug("Curso ß & Más"), slug("漢字")) == ("curso-ss-mas", "%e6%bc%a2%e5%ad%97")
    twins = [shop.product(shop.add_product("Same"))["slug"] for _ in range(3)]
    assert twins == ["same", "same-2", "same-3"]
