"""The doctor's table: each state of a sandbox, and the one diagnosis that tells it from all others."""

import json
import shutil
import socket
import sqlite3
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stamina
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.system.clinic import Arrange, Clinic, server_side
from wcsync.ledger.ledger import SqliteLedger
from wcsync.ledger.lock import only_instance
from wcsync.sandbox.faults import Fault

CA = trustme.CA()
NOBODY = "f" * 24
PAGE = b"<!DOCTYPE html><html><body>Are you human?</body></html>"


@pytest.fixture(autouse=True)
def _hasty_retries() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture(scope="module")
def ca_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    CA.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def clinic(tmp_path: Path, ca_path: Path) -> Iterator[Clinic]:
    with closing(Clinic(tmp_path, CA, ca_path)) as clinic:
        yield clinic


# -- how the shop is brought into each state


def wrong_key(clinic: Clinic) -> None:
    clinic.shop.gate.consumer_key = "ck_another"


def wrong_key_in_query(clinic: Clinic) -> None:
    wrong_key(clinic)
    clinic.store["auth"] = '"query"'


def wrong_key_signed(clinic: Clinic) -> None:
    clinic.reopen_shop(None, consumer_key="ck_another")


def wrong_secret(clinic: Clinic) -> None:
    clinic.shop.gate.consumer_secret = "cs_another"


def wrong_secret_signed(clinic: Clinic) -> None:
    clinic.reopen_shop(None, consumer_secret="cs_another")


def read_only(clinic: Clinic) -> None:
    clinic.shop.gate.permissions = "read"


def write_only(clinic: Clinic) -> None:
    clinic.shop.gate.permissions = "write"


def stripped(clinic: Clinic) -> None:
    clinic.shop.gate.strip_authorization = True


def stripped_and_wrong_secret(clinic: Clinic) -> None:
    stripped(clinic)
    wrong_secret(clinic)


def stripped_and_wrong_key(clinic: Clinic) -> None:
    stripped(clinic)
    wrong_key(clinic)


def plain_permalinks(clinic: Clinic) -> None:
    clinic.shop.site.plain_permalinks = True


def no_rewrite(clinic: Clinic) -> None:
    clinic.shop.site.no_rewrite = True


def no_wordpress(clinic: Clinic) -> None:
    clinic.shop.site.folder = "/elsewhere"


def in_a_folder(clinic: Clinic) -> None:
    root = f"{clinic.shop.url}/shop/wp-json/"
    clinic.shop.site.folder, clinic.shop.site_url = "/shop", f"{clinic.shop.url}/shop"
    clinic.shop.site.front_page = f'<html><head><link rel="https://api.w.org/" href="{root}" /></head></html>'


def not_in_that_folder(clinic: Clinic) -> None:
    clinic.store["url"] = f'"{clinic.shop.url}/shop"'


def no_woocommerce(clinic: Clinic) -> None:
    clinic.shop.site.namespaces = ("wp/v2",)


def shop_fails(**fault: Any) -> Arrange:
    return lambda clinic: clinic.shop.faults.add(Fault(**({"times": None} | fault)))


def shop_maintenance(clinic: Clinic) -> None:
    clinic.shop.site.maintenance = True


def notes_behind_a_firewall(clinic: Clinic) -> None:
    clinic.shop.faults.add(Fault(kind="status", status=403, body=PAGE, match="POST ", times=None))


def rest_closed(clinic: Clinic) -> None:
    clinic.shop.site.closed = True


def key_of_a_customer(clinic: Clinic) -> None:
    body = '{"code":"woocommerce_rest_cannot_view","message":"Sorry.","data":{"status":403}}'
    clinic.shop.faults.add(Fault(kind="status", status=403, body=body, match="/wc/v3/", times=None))


def expired(clinic: Clinic) -> None:
    past = datetime.now(UTC) - timedelta(days=2)
    leaf = CA.issue_cert("127.0.0.1", not_before=past - timedelta(days=90), not_after=past)
    clinic.reopen_shop(server_side(leaf))


def not_yet_valid(clinic: Clinic) -> None:
    to_come = datetime.now(UTC) + timedelta(days=2)
    leaf = CA.issue_cert("127.0.0.1", not_before=to_come, not_after=to_come + timedelta(days=90))
    clinic.reopen_shop(server_side(leaf))


def wrong_host(clinic: Clinic) -> None:
    clinic.reopen_shop(server_side(CA.issue_cert("www.shop.example.test")))


def private_ca(clinic: Clinic) -> None:
    del clinic.store["ca_file"]


def another_ca(clinic: Clinic) -> None:
    trustme.CA().cert_pem.write_to_path(str(clinic.folder / "another.pem"))
    clinic.store["ca_file"] = '"another.pem"'


def self_signed(clinic: Clinic) -> None:
    clinic.reopen_shop(_self_signed(clinic.folder))
    del clinic.store["ca_file"]


