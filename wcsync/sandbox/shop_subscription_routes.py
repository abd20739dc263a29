"""The sandbox shop's routes of subscriptions, and how one is answered.

By the plugin's source its list is the list of orders with other statuses, and a subscription is answered as an order
with its schedule behind; fields that wcsync does not read stand as in one answer that somebody published.
https://woocommerce.github.io/subscriptions-rest-api-docs/#subscriptions
"""

from wcsync.sandbox.shop_errors import ShopError, not_imitated
from wcsync.sandbox.shop_http import Call, Result, Route
from wcsync.sandbox.shop_lists import Lists, Site, all_unbuilt, route, unbuilt
from wcsync.sandbox.shop_query import read_order_query
from wcsync.sandbox.shop_render import Render
from wcsync.sandbox.shop_shapes import ITEM_METHODS, Json, link
from wcsync.sandbox.shop_subscriptions import SubscriptionState

SCHEDULE = ("start", "trial_end", "next_payment", "payment_retry", "last_payment", "cancelled", "end")


def subscription_routes(state: SubscriptionState, site: Site) -> tuple[Route, ...]:
    """There while the plugin is switched on."""
    subscriptions = Subscriptions(state, site)
    writing = all_unbuilt("writing subscriptions", "POST", "PUT", "PATCH", "DELETE")
    return (
        route(r"/subscriptions", GET=subscriptions.find, POST=unbuilt("creating subscriptions")),
        route(r"/subscriptions/(\d+)", GET=subscriptions.show, **writing),
        route(
            r"/subscriptions/(?:statuses|batch|\d+/(?:orders|notes)(?:/\d+)?)",
            **all_unbuilt("this part of the plugin", "GET", "POST", "PUT", "PATCH", "DELETE"),
        ),
    )


class Subscriptions(Lists):
    _state: SubscriptionState

    def find(self, call: Call) -> Result:
        query = read_order_query(call.fields, self._state.subscription_statuses, self._state.timezone)
        found = query.select(self._state.subscriptions)
        rows = [self._subscription(one) for one in found.ids]
        return self._paged("/subscriptions", call.fields, query, found, rows)

    def show(self, call: Call) -> Result:
        (number,) = call.ids
        if number in self._state.orders:
            raise not_imitated("asking for an order as for a subscription")
        if number not in self._state.subscriptions:
            raise ShopError(404, "woocommerce_rest_shop_subscription_invalid_id", "Invalid ID.")
        return Result(value=self._subscription(number))

    def _subscription(self, number: int) -> Json:
        raw = self._state.raw_subscriptions.get(number)
        render = SubscriptionRender(self._state, self._site.url())
        return raw if raw is not None else render.subscription(self._state.subscriptions[number])


class SubscriptionRender(Render):
    def subscription(self, one: Json) -> Json:
        told = self._order(one) | {"parent_id": one["parent_id"]}
        links = told.pop("_links")
        for name in ("refunds", "currency_symbol"):
            told.pop(name)
        dates = {f"{name}_date_gmt": one["schedule"].get(name, "") for name in SCHEDULE}
        return (
            told
            | {"billing_period": "month", "billing_interval": "1"}
            | dates
            | {"resubscribed_from": "", "resubscribed_subscription": "", "removed_line_items": []}
            | {"_links": links}
        )

    def _order_links(self, order: Json) -> Json:
        path = f"{self._api}/subscriptions"
        return {
            "self": [link(f"{path}/{order['id']}", ITEM_METHODS)],
            "collection": [{"href": path}],
            "up": [{"href": f"{self._api}/orders/{order['parent_id']}"}],
        }
