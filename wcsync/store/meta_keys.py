"""Where in an order its shop writes who learns: meta keys, as the config gives them or as known plugins use them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

GIFTED = "wcsg_recipient"
_TICKETS = "WooCommerceEventsOrderTickets.*.*.WooCommerceEvents"

EMAIL_KEYS = (
    "_wcsync_learner_email",
    "learner_email",
    "student_email",
    GIFTED,
    f"{_TICKETS}AttendeeEmail",
)
FIRST_NAME_KEYS = (
    "_wcsync_learner_first_name",
    "learner_first_name",
    "student_first_name",
    f"{_TICKETS}AttendeeName",
)
LAST_NAME_KEYS = (
    "_wcsync_learner_last_name",
    "learner_last_name",
    "student_last_name",
    f"{_TICKETS}AttendeeLastName",
)
PRODUCT_KEYS = (f"{_TICKETS}ProductID",)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaKeys:
    """Keys of meta values, of each kind those to be tried in turn: the first that holds anything counts.

    `email`, `first_name`, `last_name`: of learners, in a line's meta or in the order's. `product`: which of several
    products each learner of an order is meant for. `fields`: what an LMS wants besides, by names of our own; there
    `billing.…` and `shipping.…` name parts of the order's addresses.

    A key is taken as it stands if there is such a meta key, else as a path into one: `attendees.*.email`. `*`, or a
    list where a name should be, means each member; `#` in the meta key itself stands for a number, as in
    `student_#_email`. Names and products belong to the learner at the same place.

    The defaults are custom checkout fields' usual names, and these plugins:
    - FooEvents: order meta `WooCommerceEventsOrderTickets`, by ticket type and number; a buyer who was not asked for
      attendees leaves empty addresses there. https://help.fooevents.com/docs/topics/tickets/ticket-sending/
    - Gifting for WooCommerce Subscriptions: line meta `wcsg_recipient`, `wcsg_recipient_id_77`. That is the number of
      an account and no address, so a person must say who it is; without this key the giver would get the gift.
      https://github.com/woocommerce/woocommerce-subscriptions-gifting
    Left out are Event Tickets Plus (`_tribe_tickets_meta.*.*.tribe-tickets-plus-iac-email`) and Tickera
    (`tc_cart_info.owner_data.owner_email_post_meta`), which say only by a key whom they mean by which product, and gift
    cards (`wc_gc_giftcard_to_multiple`, `_ywgc_recipients`), whose recipients get money and no course.
    """

    email: tuple[str, ...] = EMAIL_KEYS
    first_name: tuple[str, ...] = FIRST_NAME_KEYS
    last_name: tuple[str, ...] = LAST_NAME_KEYS
    product: tuple[str, ...] = PRODUCT_KEYS
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def of_addresses(self) -> tuple[str, ...]:
        """The parts of billing and shipping address that are wanted, sorted."""
        wanted = {key for keys in self.fields.values() for key in keys if is_of_address(key)}
        return tuple(sorted(wanted))


def is_of_address(key: str) -> bool:
    return key.startswith(("billing.", "shipping."))


KNOWN_PLUGINS = MetaKeys()
