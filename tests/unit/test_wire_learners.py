"""Who learns, as orders and lines say it in meta values that anybody's plugin wrote."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wcsync.mappers.entitlements import usable_address
from wcsync.model import Line, Order, Person
from wcsync.store import wire
from wcsync.store.meta_keys import MetaKeys
from wcsync.store.wire.people import split_addresses

ANA, BEN, EVA = "ana@example.test", "ben@example.test", "eva@example.test"


def meta(**values: Any) -> list[dict[str, Any]]:
    return [{"id": number, "key": key, "value": value} for number, (key, value) in enumerate(values.items())]


def line(line_id: int = 1, product_id: int = 17, quantity: int = 1, meta_data: Any = ()) -> dict[str, Any]:
    return {
        "id": line_id,
        "product_id": product_id,
        "variation_id": 0,
        "quantity": quantity,
        "name": "Course",
        "meta_data": list(meta_data) if isinstance(meta_data, tuple) else meta_data,
    }


def raw(meta_data: Any = (), *lines: dict[str, Any], **fields: Any) -> bytes:
    order = {
        "id": 7,
        "status": "completed",
        "date_modified_gmt": "2026-11-21T19:17:10",
        "billing": {
            "email": "buyer@example.test",
            "first_name": "Bo",
            "last_name": "Buyer",
            "company": "Acme",
        },
        "line_items": list(lines) or [line()],
        "meta_data": list(meta_data) if isinstance(meta_data, tuple) else meta_data,
    }
    return json.dumps(order | fields).encode()


def read(content: bytes, **keys: Any) -> Order:
    order = wire.parse_order(content, MetaKeys(**keys))
    assert isinstance(order, Order), order
    return order


def named(value: Any, **keys: Any) -> list[str]:
    """The addresses that a line names by this value of `who`."""
    keys = {"email": ("who",)} | keys
    [found] = read(raw((), line(meta_data=meta(who=value))), **keys).lines
    return [person.email for person in found.learners]


def test_an_order_without_meta_names_nobody() -> None:
    order = read(raw())
    assert (order.learners, order.lines[0].learners, order.renews) == ((), (), ())


def test_a_line_and_an_order_each_name_their_own() -> None:
    order = read(raw(meta(who=ANA), line(meta_data=meta(who=BEN))), email=("who",))
    assert [person.email for person in order.learners] == [ANA]
    assert [person.email for person in order.lines[0].learners] == [BEN]


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (ANA, [ANA]),
        (f" {ANA}\n", [ANA]),
        (f"{ANA}, {BEN};{EVA}", [ANA, BEN, EVA]),
        (f"{ANA}\r\n{BEN} {EVA}", [ANA, BEN, EVA]),
        (f"Ana García <{ANA}>, <{BEN}>", [ANA, BEN]),
        (f'"García, Ana" <{ANA}>; Ben <mailto:{BEN}>', [ANA, BEN]),
        (f"Ana García {ANA}", [ANA]),
        (f"Ana <{ANA}> and Ben <{BEN}>", [ANA, BEN]),
        (f"<{ANA}> ben", [ANA, "ben"]),
        (f"<ana {ANA}> <{BEN}>", [f"<ana {ANA}>", BEN]),
        (f"mailto:{ANA}", [ANA]),
        ([ANA, BEN], [ANA, BEN]),
        ([[ANA], [BEN, [EVA]]], [ANA, BEN, EVA]),
        ({"0": ANA, "2": BEN}, [ANA, BEN]),
        (json.dumps([ANA, BEN]), [ANA, BEN]),
        ([json.dumps([ANA]), BEN], [ANA, BEN]),
        (["", ANA, None], [ANA]),
        ("ana at example.test", ["ana at example.test"]),
        (f"{ANA} and ben", [f"{ANA} and ben"]),
        (f"{ANA}, ben", [ANA, "ben"]),
        (77, ["77"]),
        ("", []),
        (None, []),
        ([], []),
        ({}, []),
        ("  ,; ", []),
        ("[broken", ["[broken"]),
    ],
    ids=[
        "one", "trimmed", "punctuation", "lines-and-blanks", "angled", "quoted", "name-before",
        "two-angled", "angled-and-more", "angled-badly", "mailto", "list",
        "list-of-lists", "php-list-with-a-gap", "json", "json-within", "blanks-among", "no-address", "half-an-address",
        "one-is-none", "number", "empty", "null", "empty-list", "empty-object", "separators", "no-json",
    ],
)  # fmt: skip
def test_the_addresses_of_a_value_are_read_in_every_form_plugins_write(
    value: Any, addresses: list[str]
) -> None:
    assert named(value) == addresses


NESTED = {"attendees": {"1": {"mail": ANA, "names": {"first": "Ana"}}, "2": {"mail": BEN}, "3": {}}}


@pytest.mark.parametrize(
    ("key", "addresses"),
    [
        ("who.attendees.*.mail", [ANA, BEN]),
        ("who.attendees.2.mail", [BEN]),
        ("who.attendees.*.names.first", ["Ana"]),
        ("who.attendees.*.nothing", []),
        ("who.attendees.1.mail.deeper", []),
        ("other.attendees", []),
    ],
    ids=["each", "one", "deep", "nothing-there", "beyond", "no-such-key"],
)
def test_a_dotted_path_leads_into_a_value(key: str, addresses: list[str]) -> None:
    assert named(NESTED, email=(key,)) == addresses
    assert named(json.dumps(NESTED), email=(key,)) == addresses


def test_in_a_list_a_name_means_each_member_and_a_number_one() -> None:
    listed = [{"mail": ANA}, {"mail": BEN}]
    assert named(listed, email=("who.mail",)) == [ANA, BEN]
    assert named(listed, email=("who.1.mail",)) == [BEN]
    assert named(listed, email=("who.7.mail",)) == []


def test_a_key_that_is_there_as_it_stands_comes_before_any_path() -> None:
    content = raw((), line(meta_data=[*meta(a={"b": ANA}), {"id": 9, "key": "a.b", "value": BEN}]))
    [found] = read(content, email=("a.b",)).lines
    assert [person.email for person in found.learners] == [BEN]


def test_the_first_key_that_holds_anything_counts() -> None:
    [found] = read(raw((), line(meta_data=meta(a="", b=BEN, c=ANA))), email=("x", "a", "b", "c")).lines
    assert [person.email for person in found.learners] == [BEN]


def test_values_of_one_key_are_members() -> None:
    twice = [{"id": 1, "key": "who", "value": ANA}, {"id": 2, "key": "who", "value": BEN}]
    [found] = read(raw((), line(meta_data=twice)), email=("who",)).lines
    assert [person.email for person in found.learners] == [ANA, BEN]


def people(*lines: dict[str, Any], order: Any = (), **keys: Any) -> list[tuple[str, str, str]]:
    [found] = read(raw(order, *lines), **keys).lines
    return [(person.first_name, person.last_name, person.email) for person in found.learners]


NUMBERED = {"email": ("student_#_email",), "first_name": ("student_#_name",), "last_name": ()}


def test_numbered_keys_are_read_by_their_numbers_and_names_go_with_them() -> None:
    values = meta(student_2_email=BEN, student_1_email=ANA, student_2_name="Ben", student_10_email=EVA)
    assert people(line(meta_data=values), **NUMBERED) == [("", "", ANA), ("Ben", "", BEN), ("", "", EVA)]


def test_names_belong_to_the_learner_at_the_same_place() -> None:
    values = meta(who=[{"e": ANA, "f": "Ana"}, {"e": "", "f": "Nobody"}, {"e": BEN}, {"e": EVA, "f": "Eva"}])
    found = people(line(meta_data=values), email=("who.*.e",), first_name=("who.*.f",))
    assert found == [("Ana", "", ANA), ("", "", BEN), ("Eva", "", EVA)]


def test_names_in_one_text_are_shared_out_if_there_are_as_many() -> None:
    keys = {"email": ("who",), "first_name": ("first",), "last_name": ("last",)}
    values = meta(who=f"{ANA}, {BEN}", first="Ana; Ben", last="García")
    assert people(line(meta_data=values), **keys) == [("Ana", "", ANA), ("Ben", "", BEN)]


def test_a_name_beside_the_address_is_used_where_there_is_no_other() -> None:
    values = meta(who=f"Ana María García <{ANA}>")
    assert people(line(meta_data=values), email=("who",)) == [("Ana", "María García", ANA)]
    values = meta(who=f"Ana <{ANA}>", first="Anna")
    assert people(line(meta_data=values), email=("who",), first_name=("first",)) == [("Anna", "", ANA)]


def test_a_learner_who_is_the_buyer_is_called_so() -> None:
    assert people(line(meta_data=meta(who="Buyer@Example.test")), email=("who",)) == [
        ("Bo", "Buyer", "Buyer@Example.test")
    ]


FIELDS = {"company": ("firm", "billing.company"), "vat": ("vat",)}


def test_fields_come_from_the_lines_meta_then_the_orders_then_the_address() -> None:
    order = read(
        raw(meta(vat="ES1"), line(1, meta_data=meta(who=ANA, firm="Own")), line(2, meta_data=meta(who=BEN))),
        email=("who",),
        fields=FIELDS,
    )
    assert order.buyer.fields == (("company", "Acme"), ("vat", "ES1"))
    assert [one.learners[0].fields for one in order.lines] == [
        (("company", "Own"), ("vat", "ES1")),
        (("company", "Acme"), ("vat", "ES1")),
    ]


def test_a_field_with_a_value_for_each_learner_is_shared_out() -> None:
    content = raw((), line(meta_data=meta(who=[ANA, BEN], firm=["A", "B"], vat=["x"])))
    [found] = read(content, email=("who",), fields=FIELDS).lines
    assert [dict(person.fields)["company"] for person in found.learners] == ["A", "B"]
    assert [dict(person.fields)["vat"] for person in found.learners] == ["x", "x"]


def test_a_part_of_an_address_is_asked_for_only_if_it_is_wanted() -> None:
    plain = wire.render_order_query()["_fields"].split(",")
    wanted = wire.render_order_query(MetaKeys(fields=FIELDS | {"mail": ("billing.email",)}))["_fields"]
    assert "billing.company" not in plain
    assert wanted.split(",") == [*plain, "billing.company"]


@pytest.mark.parametrize("billing", [None, [], {}, {"company": ["x"]}, {"company": None}], ids=str)
def test_an_address_without_the_part_has_no_field(billing: Any) -> None:
    assert read(raw(billing=billing), fields={"company": ("billing.company",)}).buyer.fields == ()


def tickets(*of_products: tuple[int, list[tuple[str, str]]]) -> list[dict[str, Any]]:
    """As FooEvents writes its order meta."""
    value = {
        str(place): {
            str(number): {
                "WooCommerceEventsProductID": product_id,
                "WooCommerceEventsAttendeeName": name,
                "WooCommerceEventsAttendeeLastName": "X",
                "WooCommerceEventsAttendeeEmail": email,
            }
            for number, (name, email) in enumerate(attendees, 1)
        }
        for place, (product_id, attendees) in enumerate(of_products, 1)
    }
    return meta(WooCommerceEventsOrderTickets=value)


def addresses(lines: tuple[Line, ...]) -> list[list[str]]:
    return [[person.email for person in line.learners] for line in lines]


def test_attendees_of_fooevents_go_to_the_lines_of_their_product() -> None:
    order = read(
        raw(
            tickets((17, [("Ana", ANA), ("Ben", BEN)]), (18, [("Eva", EVA)])),
            line(1, 17, 2),
            line(2, 18),
            line(3, 19),
        )
    )
    assert addresses(order.lines) == [[ANA, BEN], [EVA], []]
    assert order.learners == ()
    assert order.lines[0].learners[0] == Person(email=ANA, first_name="Ana", last_name="X")


def test_attendees_of_one_product_fill_its_lines_one_after_another() -> None:
    attendees = [("Ana", ANA), ("Ben", BEN), ("Eva", EVA)]
    order = read(raw(tickets((17, attendees)), line(1, 17, 1), line(2, 17, 1)))
    assert addresses(order.lines) == [[ANA], [BEN, EVA]]


def test_attendees_of_a_product_that_no_line_sells_are_the_orders() -> None:
    order = read(raw(tickets((99, [("Ana", ANA)]))))
    assert [person.email for person in order.learners] == [ANA]


def test_attendees_who_were_not_asked_for_are_nobody() -> None:
    order = read(raw(tickets((17, [("", ""), ("", "")])), line(1, 17, 2)))
    assert (order.learners, order.lines[0].learners) == ((), ())


def test_the_receiver_of_a_gifted_subscription_is_no_address_and_not_the_giver() -> None:
    [found] = read(raw((), line(meta_data=meta(wcsg_recipient="wcsg_recipient_id_5")))).lines
    [person] = found.learners
    assert not usable_address(person.email)


def test_the_subscriptions_that_an_order_renews_are_read() -> None:
    renewals = [{"id": n, "key": "_subscription_renewal", "value": v} for n, v in enumerate(["77", 78, "77"])]
    assert read(raw(renewals)).renews == (77, 78)
    assert read(raw(meta(_subscription_renewal=["x", -1, 0, 9**30]))).renews == ()


def test_an_order_names_the_subscription_it_switches_to_other_products() -> None:
    assert read(raw(meta(_subscription_switch="79"))).renews == (79,)
    assert read(raw(meta(_subscription_renewal="77", _subscription_switch=["79", "77"]))).renews == (77, 79)
    assert read(raw(meta(_subscription_resubscribe="76"))).renews == ()


@pytest.mark.parametrize(
    "text",
    ["x" * 1_000_000, f"a@{'b' * 300}.test", f"{'a ' * 999}b@c.test"],
    ids=["endless", "long", "words"],
)
def test_a_text_too_long_for_an_address_is_cut_and_no_address(text: str) -> None:
    [email] = named(text)
    assert len(email) <= 254
    assert not usable_address(email) or email == "b@c.test"


def test_no_more_are_read_than_a_line_could_seat_and_one() -> None:
    assert len(named(", ".join([ANA] * 5000))) == 1001
    assert len(named([ANA] * 5000)) == 1001


HOSTILE = [
    "text",
    7,
    True,
    {"a": 1},
    [1, "x", None, [], {}],
    [{"key": ["who"], "value": ANA}, {"key": "who", "value": BEN}],
    [{"key": None, "value": ANA}, {"value": EVA}, {"key": "who"}],
    {"3": {"key": "who", "value": ANA}},
]


@pytest.mark.parametrize("broken", HOSTILE, ids=lambda value: json.dumps(value)[:24])
def test_no_shape_of_meta_costs_the_order(broken: Any) -> None:
    order = read(raw(broken, line(meta_data=broken)), email=("who",))
    assert order.order_id == 7


def test_broken_entries_do_not_hide_the_others() -> None:
    order = read(raw(HOSTILE[5]), email=("who",))
    assert [person.email for person in order.learners] == [BEN]


@pytest.mark.parametrize(
    "value",
    [b"[" * 900 + b"]" * 900, b'"\xff\xfe"', b"1e999", b'{"a":' * 500 + b"1" + b"}" * 500],
    ids=["deep-list", "not-utf8", "endless-number", "deep-object"],
)
def test_a_value_that_cannot_be_decoded_is_no_address_and_costs_nothing(value: bytes) -> None:
    content = raw((), line(meta_data=meta(who="@@"))).replace(b'"@@"', value)
    [found] = read(content, email=("who",)).lines
    assert len(found.learners) == 1
    assert not usable_address(found.learners[0].email)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.sampled_from([ANA, f"X <{BEN}>"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("ab*1"), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(value=VALUES, key=st.sampled_from(["who", "who.*", "who.a", "who.a.*.b", "who.1", "w#o", "#"]))
def test_whatever_stands_there_the_order_is_read_and_every_learner_fits(value: Any, key: str) -> None:
    order = read(raw(meta(who=value), line(meta_data=meta(who=value))), email=(key,), first_name=(key,))
    for person in (*order.learners, *order.lines[0].learners):
        assert person.email.strip()
        assert len(person.email) <= 254


@settings(max_examples=60, deadline=None)
@given(
    parts=st.lists(st.sampled_from([ANA, BEN, EVA]), min_size=1, max_size=5),
    between=st.sampled_from([",", " ; ", "\n", ", ", " "]),
)
def test_a_list_of_addresses_is_read_back_whole(parts: list[str], between: str) -> None:
    assert [address for _, address in split_addresses(between.join(parts))] == parts
