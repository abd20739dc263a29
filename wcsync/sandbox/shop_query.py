"""How the sandbox shop reads a list request: parameters, dates, order and pages."""

import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from urllib.parse import quote, quote_plus

from wcsync.sandbox.exchange import Pairs
from wcsync.sandbox.shop_errors import Problems, not_imitated
from wcsync.sandbox.shop_shapes import Json

ORDERINGS = ("date", "id", "include", "title", "slug", "modified")
DATES = ("after", "before", "modified_after", "modified_before")
ID_LISTS = ("include", "exclude")
NOT_IMITATED = ("search", "parent", "parent_exclude", "product", "dp", "include_meta", "exclude_meta")

_DATE = re.compile(
    r"^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d(?::\d\d)?)?$", re.IGNORECASE
)
_PLAIN_ZONED = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    page: int
    per_page: int
    offset: int | None

    @property
    def first(self) -> int:
        """`offset` wins over `page`."""
        return (self.page - 1) * self.per_page if self.offset is None else self.offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One page of ids. Past the end `total` and `pages` are 0, as with the shop's order tables."""

    ids: Sequence[int]
    total: int
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One of the four date filters: strictly after or before a UTC second."""

    column: str
    after: bool
    gmt: str

    def passes(self, order: Json) -> bool:
        value = order[self.column]
        return bool(value > self.gmt if self.after else value < self.gmt)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuery:
    paging: Paging
    statuses: tuple[str, ...]
    orderby: str
    descending: bool
    bounds: tuple[Bound, ...]
    include: tuple[int, ...] | None
    exclude: frozenset[int]
    customer: int | None

    def select(self, orders: dict[int, Json]) -> Found:
        rows = [order for order in self._candidates(orders) if self._matches(order)]
        rows.sort(key=self._rank(), reverse=self.descending)
        if self.orderby == "include" and self.include is not None:
            rows.sort(key=lambda order: self.include.index(order["id"]) if self.include else 0)
        return cut([order["id"] for order in rows], self.paging)

    def _candidates(self, orders: dict[int, Json]) -> Iterable[Json]:
        if self.include is None:
            return orders.values()
        return [orders[one] for one in dict.fromkeys(self.include) if one in orders]

    def _matches(self, order: Json) -> bool:
        status = order["status"]
        if "any" in self.statuses:
            if status in {"trash", "auto-draft"}:
                return False
        elif status not in self.statuses:
            return False
        if self.customer is not None and order["customer_id"] != self.customer:
            return False
        return order["id"] not in self.exclude and all(bound.passes(order) for bound in self.bounds)

    def _rank(self) -> Callable[[Json], tuple[str | int, ...]]:
        if self.orderby == "id":
            return lambda order: (order["id"],)
        if self.orderby == "modified":
            # No tie-break in the real query: which of two equal rows comes first may differ from page to page.
            page = f"{self.paging.first}/{self.paging.per_page}"
            return lambda order: (order["date_modified_gmt"], zlib.crc32(f"{page}/{order['id']}".encode()))
        return lambda order: (order["date_created_gmt"], order["id"])


def cut(ids: Sequence[int], paging: Paging) -> Found:
    page = ids[paging.first : paging.first + paging.per_page]
    total = len(ids) if page else 0
    return Found(ids=page, total=total, pages=-(-total // paging.per_page))


def read_order_query(fields: Pairs, statuses: Sequence[str], zone: tzinfo) -> OrderQuery:
    """Raises ShopError: 400 with every parameter that is wrong, 501 for what the sandbox does not imitate."""
    given = dict(fields)
    for name in NOT_IMITATED:
        if name in given:
            raise not_imitated(f"the parameter {name}")
    problems = Problems()
    paging = read_paging(given, problems)
    gmt_dates = _read_boolean("dates_are_gmt", given, problems)
    bounds = [_read_bound(name, given[name], gmt_dates, zone, problems) for name in DATES if name in given]
    exclude = _read_ids("exclude", fields, problems)
    include = _read_ids("include", fields, problems)
    order = _read_choice("order", given, ("asc", "desc"), "desc", problems)
    orderby = _read_choice("orderby", given, ORDERINGS, "date", problems)
    wanted = _read_statuses(fields, statuses, problems)
    customer = _read_integer("customer", given, problems)
    problems.raise_if_any()
    return OrderQuery(
        paging=paging,
        statuses=wanted,
        orderby=orderby,
        descending=order == "desc",
        bounds=tuple(bound for bound in bounds if bound is not None),
        include=include or None,
        exclude=frozenset(exclude),
        customer=customer,
    )


def read_paging(given: dict[str, str], problems: Problems) -> Paging:
    page = _read_integer("page", given, problems)
    if page is not None and page < 1:
        problems.add("page", "rest_out_of_bounds", "page must be greater than or equal to 1")
    per_page = _read_integer("per_page", given, problems)
    if per_page is not None and not 1 <= per_page <= 100:
        limits = "per_page must be between 1 (inclusive) and 100 (inclusive)"
        problems.add("per_page", "rest_out_of_bounds", limits)
    offset = _read_integer("offset", given, problems)
    if offset is not None and offset < 0:
        raise not_imitated("a negative offset")
    return Paging(page=1 if page is None else page, per_page=per_page or 10, offset=offset)


def read_list(name: str, fields: Pairs) -> list[str]:
    """`name=a,b`, `name[]=a&name[]=b` and `name[0]=a` alike."""
    values: list[str] = []
    for key, value in fields:
        if key == name:
            values = [part for part in re.split(r"[\s,]+", value) if part]
        elif re.fullmatch(re.escape(name) + r"\[\d*\]", key):
            values.append(value)
    return values


def cutoff_gmt(text: str, zone: tzinfo, *, gmt_dates: bool) -> str | None:
    """The UTC second a date filter really compares with, None if WordPress takes the text for no date.

    With dates_are_gmt the text is turned into the site's wall clock, and that is taken for UTC: right for a time
    without a zone, wrong by the site's offset for one with `Z`, and an hour late where the site's wall clock skips
    the hour when summer time begins. Without it, a time without a zone is the site's; a repeated hour reads as its
    second pass. https://developer.wordpress.org/reference/classes/wp_date_query/build_mysql_datetime/
    """
    match = _DATE.match(text)
    if match is None:
        return None
    wall = _calendar(match)
    if wall is None:
        return None
    stated = match[8]
    instant = _from_site(wall, zone) if stated is None else wall.replace(tzinfo=_offset(stated))
    if gmt_dates:
        return instant.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")
    if stated is not None and not _PLAIN_ZONED.match(text):
        # Any other zoned form is read right, written as UTC, and then read as site time once more.
        instant = _from_site(instant.astimezone(UTC).replace(tzinfo=None), zone)
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def link_header(
    route_url: str, fields: Pairs, query: OrderQuery | Paging, found: Found, *, index: str
) -> str:
    """The Link header: neighbours of the page, with the query as WordPress normalised it, or just the index."""
    paging = query if isinstance(query, Paging) else query.paging
    normal = _normalised(fields, query, shown=bool(found.ids))
    links = []
    if paging.page > 1:
        previous = min(paging.page - 1, found.pages)
        links.append(f'<{route_url}?{_with_page(normal, previous)}>; rel="prev"')
    if paging.page < found.pages:
        links.append(f'<{route_url}?{_with_page(normal, paging.page + 1)}>; rel="next"')
    return ", ".join(links) or index


def _normalised(fields: Pairs, query: OrderQuery | Paging, *, shown: bool) -> list[tuple[str, str]]:
    if isinstance(query, Paging):
        return list(fields)
    pairs: list[tuple[str, str]] = []
    for name, value in fields:
        plain = name.partition("[")[0]
        if plain in ID_LISTS:
            pairs += [(f"{plain}[{place}]", one) for place, one in enumerate(read_list(plain, fields))]
        elif plain != "status":
            pairs.append((name, value))
    pairs += [(f"status[{place}]", status) for place, status in enumerate(query.statuses)]
    if shown:  # set while the rows are prepared, so an empty page has none of them
        names = {name for name, _ in fields}
        pairs += [pair for pair in (("dp", "2"), ("context", "view")) if pair[0] not in names]
    return list(dict.fromkeys(pairs))


def _with_page(pairs: list[tuple[str, str]], page: int) -> str:
    numbered = [(name, str(page) if name == "page" else value) for name, value in pairs]
    if "page" not in dict(pairs):
        numbered.append(("page", str(page)))
    return "&".join(f"{quote(name, safe='')}={quote_plus(value)}" for name, value in numbered)


def _read_integer(name: str, given: dict[str, str], problems: Problems) -> int | None:
    if name not in given:
        return None
    try:
        return int(given[name])
    except ValueError:
        problems.add_wrong_type(name, "integer")
        return None


def _read_boolean(name: str, given: dict[str, str], problems: Problems) -> bool:
    value = given.get(name, "0").lower()
    if value not in {"0", "1", "true", "false"}:
        problems.add_wrong_type(name, "boolean")
    return value in {"1", "true"}


def _read_choice(
    name: str, given: dict[str, str], choices: Sequence[str], default: str, problems: Problems
) -> str:
    value = given.get(name, default)
    if value not in choices:
        problems.add(name, "rest_not_in_enum", f"{name} is not one of {_enumerate(choices)}.")
    return value


def _read_statuses(fields: Pairs, statuses: Sequence[str], problems: Problems) -> tuple[str, ...]:
    names = {name.partition("[")[0] for name, _ in fields}
    values = read_list("status", fields) if "status" in names else ["any"]
    if not values:
        raise not_imitated("an empty status")
    allowed = ("any", "trash", *statuses)
    for place, value in enumerate(values):
        if value not in allowed:
            message = f"status[{place}] is not one of {_enumerate(allowed)}."
            problems.add("status", "rest_not_in_enum", message)
    return tuple(values)


def _read_ids(name: str, fields: Pairs, problems: Problems) -> tuple[int, ...]:
    ids = []
    for place, value in enumerate(read_list(name, fields)):
        if value.isdecimal():
            ids.append(int(value))
        else:
            problems.add_wrong_type(name, "integer", f"{name}[{place}]")
    return tuple(ids)


def _read_bound(name: str, text: str, gmt_dates: bool, zone: tzinfo, problems: Problems) -> Bound | None:
    gmt = cutoff_gmt(text, zone, gmt_dates=gmt_dates)
    if gmt is None:
        problems.add(name, "rest_invalid_date", "Invalid date.")
        return None
    column = "date_modified_gmt" if name.startswith("modified_") else "date_created_gmt"
    return Bound(column=column, after=name.endswith("after"), gmt=gmt)


def _calendar(match: re.Match[str]) -> datetime | None:
    """The wall time as PHP reads it: day 30 of February is the second of March, month 13 is no month."""
    year, month, day, hour, minute, second = (int(match[place]) for place in range(1, 7))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour <= 24 and minute <= 59 and second <= 59 and year):
        return None
    since_month_start = timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second)
    return datetime(year, month, 1) + since_month_start  # noqa: DTZ001 - a wall time, its zone comes later


def _from_site(wall: datetime, zone: tzinfo) -> datetime:
    """A skipped hour reads as the hour after it, a repeated one as its second pass."""
    return max(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def _offset(stated: str) -> timezone:
    if stated.upper() == "Z":
        return UTC
    hours, _, minutes = stated[1:].partition(":")
    ahead = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-ahead if stated[0] == "-" else ahead)


def _enumerate(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])}, and {names[-1]}" if len(names) > 2 else " and ".join(names)