def no_tls(clinic: Clinic) -> None:
    shop = clinic.reopen_shop(None)
    clinic.store["url"] = f'"{shop.url.replace("http:", "https:")}"'


def refused(clinic: Clinic) -> None:
    clinic.shop.stop_answering()


def unknown_host(clinic: Clinic) -> None:
    clinic.store["url"] = '"https://shop.wcsync.test"'


def hangs(clinic: Clinic) -> None:
    clinic.shop.latency_s = 3


def apart(**by: float) -> Arrange:
    def arrange(clinic: Clinic) -> None:
        clinic.ahead = timedelta(**by)

    return arrange


def apart_and_signed(**by: float) -> Arrange:
    def arrange(clinic: Clinic) -> None:
        clinic.ahead = timedelta(**by)
        clinic.reopen_shop(None)

    return arrange


def no_date(clinic: Clinic) -> None:
    clinic.shop.tells_time = False


def unknown_zone(clinic: Clinic) -> None:
    clinic.shop.stated_timezone = "Mars/Olympus_Mons"


def another_shop(clinic: Clinic) -> None:
    with closing(SqliteLedger(clinic.folder / "ledger.db")) as ledger:
        ledger.record_identity("shop", "https://shop.example.test", "Shop", datetime.now(UTC))


SHOP: dict[str, tuple[Arrange, str, bool]] = {
    "wrong key": (wrong_key, "wrong_key", True),
    "wrong key, in the query": (wrong_key_in_query, "wrong_key", True),
    "wrong key, signed": (wrong_key_signed, "wrong_key", True),
    "wrong secret": (wrong_secret, "wrong_secret", True),
    "wrong secret, signed": (wrong_secret_signed, "wrong_signature", True),
    "read-only key": (read_only, "key_may_not_write", False),
    "write-only key": (write_only, "key_may_not_read", True),
    "key of a customer": (key_of_a_customer, "key_user_may_not", True),
    "stripped header": (stripped, "authorization_stripped", True),
    "stripped header and wrong secret": (stripped_and_wrong_secret, "authorization_stripped", True),
    "stripped header and wrong key": (stripped_and_wrong_key, "wrong_key", True),
    "plain permalinks": (plain_permalinks, "plain_permalinks", True),
    "no rewriting": (no_rewrite, "no_rewrite", True),
    "no WordPress": (no_wordpress, "no_wordpress", True),
    "folder missing": (in_a_folder, "wrong_folder", True),
    "folder too many": (not_in_that_folder, "wrong_folder", True),
    "no WooCommerce": (no_woocommerce, "no_woocommerce", True),
    "redirect": (
        shop_fails(kind="redirect", location="https://www.shop.example.test/wp-json"),
        "redirected",
        True,
    ),
    "maintenance": (shop_maintenance, "maintenance", True),
    "captcha with 200": (shop_fails(kind="html200"), "page_instead", True),
    "captcha before orders alone": (shop_fails(kind="html200", match="/wc/v3/"), "page_instead", True),
    "firewall with 403": (shop_fails(kind="status", status=403, body=PAGE), "firewall", True),
    "password prompt": (shop_fails(kind="status", status=401, body=PAGE), "password_prompt", True),
    "firewall before notes": (notes_behind_a_firewall, "notes_refused", False),
    "PHP warnings": (shop_fails(kind="php_warning"), "php_output", False),
    "half an answer": (shop_fails(kind="truncated"), "not_json", True),
    "empty answer": (shop_fails(kind="empty"), "empty_answer", True),
    "error inside": (shop_fails(kind="status", status=500, body=PAGE), "server_error", True),
    "gateway": (shop_fails(kind="status", status=502), "server_error", True),
    "too many requests": (shop_fails(kind="status", status=429), "too_many_requests", True),
    "expired certificate": (expired, "tls_expired", True),
    "certificate to come": (not_yet_valid, "tls_not_yet_valid", True),
    "certificate of another host": (wrong_host, "tls_wrong_host", True),
    "self-signed certificate": (self_signed, "tls_self_signed", True),
    "private CA": (private_ca, "tls_unknown_ca", True),
    "another CA": (another_ca, "tls_unknown_ca", True),
    "no TLS": (no_tls, "no_tls", True),
    "refused": (refused, "unreachable", True),
    "unknown host": (unknown_host, "unknown_host", True),
    "hangs": (hangs, "timed_out", True),
    "broken off": (shop_fails(kind="reset_before"), "broken_off", True),
    "clock 5 minutes ahead": (apart(minutes=5), "clock_skew", False),
    "clock 5 minutes behind": (apart(minutes=-5), "clock_skew", False),
    "clock 5 minutes ahead, signed": (apart_and_signed(minutes=5), "clock_skew", False),
    "clock 20 minutes ahead, signed": (apart_and_signed(minutes=20), "clock_skew", True),
    "no Date": (no_date, "no_date", False),
    "REST API closed": (rest_closed, "rest_closed", True),
    "products behind a firewall": (
        shop_fails(kind="status", status=403, body=PAGE, match="/wc/v3/products"),
        "firewall",
        False,
    ),
    "products hidden behind a page with 404": (
        shop_fails(kind="status", status=404, body=PAGE, match="/wc/v3/products"),
        "products_closed",
        False,
    ),
    "products that crash PHP": (
        shop_fails(kind="status", status=500, match="/wc/v3/products"),
        "server_error",
        False,
    ),
    "unknown time zone": (unknown_zone, "time_zone_unknown", False),
    "another shop": (another_shop, "another_site", True),
}


