"""Addresses: how they are compared, typos, and those that are not wanted."""

from dataclasses import replace

import pytest

from tests.sales import BEA, asked, identify, line_of, order_of, plan, seated
from wcsync.mappers.addresses import is_unwanted, meant_domain, normalise_address
from wcsync.model import Order, Person
from wcsync.sale import Circumstances

GMIAL = "ana@GMIAL.com"


@pytest.mark.parametrize(
    ("domain", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("gnail.com", "gmail.com"),
        ("gmail.co", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmail.cmo", "gmail.com"),
        ("hotmal.com", "hotmail.com"),
        ("hotmial.fr", "hotmail.fr"),
        ("yaho.com", "yahoo.com"),
        ("outlok.es", "outlook.es"),
        ("iclud.com", "icloud.com"),
        ("t-onlin.de", "t-online.de"),
    ],
)
def test_a_slip_in_a_big_providers_name_is_seen(domain: str, meant: str) -> None:
    assert meant_domain(domain) == meant


@pytest.mark.parametrize(
    "domain",
    [
        *("gmail.com", "googlemail.com", "gmx.de", "gmx.at", "gmx.net", "ymail.com", "mail.com", "email.com"),
        *("hotmail.it", "hotmail.co.uk", "hotmail.fi", "live.fr", "live.com", "web.de", "aol.com", "me.com"),
        *("outlook.at", "outlook.com.br", "yahoo.com", "yahoo.com.mx", "yahoo.de", "icloud.com", "cloud.com"),
        *("t-online.de", "freenet.de", "free.fr", "orange.fr", "laposte.net", "proton.me", "protonmail.com"),
        *("gail.com", "grail.com", "acme.com", "example.test", "mail.acme.de", "gmail.acme.com", "fmail.com"),
        *("fastmail.com", "hey.com", "zoho.com", "msn.com", "mac.com", "qq.com", "163.com", "", "localhost"),
    ],
)
def test_a_real_domain_is_no_slip(domain: str) -> None:
    assert not meant_domain(domain)


def buyer(email: str) -> Order:
    return replace(order_of(), buyer=Person(email=email))


def test_a_strange_domain_is_told_once_and_sold_to_all_the_same() -> None:
    order = replace(buyer(GMIAL), lines=(line_of(line_id=1), line_of(line_id=2)))
    planned = plan(order)
    assert [(one.live, one.learner_key) for one in planned.entitlements] == [(True, identify(GMIAL))] * 2
    (entry,) = planned.parked
    assert (entry.kind, entry.line_id) == ("typo", None)
    assert "gmial.com (meant as gmail.com?)" in entry.reason
    assert "ana" not in entry.reason


def test_a_strange_domain_of_nobody_who_learns_needs_nobody() -> None:
    planned = plan(replace(buyer(GMIAL), lines=(line_of(1, BEA),)))
    assert (seated(planned), asked(planned)) == (["bea"], [])


def test_a_strange_domain_is_no_question_once_it_was_answered() -> None:
    answered = Circumstances(aliases=((identify(GMIAL), identify("ana@gmail.com")),))
    assert asked(plan(buyer(GMIAL), (), answered)) == []


@pytest.mark.parametrize(
    ("email", "unwanted"),
    [
        (" Eve@Example.test", True),
        ("mallory@RIVAL.test", True),
        ("mallory@mail.rival.test", False),
        ("ana@example.test", False),
    ],
)
def test_an_address_is_not_wanted_by_itself_or_by_its_domain(email: str, *, unwanted: bool) -> None:
    assert is_unwanted(email, frozenset({"eve@example.test", "@rival.test"})) is unwanted


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("Ana@Example.test", " ana@example.TEST ", True, id="case and blanks"),
        pytest.param("ana@example.test", "ana+x@example.test", False, id="a tag is another mailbox"),
        pytest.param("a.na@example.test", "ana@example.test", False, id="dots count"),
    ],
)
def test_addresses_are_compared_without_case_and_outer_blanks(one: str, other: str, same: bool) -> None:
    assert (normalise_address(one) == normalise_address(other)) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("Ana@Example.TEST", " ana@example.test ", True, id="case and blanks"),
        pytest.param("straße@example.test", "strasse@example.test", False, id="sharp s"),
        pytest.param("aſa@example.test", "asa@example.test", False, id="long s"),
    ],
)
def test_addresses_are_compared_by_the_case_that_mail_knows(one: str, other: str, *, same: bool) -> None:
    assert (normalise_address(one) == normalise_address(other)) is same
