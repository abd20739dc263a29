"""Single values in WooCommerce's JSON of orders: texts, numbers and dates in all the forms that PHP gives them.

No error text quotes a value: it names the field.
"""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from wcsync.errors import MalformedReply

LARGEST_INT = 2**63 - 1
"""What SQLite can keep."""

_ZERO_DATES = ("0000-", "-0001-")
_NAIVE_WIDTH = len("2026-01-01T00:00:00")

T = TypeVar("T")
Scalar = int | float | str | bool | None


def members(many: list[T] | dict[str, T] | None) -> list[T]:
    """PHP writes a list that lost a member as an object."""
    return list(many.values()) if isinstance(many, dict) else many or []


def needed(value: T | None, where: str) -> T:
    if not value:
        raise MalformedReply(where, "missing")
    return value


def text(value: Scalar) -> str:
    if type(value) is str:
        return value
    if value is None or value is False:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def whole(value: Scalar, where: str) -> int:
    """0 for what PHP calls empty."""
    if type(value) is int and abs(value) <= LARGEST_INT:
        return value  # nearly always: 30 % of a page's CPU was spent on the way round
    try:
        number = Decimal(text(value).strip() or "0")
    except InvalidOperation:
        raise MalformedReply(where, "not a number") from None
    if not number.is_finite() or number.adjusted() > 18 or number != number.to_integral_value():
        raise MalformedReply(where, "not a whole number")
    if abs(number) > LARGEST_INT:
        raise MalformedReply(where, "not a whole number")
    return int(number)


def decimal(value: Scalar, where: str) -> Decimal:
    try:
        number = Decimal(text(value).strip())
    except InvalidOperation:
        raise MalformedReply(where, "not a number") from None
    if not number.is_finite() or not -18 <= number.adjusted() <= 18:
        raise MalformedReply(where, "a number out of all proportion")
    return number


def amount(value: Scalar, where: str) -> Decimal:
    """As `decimal`, without its sign; 0 for none."""
    return abs(decimal(value or "0", where))


def instant(value: Scalar, where: str) -> datetime | None:
    """None for no date at all, among them the zero dates of old databases."""
    if value is None or value is False or value == "":
        return None
    if not isinstance(value, str):
        raise MalformedReply(where, "not a date")
    if value.startswith(_ZERO_DATES):
        return None
    try:
        if len(value) == _NAIVE_WIDTH:
            return datetime.fromisoformat(value + "+00:00")
        told = datetime.fromisoformat(value)
        return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    except (ValueError, OverflowError):
        raise MalformedReply(where, "not a date") from None