@pytest.mark.parametrize(("arrange", "code", "fatal"), SHOP.values(), ids=SHOP.keys())
def test_each_trouble_of_a_shop_is_told_from_all_others(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, arrange: Arrange, code: str, fatal: bool
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _no_dns(socket.getaddrinfo))
    arrange(clinic)
    assert clinic.troubles() == [("shop", code, fatal)]
    assert clinic.shop.notes == {}


# -- the products that the mapping names


def product(**selector: object) -> Arrange:
    def arrange(clinic: Clinic) -> None:
        clinic.select = {key: str(value) for key, value in selector.items()}

    return arrange


def product_trashed(clinic: Clinic) -> None:
    clinic.shop.trash_product(clinic.product)


def product_draft(clinic: Clinic) -> None:
    clinic.shop.edit_product(clinic.product, status="draft")


def sku_shared(clinic: Clinic) -> None:
    clinic.shop.add_product("Python again", sku="PY-101")
    clinic.select = {"sku": '"PY-101"'}


def sku_of_the_parent(clinic: Clinic) -> None:
    clinic.shop.add_variation(clinic.product, "A1", sku="PY-101-A1")
    clinic.select = {"sku": '"PY-101"'}


def variation_as_product(clinic: Clinic) -> None:
    variation = clinic.shop.add_variation(clinic.product, "A1", sku="PY-101-A1")
    clinic.select = {"product_id": str(variation)}


PRODUCTS: dict[str, tuple[Arrange, str, bool]] = {
    "unknown product": (product(product_id=9999), "unknown_product", True),
    "unknown variation": (product(variation_id=9999), "unknown_variation", True),
    "unknown SKU": (product(sku='"NOPE"'), "unknown_sku", True),
    "wildcard without a match": (product(sku='"NOPE-*"'), "wildcard_unmatched", False),
    "trashed product": (product_trashed, "in_trash", False),
    "draft": (product_draft, "not_published", False),
    "SKU of several": (sku_shared, "shared_sku", False),
    "SKU of a parent whose variations sell": (sku_of_the_parent, "sku_of_parent", True),
    "variation mapped as product": (variation_as_product, "is_a_variation", True),
}


@pytest.mark.parametrize(("arrange", "code", "fatal"), PRODUCTS.values(), ids=PRODUCTS.keys())
def test_each_trouble_of_a_mapped_product_is_told_from_all_others(
    clinic: Clinic, arrange: Arrange, code: str, fatal: bool
) -> None:
    arrange(clinic)
    (trouble,) = [one for one in clinic.diagnoses() if not one["ok"]]
    assert (trouble["service"], trouble["code"], trouble["fatal"]) == ("shop", code, fatal)
    assert trouble["where"] == ["mapping.toml:1"]


# -- Moodle


def moodle_token(clinic: Clinic) -> None:
    (clinic.folder / "token").write_text("tok_another")


def token_expired(clinic: Clinic) -> None:
    clinic.moodle.expire_token()


def token_elsewhere(clinic: Clinic) -> None:
    next(iter(clinic.moodle.tokens.values())).address_allowed = False


def service_disabled(clinic: Clinic) -> None:
    next(iter(clinic.moodle.tokens.values())).service_enabled = False


def moodle_switch(name: str, value: object) -> Arrange:
    return lambda clinic: setattr(clinic.moodle, name, value)


def service_user(name: str, value: object) -> Arrange:
    return lambda clinic: setattr(clinic.moodle.service_user, name, value)


def deny(capability: str) -> Arrange:
    return lambda clinic: clinic.moodle.deny(capability)


def without_function(name: str) -> Arrange:
    return lambda clinic: clinic.moodle.functions.pop(name)


def deny_for(option: str, capability: str) -> Arrange:
    def arrange(clinic: Clinic) -> None:
        number = clinic.moodle.add_group(42, "A") if option == "group" else clinic.moodle.add_cohort("A")
        clinic.send_to_moodle(**{option: str(number)})
        clinic.moodle.deny(capability)

    return arrange


def without_for(option: str, function: str) -> Arrange:
    def arrange(clinic: Clinic) -> None:
        number = clinic.moodle.add_group(42, "A") if option == "group" else clinic.moodle.add_cohort("A")
        clinic.send_to_moodle(**{option: str(number)})
        clinic.moodle.functions.pop(function)

    return arrange


def moodle_fails(**fault: Any) -> Arrange:
    return lambda clinic: clinic.moodle.faults.add(Fault(**({"times": None} | fault)))


