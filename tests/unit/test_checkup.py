"""Where a WordPress says it is, read from answers that may be anything."""

import pytest

from wcsync.errors import TransientError
from wcsync.http import Reply
from wcsync.store.checkup import absent

URL = "https://shop.test"


def reply(content: bytes = b"", link: str = "") -> Reply:
    headers = {"content-type": "text/html"} | ({"link": link} if link else {})
    return Reply(status=404, headers=headers, content=content)


def code(found: Reply, front: Reply | None = None, url: str = URL) -> str | None:
    def fetch_front() -> Reply:
        if front is None:
            raise TransientError("shop: did not answer")
        return front

    finding = absent(url, found, fetch_front)
    return finding.code if finding else None


def page(root: str) -> bytes:
    return f"<html><head><link rel='https://api.w.org/' href='{root}' /></head></html>".encode()


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ('<https://shop.test/wp-json/>; rel="https://api.w.org/"', "no_rewrite"),
        ('<https://SHOP.test/wp-json/>; rel="https://api.w.org/"', "no_rewrite"),
        ('<https://shop.test/tienda/wp-json/>; rel="https://api.w.org/"', "wrong_folder"),
        ('<https://www.shop.test/wp-json/>; rel="https://api.w.org/"', "wrong_folder"),
        ('<https://shop.test/index.php?rest_route=/>; rel="https://api.w.org/"', "plain_permalinks"),
        ('<https://shop.test/another-api/>; rel="https://api.w.org/"', "rest_renamed"),
        ('<https://shop.test/>; rel="shortlink"', None),
    ],
)
def test_a_404_of_wordpress_names_its_own_place(link: str, expected: str | None) -> None:
    assert code(reply(link=link)) == expected


def test_a_404_of_a_web_server_is_looked_behind_at_the_front_page() -> None:
    assert code(reply(), reply(page("https://shop.test/tienda/wp-json/"))) == "wrong_folder"
    assert code(reply(), reply(page("https://shop.test/?rest_route=/"))) == "plain_permalinks"
    assert code(reply(), reply(b"<html>hello</html>")) is None
    assert code(reply(), None) is None


def test_the_folder_in_url_is_compared_too() -> None:
    link = '<https://shop.test/wp-json/>; rel="https://api.w.org/"'
    assert code(reply(link=link), url="https://shop.test/blog") == "wrong_folder"


@pytest.mark.parametrize(
    "base",
    [
        "https://evil.test/shop",
        "http://shop.test/tienda",
        "https://shop.test:8443/tienda",
        "https://www.shop.test",
        "https://shop.test@evil.test",
        "https://evil.test\\@shop.test/x",
        "https://shop.test.evil.test/tienda",
    ],
)
def test_no_address_that_would_send_the_key_elsewhere_is_handed_to_be_pasted(base: str) -> None:
    finding = absent(URL, reply(page(f"{base}/wp-json/")), reply)
    assert finding is not None
    assert finding.code == "wrong_folder"
    assert "://" not in str(finding)
    assert "evil" not in str(finding)


@pytest.mark.parametrize("base", ["https://shop.test/tienda", "https://SHOP.test:443/tienda"])
def test_a_folder_on_the_same_host_is_named(base: str) -> None:
    finding = absent(URL, reply(page(f"{base}/wp-json/")), reply)
    assert finding is not None
    assert f'url = "{base}"' in finding.remedy


@pytest.mark.parametrize(
    "content",
    [page("https://[broken/wp-json/"), b"\xff\xfe<link", page("\u00e9" * 300), page("javascript:x")],
)
def test_a_hostile_page_does_no_harm(content: bytes) -> None:
    code(reply(content))
