"""What people say to the daemon of a sale world, and what they do by hand in its LMSs."""

from tests.sale_shop import SaleShop
from tests.sale_stage import ADDRESSES, EVE, Pair
from wcsync.ledger.desk import Giving, Merging
from wcsync.model import LmsName, OrderId, Person


class SalePeople(SaleShop):
    """`by_hand`: who is in a course, or is not, by a hand in the LMS; `forgotten`: whose address was erased."""

    def assign(self, order_id: int, address: str) -> None:
        """An open seat of the first line that has any."""
        lines = self.ledger.desk.read_open_seats(OrderId(order_id))
        if not lines:
            return
        line_id = lines[0].line_id
        giving = Giving(order_id=OrderId(order_id), line_id=line_id, learners=(Person(email=address),))
        if self.ledger.desk.assign([giving], self.plan, self.here()):
            assigned = self.told[order_id].assigned
            assigned[line_id] = (*assigned.get(line_id, ()), address)
            seated = self.told[order_id].seated
            seated[line_id] = (*seated.get(line_id, ()), address)
        self._changed()

    def end(self, order_id: int) -> None:
        self.ledger.desk.end(OrderId(order_id), None, None, self.plan, self.here())
        self._changed()

    def hold(self, order_id: int) -> None:
        self.ledger.desk.hold(OrderId(order_id), "", self.plan, self.here())
        self.held.add(order_id)
        self.steady = {one for one in self.steady if one[0] != order_id}

    def release(self, order_id: int) -> None:
        self.ledger.desk.release(OrderId(order_id), self.plan, self.here())
        self.held.discard(order_id)
        self._read_on()

    def relink(self, old: str, new: str) -> None:
        """Once for each address, and never onto one that is somebody else's: what that comes to, memory decides."""
        taken = {*self.same_person, *self.same_person.values()}
        if old == new or EVE in {old, new} or old in taken or new in self.same_person:
            return
        try:
            self.ledger.desk.relink(old, Person(email=new), self.plan, self.here(), force=True)
        except (KeyError, Merging):
            return
        self.same_person[old] = new
        self._changed()
        self.steady = self.support() & {
            (order, new if who == old else who, course) for order, who, course in self.steady
        }

    def forget(self, address: str) -> None:
        """Somebody who has nothing to expect any more, as the command asks to be sure of."""
        trace = self.ledger.desk.trace(address)
        if trace is None or trace.live or trace.waiting:
            return
        self.ledger.desk.forget(address, self.here())
        keys = set(trace.keys)
        self.forgotten |= {one for one in ADDRESSES if self.ledger.identify(one) in keys}

    def revive(self) -> int:
        """Somebody mended what the dead rows died of."""
        return self.ledger.desk.revive(None, None, None, self.plan, self.here())

    # -- by hand, in an LMS ------------------------------------------------------------------------------------------
    def take_by_hand(self, address: str, place: str) -> None:
        lms, _, course = place.partition(":")
        self.lmss[LmsName(lms)].take_by_hand(address, course)
        self._touched((address, place))

    def put_out_by_hand(self, address: str, place: str) -> None:
        lms, _, course = place.partition(":")
        self.catch_up()
        self.lmss[LmsName(lms)].put_out_by_hand(address, course)
        self._touched((address, place))

    def delete_account(self, address: str, lms: str) -> None:
        self.catch_up()
        campus = self.lmss[LmsName(lms)]
        lost = {pair for pair in campus.places() if pair[0] == address}
        campus.delete_account(address)
        self._touched(*lost)

    def _touched(self, *pairs: Pair) -> None:
        self.by_hand.update(pairs)
        self.ever.update(pairs)
