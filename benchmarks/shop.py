"""The fake shop: pages of orders made beforehand, whatever window is asked for."""

from benchmarks.exchange import Answer, Request
from benchmarks.payload import page_sizes, render_pages
from benchmarks.stats import Stats

INDEX = (
    b'{"name":"Bench","url":"https:\\/\\/shop.example.test","home":"https:\\/\\/shop.example.test",'
    b'"namespaces":["wp\\/v2","wc\\/v3"]}'
)
NO_SUCH_STATUS = (
    b'{"code":"rest_invalid_param","message":"Invalid parameter(s): status","data":{"status":400,"params":{"status":'
    b'"status[0] is not one of any, trash, pending, processing, on-hold, completed, cancelled, refunded, failed, and '
    b'checkout-draft."},"details":{}}}'
)


class Shop:
    """`orders` in all; `fields` is what a request with `_fields` gets, unless `whole` orders are sent regardless.

    `distinct_pages`: so many pages are made, and sent again and again. `/sell?number=N` does what a buyer does: from
    then on the shop holds that one order.
    """

    def __init__(
        self, *, orders: int, page_size: int, fields: str, whole: bool = False, distinct_pages: int = 0
    ) -> None:
        self._orders = orders
        self._whole = whole
        self._fields = fields
        sizes = page_sizes(orders, page_size)
        pages = render_pages(sizes[:distinct_pages] if distinct_pages else sizes, fields)
        self._pages = [pages[number % len(pages)] for number in range(len(sizes))]

    def answer(self, request: Request) -> Answer:
        if request.path == "/sell":
            self._orders, self._pages = 1, render_pages([1], self._fields, first=int(request.query["number"]))
            return Answer(kind="sell", body=b"{}")
        if request.path == "/wp-json":
            return Answer(kind="index", body=INDEX)
        if request.path != "/wp-json/wc/v3/orders":
            return Answer(kind="unknown", status=404, body=b"{}")
        if "page" not in request.query:
            return Answer(kind="statuses", status=400, body=NO_SUCH_STATUS)
        return self._page(int(request.query["page"]), cut="_fields" in request.query and not self._whole)

    def forget(self) -> None:
        """It never changes."""

    def fill(self, stats: Stats) -> None:
        """It counts nothing of its own."""

    def _page(self, number: int, *, cut: bool) -> Answer:
        """Past the end WooCommerce sends an empty list and counts nothing."""
        if number > len(self._pages):
            return Answer(kind="page", body=b"[]", headers=totals(0, 0))
        page = self._pages[number - 1]
        return Answer(
            kind="page",
            body=page.cut if cut else page.whole,
            headers=totals(self._orders, len(self._pages)),
        )


def totals(rows: int, pages: int) -> tuple[tuple[str, str], ...]:
    return (
        ("X-WP-Total", str(rows)),
        ("X-WP-TotalPages", str(pages)),
        ("Allow", "GET, POST"),
        ("Link", '<https://shop.example.test/wp-json/wc/v3/orders?page=2>; rel="next"'),
    )
