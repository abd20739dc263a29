"""Reading the subscriptions of a shop that has the plugin WooCommerce Subscriptions."""

from collections.abc import Iterator
from datetime import datetime

from wcsync.http import Reply
from wcsync.model import OrderId, SubscriptionPage, Unreadable
from wcsync.sale import Subscription
from wcsync.store import wire
from wcsync.store.listing import Listing
from wcsync.store.talk import Talk

PATH = "subscriptions"
NOT_OFFERED = "the shop has no subscriptions (any more): its plugin is not there or switched off"


class Subscriptions:
    """A key that may read orders may read these: the plugin asks for the same rights."""

    def __init__(self, talk: Talk, page_size: int) -> None:
        self._talk = talk
        self._listing = Listing(
            talk,
            PATH,
            render=wire.render_subscriptions_query,
            parse=wire.parse_subscriptions,
            statuses=wire.SUBSCRIPTION_STATUSES,
            page_size=page_size,
            check=self._check,
        )

    def walk(self, since: datetime, first_page: int) -> Iterator[SubscriptionPage]:
        number = first_page
        try:
            for sheet in self._listing.walk(since, first_page):
                number = sheet.number + 1
                yield SubscriptionPage(
                    number=sheet.number,
                    subscriptions=tuple(row for row in sheet.rows if isinstance(row, Subscription)),
                    unreadable=tuple(row for row in sheet.rows if isinstance(row, Unreadable)),
                    size=len(sheet.rows),
                    total=sheet.total,
                    server_time=sheet.server_time,
                    last=sheet.last,
                )
        except _NotOfferedError:
            yield SubscriptionPage(number=number, last=True, offered=False)

    def fetch(self, subscription_id: int) -> Subscription | Unreadable | None:
        reply = self._talk.ask(f"{PATH}/{subscription_id}", wire.render_subscription_query())
        if reply.status == 404 and wire.says_no_such_subscription(reply.content):
            return None
        try:
            self._check(reply)
        except _NotOfferedError:
            return Unreadable(order_id=OrderId(subscription_id), reason=NOT_OFFERED)
        told = self._talk.understood(wire.parse_subscription, reply)
        if isinstance(told, Unreadable):
            return Unreadable(order_id=OrderId(subscription_id), reason=told.reason)
        if told.subscription_id != subscription_id:
            raise self._talk.cached(f"was asked for subscription {subscription_id} and answered with another")
        return told

    def _check(self, reply: Reply) -> None:
        if reply.status == 404 and wire.says_no_subscriptions(reply.content):
            raise _NotOfferedError
        self._talk.check(reply)


class _NotOfferedError(Exception):
    """The shop knows no such address."""