def moodle_in_a_folder(clinic: Clinic) -> None:
    clinic.send_to_moodle()
    clinic.lms["campus"].keys["url"] = f'"{clinic.moodle.url}/moodle"'


def moodle_down(clinic: Clinic) -> None:
    clinic.send_to_moodle()
    clinic.moodle.stop_answering()


def course(**changes: object) -> Arrange:
    def arrange(clinic: Clinic) -> None:
        for name, value in changes.items():
            setattr(clinic.moodle.courses[42], name, value)

    return arrange


def no_such_course(clinic: Clinic) -> None:
    clinic.course = "4242"
    clinic.send_to_moodle()


def hidden_from_us(clinic: Clinic) -> None:
    clinic.moodle.courses[42].visible = False
    clinic.moodle.deny("moodle/course:viewhiddencourses")


def with_options(**options: str) -> Arrange:
    return lambda clinic: clinic.send_to_moodle(**options)


def group_of_another_course(clinic: Clinic) -> None:
    other = clinic.moodle.add_course("Other")
    clinic.send_to_moodle(group=str(clinic.moodle.add_group(other, "A")))


def another_moodle(clinic: Clinic) -> None:
    with closing(SqliteLedger(clinic.folder / "ledger.db")) as ledger:
        ledger.record_identity("campus", "https://campus.example.test", "Campus", datetime.now(UTC))


MOODLE: dict[str, tuple[Arrange, str, bool]] = {
    "wrong token": (moodle_token, "wrong_token", True),
    "expired token": (token_expired, "token_expired", True),
    "token for another address": (token_elsewhere, "access_refused", True),
    "service disabled": (service_disabled, "access_refused", True),
    "web services off": (moodle_switch("webservices_enabled", False), "web_services_off", True),
    "REST off": (moodle_switch("rest_enabled", False), "web_services_off", True),
    "no right to REST": (deny("webservice/rest:use"), "access_refused", True),
    "missing function": (without_function("core_user_create_users"), "missing_function", True),
    "missing function for groups": (
        without_for("group", "core_group_add_group_members"),
        "missing_function",
        True,
    ),
    "missing function for cohorts": (
        without_for("cohort", "core_cohort_add_cohort_members"),
        "missing_function",
        True,
    ),
    "groups cannot be looked up": (
        without_for("group", "core_group_get_course_groups"),
        "missing_function",
        False,
    ),
    "cohorts cannot be looked up": (
        without_for("cohort", "core_cohort_get_cohorts"),
        "missing_function",
        False,
    ),
    "cohorts may not be looked up": (deny_for("cohort", "moodle/cohort:view"), "missing_function", False),
    "must change its password": (
        service_user("must_change_password", True),
        "user_must_change_password",
        True,
    ),
    "must agree": (service_user("policy_not_agreed", True), "user_must_agree", True),
    "profile incomplete": (service_user("profile_incomplete", True), "user_profile_incomplete", True),
    "not confirmed": (service_user("confirmed", False), "user_unconfirmed", True),
    "suspended": (service_user("suspended", True), "user_suspended", True),
    "deleted": (service_user("deleted", True), "user_deleted", True),
    "password expired": (service_user("password_expired", True), "user_password_expired", True),
    "no log-in": (service_user("auth", "nologin"), "user_nologin", True),
    "sees nobody": (deny("moodle/user:viewdetails"), "sees_no_accounts", False),
    "maintenance": (moodle_switch("outage", "maintenance"), "maintenance", True),
    "maintenance by command line": (moodle_switch("outage", "cli_maintenance"), "maintenance", True),
    "upgrade": (moodle_switch("outage", "upgrade"), "upgrade_running", True),
    "database down": (moodle_switch("outage", "database"), "database_down", True),
    "gateway": (moodle_switch("outage", "gateway"), "server_error", True),
    "wrong folder": (moodle_in_a_folder, "no_moodle", True),
    "down": (moodle_down, "unreachable", True),
    "captcha with 200": (moodle_fails(kind="html200"), "page_instead", True),
    "half an answer": (moodle_fails(kind="truncated"), "not_json", True),
    "firewall with 403": (moodle_fails(kind="status", status=403, body=PAGE), "firewall", True),
    "redirect": (moodle_fails(kind="redirect"), "redirected", True),
    "unknown course": (no_such_course, "unknown_course", True),
    "course hidden from us": (hidden_from_us, "unknown_course", True),
    "hidden course": (course(visible=False), "course_hidden", False),
    "no manual enrolment": (course(manual="missing"), "no_manual_enrolment", True),
    "manual enrolment off": (course(manual="disabled"), "no_manual_enrolment", True),
    "role not assignable": (service_user("assignable_roles", set()), "role_not_assignable", True),
    "another role not assignable": (with_options(role="4"), "role_not_assignable", True),
    "unknown group": (with_options(group="99"), "unknown_group", True),
    "group of another course": (group_of_another_course, "unknown_group", True),
    "unknown cohort": (with_options(cohort="99"), "unknown_cohort", True),
    "another Moodle": (another_moodle, "another_site", True),
}


