"""The fake shop's products: answered as bytes made beforehand, and changed by batches."""

import threading

import msgspec

from benchmarks.exchange import Answer, Request
from benchmarks.payload import cut, php_json
from benchmarks.shop import INDEX, totals
from benchmarks.stats import Stats
from benchmarks.wares import Json, changed, sku_of, ware, with_links


class Shelf:
    """`products` in all, numbered from 1; `fields` is what a list of them holds, whatever is asked for.

    `/patches` tells what no shop does: the last patch of each product, as it came.
    """

    def __init__(self, *, products: int, fields: str) -> None:
        self._lock = threading.Lock()
        self._count = products
        self._fields = fields
        self._ids = {sku_of(number): number for number in range(1, products + 1)}
        self.forget()

    def forget(self) -> None:
        with self._lock:
            self._edition = 0
            self._products = {number: ware(number) for number in range(1, self._count + 1)}
            self._patches: dict[int, msgspec.Raw] = {}
            self._cut = {number: self._render(product) for number, product in self._products.items()}

    def fill(self, stats: Stats) -> None:
        """It counts nothing of its own."""

    def answer(self, request: Request) -> Answer:
        with self._lock:
            match request.path:
                case "/wp-json":
                    return Answer(kind="index", body=INDEX)
                case "/wp-json/wc/v3/products":
                    return self._page(request)
                case "/wp-json/wc/v3/products/batch":
                    return self._write(msgspec.json.decode(request.body, type=_Batch))
                case "/patches":
                    return Answer(kind="patches", body=msgspec.json.encode(list(self._patches.values())))
        return Answer(kind="unknown", status=404, body=b"{}")

    def _page(self, request: Request) -> Answer:
        """What `include` or `sku` names, by id, in windows."""
        query = request.query
        if "include" in query:
            asked = {int(number) for number in query["include"].split(",")}
        elif query.get("status") == "trash":
            asked = set()
        else:
            asked = {self._ids[sku] for sku in query["sku"].split(",") if sku in self._ids}
        found = sorted(asked & self._cut.keys())
        start, size = int(query["offset"]), int(query["per_page"])
        rows = [self._cut[number] for number in found[start : start + size]]
        pages = -(-len(found) // size)
        return Answer(kind="page", body=b"[%b]" % b",".join(rows), headers=totals(len(found), pages))

    def _write(self, batch: "_Batch") -> Answer:
        self._edition += 1
        stored = list[Json]()
        for raw in batch.update:
            patch = msgspec.json.decode(raw)
            number = patch["id"]
            self._products[number] = changed(self._products[number], patch, self._edition)
            self._cut[number] = self._render(self._products[number])
            self._patches[number] = msgspec.Raw(bytes(raw))
            stored.append(with_links(self._products[number]))
        return Answer(kind="batch", body=php_json({"update": stored}), items=len(stored))

    def _render(self, product: Json) -> bytes:
        return php_json(cut(product, self._fields))


class _Batch(msgspec.Struct):
    update: list[msgspec.Raw]
