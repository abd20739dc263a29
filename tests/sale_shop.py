"""What becomes of orders in the shop of a sale world."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from tests.sale_daemon import SaleDaemon
from tests.sale_merchant import PRICE
from tests.sale_stage import CLUB
from wcsync.sandbox.shop_lines import Sold


class SaleShop(SaleDaemon):
    """The merchant's and the buyers' hands."""

    def buy(self, buyer: str, lines: Sequence[Sold], *, learner: str = "", status: str = "completed") -> int:
        self.tick(1)
        meta = {"learner_email": learner} if learner else None
        order_id = self.shop.buy(buyer, lines=lines, status=status, paid=status == "completed", meta=meta)
        if any(sold.product_id == CLUB for sold in lines):
            self.shop.start_subscription(order_id)
        self._changed()
        return order_id

    def set_status(self, order_id: int, status: str) -> None:
        self._change(lambda: self.shop.set_status(order_id, status))

    def trash(self, order_id: int) -> None:
        self._change(lambda: self.shop.trash(order_id))

    def restore(self, order_id: int) -> None:
        self._change(lambda: self.shop.restore(order_id))

    def refund_pieces(self, order_id: int, line_id: int, pieces: int) -> None:
        """As many as are left to be given back, without those of learners who are to stay."""
        [line] = [one for one in self.shop.orders[order_id]["line_items"] if one["id"] == line_id]
        amount = Decimal(line["total"]) * pieces / Decimal(str(line["quantity"]))
        if pieces and amount <= self.shop.refundable(order_id):
            self._change(lambda: self.shop.refund(order_id, amount, lines=[(line_id, pieces, amount)]))

    def refund_amount(self, order_id: int, amount: int, line_id: int | None = None) -> None:
        """A mere amount, of a line or of the order as a whole."""
        if amount <= self.shop.refundable(order_id):
            lines = [(line_id, 0, amount)] if line_id is not None else []
            self._change(lambda: self.shop.refund(order_id, amount, lines=lines))

    def refund_all(self, order_id: int) -> None:
        if self.shop.refundable(order_id) > 0:
            self._change(lambda: self.shop.refund(order_id))

    def delete_refund(self, order_id: int, pick: int) -> None:
        """No date of change tells of it."""
        refunds = self.shop.refunds[order_id]
        self._hide(order_id)
        self._change(lambda: self.shop.delete_refund(order_id, refunds[pick % len(refunds)]["id"]))

    def delete_forever(self, order_id: int) -> None:
        """Once the daemon has read all that came before: what it did not see, nobody can ask for any more."""
        if not self.poll():
            return
        self.reconcile()
        self._hide(order_id)
        _ = self.merchant.orders, self.merchant.refunds
        self._change(lambda: self.shop.delete_forever(order_id))

    def subscription(self, act: str, number: int) -> None:
        self._change(lambda: getattr(self.shop, f"{act}_subscription")(number))

    def _hide(self, order_id: int) -> None:
        """Something becomes of it that its date of change does not tell."""
        self.hidden.add(order_id)
        self.ever_hidden.add(order_id)

    def _change(self, act: Callable[[], object]) -> None:
        self.tick(1)
        act()
        self._changed()

    # -- edits -------------------------------------------------------------------------------------------------------
    def edit_buyer(self, order_id: int, address: str) -> None:
        """Another address on the invoice: seats that were sold stay with whom they were sold to."""
        self._change(lambda: self.shop.edit(order_id, billing={"email": address}))

    def edit_learner(self, order_id: int, line_id: int, address: str) -> None:
        """Another learner in the meta of the order, or of one of its lines; '' takes the name away."""
        self._change(lambda: self.shop.write_meta(order_id, line_id, learner_email=address or None))

    def edit_quantity(self, order_id: int, pick: int, quantity: int) -> None:
        lines = self.merchant.plain_lines(order_id)
        if lines:
            line = lines[pick % len(lines)]
            if self._may_cost(order_id, Decimal(PRICE * quantity) - Decimal(line["total"])):
                self._change(lambda: self.merchant.edit_quantity(order_id, line, quantity))

    def take_line_out(self, order_id: int, pick: int) -> None:
        """Of an order that has others."""
        lines = self.merchant.plain_lines(order_id)
        if lines and len(self.shop.orders[order_id]["line_items"]) > 1:
            line = lines[pick % len(lines)]
            if self._may_cost(order_id, -Decimal(line["total"])):
                self._change(lambda: self.merchant.take_line_out(order_id, line))

    def _may_cost(self, order_id: int, more: Decimal) -> bool:
        """No order comes to cost less than what was given back of it."""
        return self.shop.refundable(order_id) + more > 0

    def put_line_in(self, order_id: int, sold: Sold) -> None:
        self._change(lambda: self.merchant.put_line_in(order_id, sold))

    def _changed(self) -> None:
        """Keeps what the daemon may read from now on."""
        raise NotImplementedError