@pytest.mark.parametrize(("arrange", "code", "fatal"), MOODLE.values(), ids=MOODLE.keys())
def test_each_trouble_of_a_moodle_is_told_from_all_others(
    clinic: Clinic, arrange: Arrange, code: str, fatal: bool
) -> None:
    arrange(clinic)
    users = len(clinic.moodle.users)
    assert clinic.troubles() == [("campus", code, fatal)]
    assert (len(clinic.moodle.users), clinic.moodle.enrolments) == (users, [])


@pytest.mark.parametrize(
    "capability",
    [
        "moodle/user:create",
        "moodle/site:viewuseridentity",
        "moodle/course:view",
        "moodle/course:viewparticipants",
        "moodle/course:enrolreview",
        "enrol/manual:enrol",
        "enrol/manual:unenrol",
    ],
)
def test_each_capability_that_is_missing_is_named(clinic: Clinic, capability: str) -> None:
    clinic.moodle.deny(capability)
    (trouble,) = [one for one in clinic.diagnoses() if not one["ok"]]
    assert (trouble["code"], trouble["fatal"], trouble["where"]) == ("missing_capability", True, [])
    assert capability in trouble["message"] + trouble["remedy"]
    assert clinic.moodle.enrolments == []


def test_a_right_that_rows_with_a_group_need_is_named(clinic: Clinic) -> None:
    deny_for("group", "moodle/course:managegroups")(clinic)
    (trouble,) = [one for one in clinic.diagnoses() if not one["ok"]]
    assert "moodle/course:managegroups" in trouble["message"]


def test_without_the_right_to_assign_roles_the_role_is_named(clinic: Clinic) -> None:
    clinic.moodle.deny("moodle/role:assign")
    (trouble,) = [one for one in clinic.diagnoses() if not one["ok"]]
    assert trouble["code"] == "role_not_assignable"
    assert "moodle/role:assign" in trouble["remedy"]


# -- 360Learning


def sold(clinic: Clinic, *, named: bool = True, **session: object) -> Any:
    """A group, sold with its path (and session, if `named`); `session` changes that session. Returns the session."""
    group = clinic.company.add_group("Python")
    path, session_id = clinic.company.add_path("Python", group)
    options = {"group": group, "path": path} | ({"session": session_id} if named else {})
    clinic.send_to_academy(**options)
    found = clinic.company.sessions[session_id]
    for name, value in session.items():
        setattr(found, name, value)
    return found


def academy(*, named: bool = True, **session: object) -> Arrange:
    return lambda clinic: sold(clinic, named=named, **session)


def academy_credentials(clinic: Clinic) -> None:
    sold(clinic)
    (clinic.folder / "academy_secret").write_text("another")


def academy_scope(scope: str) -> Arrange:
    def arrange(clinic: Clinic) -> None:
        sold(clinic)
        next(iter(clinic.company.credentials.values())).scopes.remove(scope)

    return arrange


def academy_option(**options: str) -> Arrange:
    def arrange(clinic: Clinic) -> None:
        sold(clinic)
        clinic.lms["academy"].rows[0].update(options)

    return arrange


def academy_group(*, public: bool = False, subgroup: bool = False) -> Arrange:
    def arrange(clinic: Clinic) -> None:
        group = sold(clinic).groups[0]
        clinic.company.groups[group].public = public
        if subgroup:
            clinic.company.add_group("Below", parent_id=group)

    return arrange


def academy_archived(clinic: Clinic) -> None:
    sold(clinic).path.status = "archived"


def academy_no_root(clinic: Clinic) -> None:
    sold(clinic)
    root = clinic.company.groups[clinic.company.root_id]
    root.parent_id = NOBODY


def academy_fails(**fault: Any) -> Arrange:
    def arrange(clinic: Clinic) -> None:
        sold(clinic)
        clinic.company.faults.add(Fault(**({"times": None} | fault)))

    return arrange


def academy_elsewhere(clinic: Clinic) -> None:
    sold(clinic)
    clinic.lms["academy"].keys["url"] = f'"{clinic.moodle.url}"'


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

