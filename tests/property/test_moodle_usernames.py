"""Names for Moodle accounts, for any buyer at all."""

import re
import string
import unicodedata

from hypothesis import assume, example, given
from hypothesis import strategies as st

from wcsync.lms.moodle.names import NAME_LENGTH, fold_address, full_name, usernames
from wcsync.model import Person

ANY_TEXT = st.text(max_size=150)
ODD_TEXT = st.text(st.characters(exclude_categories=()), max_size=150)  # halves of surrogate pairs included
LOCAL_PARTS = st.text(string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~.", min_size=1, max_size=64)
ADDRESSES = st.builds("{}@{}".format, LOCAL_PARTS, st.sampled_from(["example.test", "Campus.Example.TEST"]))
ANY_ADDRESS = ADDRESSES | ANY_TEXT | ODD_TEXT


@given(ANY_ADDRESS)
@example("")
@example("x" * 500)
@example("\ud83d@example.test")
def test_every_username_is_one_moodle_takes(address: str) -> None:
    for username in usernames(address):
        assert re.fullmatch(r"[a-z0-9._@-]{1,100}", username)


@given(ADDRESSES)
def test_the_same_address_always_gets_the_same_usernames(address: str) -> None:
    assert usernames(address) == usernames(f" {address.swapcase()}\n")


@given(ANY_ADDRESS, ANY_ADDRESS)
@example("o'neil@example.test", "o+neil@example.test")
@example("x" * 500, "x" * 501)
@example("strasse@example.test", "straße@example.test")
@example("kim@example.test", "\u212aim@example.test")
def test_the_last_username_belongs_to_one_address_alone(one: str, other: str) -> None:
    assume(fold_address(one) != fold_address(other))
    assert usernames(one)[-1] != usernames(other)[-1]


@given(ADDRESSES)
def test_a_legal_address_is_tried_as_it_is_first(address: str) -> None:
    assume(re.fullmatch(r"[a-z0-9._@-]+", address.lower()))
    assert usernames(address)[0] == address.lower()


@given(ANY_ADDRESS, ANY_ADDRESS)
def test_two_addresses_share_no_first_username_either(one: str, other: str) -> None:
    assume(fold_address(one) != fold_address(other))
    assert usernames(one)[0] != usernames(other)[0]


@given(ODD_TEXT, ODD_TEXT, ANY_ADDRESS)
@example("", "", "")
@example("\ud83d", "\udc00", "\ud83d@example.test")
@example("<b>", "</b>", "<@>")
@example("\u200d", "\u200b", "\u200c")
def test_every_name_is_one_moodle_takes_and_a_reader_can_see(first: str, last: str, address: str) -> None:
    for name in full_name(Person(email=address, first_name=first, last_name=last)):
        assert 0 < len(name) <= NAME_LENGTH
        assert name == name.strip()
        assert not set(name) & set("<>")
        name.encode()
        categories = {unicodedata.category(char)[0] for char in name}
        assert categories & set("LNPS")
        assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in name)


@given(
    st.text(string.ascii_letters + "-'éüñ数据", min_size=1, max_size=100),
    st.text(string.ascii_letters, min_size=1),
)
def test_an_ordinary_name_is_left_as_it_is(first: str, last: str) -> None:
    last = last[:NAME_LENGTH]
    assert full_name(Person(email="a@example.test", first_name=first, last_name=last)) == (first, last)
