"""Which addresses lie in this machine or a private network, however they are written."""

import pytest

from wcsync.connections import is_public

WRAPPED = {
    "mapped": "::ffff:{}",
    "compatible": "::{}",
    "translated": "::ffff:0:{}",
    "nat64": "64:ff9b::{}",
    "local nat64": "64:ff9b:1::{}",
    "6to4": "2002:{hex}::1",
    "teredo": "2001:0:808:808:0:0:{flipped}",
    "local nat64, 48 bits": "64:ff9b:1:{first}:{second}::",
}
INSIDE = ["127.0.0.1", "10.1.2.3", "172.16.0.9", "192.168.7.7", "169.254.169.254", "100.64.3.4"]


def wrapped(form: str, address: str) -> str:
    numbers = [int(part) for part in address.split(".")]
    flipped = [255 - part for part in numbers]
    return WRAPPED[form].format(
        address,
        hex="{:02x}{:02x}:{:02x}{:02x}".format(*numbers),
        flipped="{:02x}{:02x}:{:02x}{:02x}".format(*flipped),
        first="{:02x}{:02x}".format(*numbers[:2]),
        second="00{:02x}:{:02x}00".format(*numbers[2:]),
    )


@pytest.mark.parametrize("form", WRAPPED)
@pytest.mark.parametrize("address", INSIDE)
def test_an_inner_address_is_inner_however_it_is_wrapped(form: str, address: str) -> None:
    assert not is_public(address)
    assert not is_public(wrapped(form, address))


@pytest.mark.parametrize("form", WRAPPED)
def test_a_public_address_is_public_however_it_is_wrapped(form: str) -> None:
    assert is_public("8.8.4.4")
    assert is_public(wrapped(form, "8.8.4.4"))


@pytest.mark.parametrize(
    "address",
    ["::", "::1", "fe80::1%eth0", "fec0::1", "fd00::1", "ff02::1", "2001:db8::1", "64:ff9b:1::", "224.0.0.1"],
)
def test_an_address_of_no_public_machine_is_inner(address: str) -> None:
    assert not is_public(address)


def test_a_public_address_that_is_appended_hides_no_inner_one() -> None:
    """A translator whose prefix has 48 bits reads 10.0.0.1 here, and looks at nothing that follows."""
    assert not is_public("64:ff9b:1:a00:0:100:808:808")


def test_where_a_translator_may_read_two_addresses_the_inner_one_counts() -> None:
    assert not is_public("64:ff9b:1:fffe::8.8.4.4")
    assert not is_public("64:ff9b:1:fffe::10.1.2.3")


def test_a_teredo_address_of_an_inner_server_is_inner() -> None:
    assert not is_public("2001:0:a00:1:0:0:f7f7:f7f7")


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::6810:84e5", "2a00:1450:4001:830::200e"])
def test_a_plain_address_is_judged_as_it_is(address: str) -> None:
    assert is_public(address)