THREESIXTY: dict[str, tuple[Arrange, str, bool]] = {
    "wrong credentials": (academy_credentials, "wrong_credentials", True),
    "no scope users:read": (academy_scope("users:read"), "missing_scope", True),
    "no scope groups:read": (academy_scope("groups:read"), "missing_scope", True),
    "no scope paths:read": (academy_scope("paths:read"), "missing_scope", False),
    "unknown group": (academy_option(group=NOBODY), "unknown_group", True),
    "public group": (academy_group(public=True), "group_public", False),
    "subgroups": (academy_group(subgroup=True), "group_has_subgroups", False),
    "unknown path": (academy_option(path=NOBODY), "unknown_path", True),
    "archived path": (academy_archived, "path_archived", True),
    "unknown session": (academy_option(session=NOBODY), "unknown_session", True),
    "ended session": (academy(ends_at=LONG_AGO), "session_ended", True),
    "session without audience": (academy(audience_builder=False), "session_without_audience", True),
    "group not in the audience": (academy(groups=()), "group_not_in_audience", True),
    "audience that keeps": (academy(mode="dynamicEnrollment"), "keeps_refunded", False),
    "audience that keeps, unnamed": (
        academy(named=False, mode="dynamicEnrollment"),
        "keeps_refunded",
        False,
    ),
    "audience by hand": (academy(mode="manual"), "session_not_dynamic", True),
    "audience that only loses": (academy(mode="dynamicUnenrollment"), "session_not_dynamic", True),
    "path nobody sells": (academy(named=False, groups=()), "path_not_sold", True),
    "path whose session has ended": (academy(named=False, ends_at=LONG_AGO), "path_not_sold", True),
    "path with an old session": (academy(named=False, audience_builder=False), "path_not_sold", True),
    "no root group": (academy_no_root, "no_root_group", True),
    "no API": (academy_elsewhere, "no_api", True),
    "page with 200": (academy_fails(kind="html200"), "page_instead", True),
    "firewall with 403": (academy_fails(kind="status", status=403, body=PAGE), "firewall", True),
    "too many requests": (academy_fails(kind="status", status=429), "too_many_requests", True),
}


@pytest.mark.parametrize(("arrange", "code", "fatal"), THREESIXTY.values(), ids=THREESIXTY.keys())
def test_each_trouble_of_a_company_is_told_from_all_others(
    clinic: Clinic, arrange: Arrange, code: str, fatal: bool
) -> None:
    arrange(clinic)
    users, roles = len(clinic.company.users), list(clinic.company.roles)
    assert clinic.troubles() == [("academy", code, fatal)]
    assert (len(clinic.company.users), clinic.company.roles) == (users, roles)


# -- the mapping alone

DIFFERENT = {"another Moodle", "another company", "expired token"}
"""The ledger's word counts for `check` alone, and Moodle takes an expired token away at its first use."""
MAPPED = {
    f"{service}: {name}": arrange
    for service, table in (("shop", PRODUCTS), ("campus", MOODLE), ("academy", THREESIXTY))
    for name, (arrange, _, _) in table.items()
    if name not in DIFFERENT
}


@pytest.mark.parametrize("arrange", MAPPED.values(), ids=MAPPED.keys())
def test_what_rows_meet_is_told_in_the_same_words_by_both_commands(clinic: Clinic, arrange: Arrange) -> None:
    arrange(clinic)
    (trouble,) = [one for one in clinic.diagnoses() if not one["ok"]]
    result = clinic.check_mapping()
    document = json.loads(result.stdout)
    told, unchecked = [*document["problems"], *document["notes"]], document["unchecked"]
    if unchecked:
        assert list(unchecked) == [trouble["service"]]
        assert unchecked[trouble["service"]].startswith(trouble["message"])
        assert (told, trouble["where"]) == ([], [])
    elif trouble["fatal"] or trouble["where"]:
        assert told == [trouble]
    else:
        assert told in ([trouble], [])  # a note about the service and no row
    assert result.exit_code == clinic.check().exit_code


# -- files and this machine


def newer_ledger(clinic: Clinic) -> None:
    SqliteLedger(clinic.folder / "ledger.db").close()
    with closing(sqlite3.connect(clinic.folder / "ledger.db", isolation_level=None)) as db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "SELECT migration_set, 'm999_from_tomorrow', applied_at FROM _sqlite_migrations LIMIT 1"
        )


def another_program(clinic: Clinic) -> None:
    with closing(sqlite3.connect(clinic.folder / "ledger.db")) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")


def damaged(clinic: Clinic) -> None:
    (clinic.folder / "ledger.db").write_bytes(b"not a database" * 300)


def spoilt_mapping(clinic: Clinic) -> None:
    (clinic.folder / "mapping.toml").write_text("[[map]\n")


def wrong_config(clinic: Clinic) -> None:
    clinic.store["pol_every"] = "3"


def open_secret(clinic: Clinic) -> None:
    (clinic.folder / "key").chmod(0o644)


def secret_in_config(clinic: Clinic) -> None:
    clinic.store["consumer_key"] = '"ck_in_the_config"'
    clinic.shop.gate.consumer_key = "ck_in_the_config"


def folder_as_ledger(clinic: Clinic) -> None:
    (clinic.folder / clinic.ledger).mkdir()


def dangling_ledger(clinic: Clinic) -> None:
    (clinic.folder / clinic.ledger).symlink_to(clinic.folder / "unmounted" / "ledger.db")


