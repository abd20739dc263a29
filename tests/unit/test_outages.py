"""Why a service cannot be used, told from the network's and HTTP's own signs."""

import pytest

from wcsync import outages


@pytest.mark.parametrize(
    ("location", "adds"),
    [
        ("https://shop.test/wp-json/?_fields=url", True),
        ("/wp-json/", True),
        ("https://www.shop.test/wp-json/", False),
        ("https://shop.test/", False),
        ("https://[shop.test/wp-json/", False),
        ("", False),
    ],
    ids=["whole", "path", "another host", "home", "damaged", "none"],
)
def test_a_redirect_that_only_adds_a_slash_is_known(location: str, adds: bool) -> None:
    assert outages.adds_slash("https://shop.test/wp-json?_fields=url", location) is adds


def test_a_redirect_is_told_by_its_host_alone() -> None:
    told = str(outages.redirected("https://www.shop.test/my-account?key=ck_123&email=anna@example.test"))
    assert "https://www.shop.test;" in told
    assert "ck_123" not in told
    assert "anna" not in told


@pytest.mark.parametrize(
    ("verify_code", "code"),
    [(9, "tls_not_yet_valid"), (10, "tls_expired"), (18, "tls_self_signed"), (62, "tls_wrong_host"),
     (64, "tls_wrong_host"), (19, "tls_unknown_ca"), (20, "tls_unknown_ca"), (21, "tls_unknown_ca"),
     (23, "tls_refused")],
)  # fmt: skip
def test_each_reason_of_a_certificate_has_its_own_remedy(verify_code: int, code: str) -> None:
    finding = outages.untrusted(verify_code, "certificate revoked", ca_given=False)
    assert finding.code == code
    assert finding.remedy


def test_an_unknown_ca_is_not_answered_with_set_ca_file_where_that_is_set() -> None:
    assert "set ca_file" in outages.untrusted(20, "", ca_given=False).remedy
    assert "set ca_file" not in outages.untrusted(20, "", ca_given=True).remedy