FILES: dict[str, tuple[Arrange, str, str, bool]] = {
    "folder in the ledger's place": (folder_as_ledger, "machine", "ledger_unusable", True),
    "link to nowhere in the ledger's place": (dangling_ledger, "machine", "ledger_unusable", True),
    "newer ledger": (newer_ledger, "machine", "ledger_unusable", True),
    "database of another program": (another_program, "machine", "ledger_unusable", True),
    "damaged ledger": (damaged, "machine", "ledger_unusable", True),
    "spoilt mapping": (spoilt_mapping, "files", "mapping_mistake", True),
    "unknown key in the config": (wrong_config, "files", "config_mistake", True),
    "secret that others can read": (open_secret, "files", "config_mistake", True),
    "secret in the config": (secret_in_config, "files", "config_warning", False),
}


@pytest.mark.parametrize(("arrange", "service", "code", "fatal"), FILES.values(), ids=FILES.keys())
def test_each_trouble_of_files_is_told_from_all_others(
    clinic: Clinic, arrange: Arrange, service: str, code: str, fatal: bool
) -> None:
    arrange(clinic)
    assert clinic.troubles() == [(service, code, fatal)]


def test_a_folder_that_is_not_there_is_told(clinic: Clinic) -> None:
    clinic.ledger = "nowhere/ledger.db"
    assert clinic.troubles() == [("machine", "ledger_folder", True)]
    assert not (clinic.folder / "nowhere").exists()


def test_a_disk_nearly_full_is_a_warning(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(clinic.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=49 * 1024 * 1024))
    assert clinic.troubles() == [("machine", "disk_nearly_full", False)]


def test_a_daemon_at_work_is_no_trouble(clinic: Clinic) -> None:
    SqliteLedger(clinic.folder / "ledger.db").close()
    with only_instance(clinic.folder / "ledger.db"):
        found = clinic.diagnoses()
    assert [one["code"] for one in found if one["service"] == "machine"] == ["ledger_usable", "running"]
    assert all(one["ok"] for one in found)


# -- the whole


def test_a_healthy_installation_is_told_to_be_so_and_no_ledger_is_made(clinic: Clinic) -> None:
    clinic.send_to_moodle()
    sold(clinic)
    found = clinic.diagnoses()
    assert all(one["ok"] for one in found)
    assert [(one["service"], one["code"]) for one in found] == [
        ("files", "files_sound"),
        ("machine", "ledger_usable"),
        ("shop", "answers"),
        ("shop", "may_read"),
        ("shop", "may_write"),
        ("shop", "products_there"),
        ("campus", "answers"),
        ("campus", "courses_there"),
        ("academy", "answers"),
        ("academy", "writes_unseen"),
        ("academy", "courses_there"),
    ]
    assert not (clinic.folder / "ledger.db").exists()


def test_without_notes_the_key_need_not_write(clinic: Clinic) -> None:
    clinic.shop.gate.permissions = "read"
    clinic.more = "[notes]\nenabled = false"
    assert clinic.troubles() == []
    assert [seen.method for seen in clinic.shop.requests] == ["GET"] * len(clinic.shop.requests)


def switch_mirror_on(clinic: Clinic) -> None:
    clinic.more = "[course_sync]\nenabled = true"


def test_a_healthy_mirror_is_told_to_be_so_and_no_product_is_touched(clinic: Clinic) -> None:
    clinic.send_to_moodle()
    sold(clinic)
    switch_mirror_on(clinic)
    before = clinic.shop.product(clinic.product)
    found = clinic.diagnoses()
    assert all(one["ok"] for one in found)
    told = [(one["service"], one["code"]) for one in found]
    assert ("shop", "may_write_products") in told
    assert told.count(("campus", "course_data")) == told.count(("academy", "course_data")) == 1
    assert clinic.shop.product(clinic.product) == before


def test_a_mirror_with_a_read_only_key_is_told_also_without_notes(clinic: Clinic) -> None:
    read_only(clinic)
    clinic.more = "[notes]\nenabled = false\n[course_sync]\nenabled = true"
    assert clinic.troubles() == [("shop", "key_may_not_write", False)]
    (trouble,) = [one for one in clinic.diagnoses() if not one["ok"]]
    assert "no course data" in trouble["message"]
    assert "[course_sync]" in trouble["remedy"]


def test_a_firewall_before_the_products_is_no_trouble_of_orders(clinic: Clinic) -> None:
    switch_mirror_on(clinic)
    clinic.shop.faults.add(Fault(kind="status", status=403, body=PAGE, match="products/batch", times=None))
    assert clinic.troubles() == [("shop", "products_refused", False)]


@pytest.mark.parametrize("function", ["core_course_get_contents", "core_competency_list_course_competencies"])
def test_a_function_that_only_course_data_needs_keeps_nobody_out(clinic: Clinic, function: str) -> None:
    clinic.send_to_moodle()
    clinic.moodle.functions.pop(function)
    assert clinic.troubles() == []
    switch_mirror_on(clinic)
    assert clinic.troubles() == [("campus", "missing_function", False)]
    (trouble,) = [one for one in clinic.diagnoses() if not one["ok"]]
    assert function in trouble["message"]


def test_a_scope_that_only_course_data_needs_keeps_nobody_out(clinic: Clinic) -> None:
    sold(clinic)
    academy_scope("tags:read")(clinic)
    assert clinic.troubles() == []
    switch_mirror_on(clinic)
    assert clinic.troubles() == [("academy", "missing_scope", False)]


def test_what_many_rows_meet_is_told_once_with_their_lines(clinic: Clinic) -> None:
    for number in range(100, 130):
        clinic.moodle.add_course(f"Course {number}", course_id=number)
    clinic.send_to_moodle()
    rows = clinic.lms["campus"].rows
    rows += [{"course": str(number), "role": "4"} for number in range(100, 130)]
    (trouble,) = [one for one in clinic.diagnoses() if not one["ok"]]
    assert len(trouble["where"]) == 30
    assert len(clinic.moodle.requests) < 45
    text = clinic.check().stdout
    assert "and 27 more" in text


@pytest.mark.parametrize("gone", [(), (5000,), range(5000, 5300)], ids=["none", "one", "all"])
def test_mapped_courses_are_looked_up_together(clinic: Clinic, gone: Sequence[int]) -> None:
    """Moodle answers for none of a hundred where it does not know one."""
    numbers = range(100, 400)
    clinic.send_to_moodle()
    rows = clinic.lms["campus"].rows
    if len(gone) <= 1:
        for number in numbers:
            clinic.moodle.add_course(f"Course {number}", course_id=number)
        rows += [{"course": str(number)} for number in numbers]
    rows += [{"course": str(number)} for number in gone]
    found = clinic.diagnoses()
    assert [one["code"] for one in found if not one["ok"]] == ["unknown_course"] * len(gone)
    there = 1 + (len(numbers) if len(gone) <= 1 else 0)
    message = next(one["message"] for one in found if one["code"] == "courses_there")
    assert message == f"{there} of {there + len(gone)} mapped courses are there"
    assert len(clinic.moodle.requests) < {0: 20, 1: 40}.get(len(gone), 450)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 403, "body": PAGE},
        {"kind": "delay_before", "seconds": 2},
        {"kind": "html200"},
        {"kind": "truncated"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_courses_are_looked_up_one_by_one_where_they_are_not_told_together(
    clinic: Clinic, fault: dict[str, Any]
) -> None:
    clinic.moodle.faults.add(Fault(**fault, match="field=ids", times=None))
    clinic.moodle.add_course("Another", course_id=43)
    clinic.send_to_moodle()
    clinic.lms["campus"].rows.append({"course": "43"})
    assert clinic.troubles() == []


def test_one_service_in_trouble_hides_no_other(clinic: Clinic) -> None:
    clinic.shop.stop_answering()
    sold(clinic, groups=())
    clinic.send_to_moodle(group="99")
    assert clinic.troubles() == [
        ("shop", "unreachable", True),
        ("academy", "group_not_in_audience", True),
        ("campus", "unknown_group", True),
    ]


def test_a_service_that_fails_half_way_ends_its_look_and_keeps_what_was_found(clinic: Clinic) -> None:
    clinic.moodle.courses[42].visible = False
    clinic.moodle.faults.add(Fault(kind="delay_before", seconds=2, match="value=100", times=None))
    clinic.send_to_moodle()
    clinic.lms["campus"].rows += [{"course": "100"}, {"course": "101"}]
    assert clinic.troubles() == [("campus", "course_hidden", False), ("campus", "timed_out", True)]


def test_people_are_told_what_is_wrong_where_to_change_it_and_whether_the_daemon_goes_on(
    clinic: Clinic,
) -> None:
    clinic.shop.gate.permissions = "read"
    clinic.course = "4242"
    result = clinic.check()
    assert result.exit_code == 78
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0] == "files"
    for service in ("machine", "shop", "campus"):
        assert lines[lines.index(service) - 1] == ""
    warning = next(i for i, line in enumerate(lines) if line.startswith("warn"))
    assert "WooCommerce > Settings > Advanced > REST API" in lines[warning + 1]
    assert lines[warning + 2] == "(the daemon goes on)"
    failure = next(i for i, line in enumerate(lines) if line.startswith("FAIL"))
    assert lines[failure].startswith("FAIL  mapping.toml:1: there is no course 4242")
    assert lines[failure + 2].startswith("(nothing is enrolled by these rows until this is mended")
    assert "…" not in result.stderr


def test_nothing_personal_is_told_even_when_the_far_side_quotes_it(clinic: Clinic) -> None:
    body = '{"code":"rest_marked_4471","message":"anna.marked@personal.example.test","data":{"status":401}}'
    clinic.shop.faults.add(Fault(kind="status", status=401, body=body, times=None))
    result = clinic.check()
    assert "anna.marked" not in result.output


def _no_dns(really: Any) -> Any:
    def look_up(host: Any, *more: Any, **others: Any) -> Any:
        if host == "shop.wcsync.test":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return really(host, *more, **others)

    return look_up


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    path = folder / "self-signed.pem"
    path.write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
