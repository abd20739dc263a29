"""What a shop's refusal means, in words a shop's admin can act on. Pure.

Codes are shown, texts never: a text is translated and may quote anything. The few English texts matched below only
sharpen a sentence that is right without them.
"""

from typing import Literal

from wcsync.errors import ServiceBlocked, TransientError, WcsyncError
from wcsync.store.wire import Refusal

Way = Literal["basic", "query", "oauth"]
"""How the key travels: in the Authorization header, in the query, or as a signature in the query."""

_KEYS_PAGE = "WooCommerce > Settings > Advanced > REST API"
_SECRET = f"its consumer_secret does not fit its consumer_key; copy both anew from {_KEYS_PAGE}"
_CLOCK = "the signed time is off by more than 15 minutes; set this machine's and the shop's clock by NTP"
_SIGNATURE = (
    "the signature does not fit: the consumer_secret is wrong, or a proxy rewrites the address; use https"
)

_KNOWN_TEXTS = {
    "Consumer secret is invalid.": _SECRET,
    "Consumer key is invalid.": f"it does not know the consumer_key; copy it anew from {_KEYS_PAGE}",
    "The API key provided does not have read permissions.": (
        f"its key may not read; set the key's permissions to Read or Read/Write under {_KEYS_PAGE}"
    ),
    "The API key provided does not have write permissions.": (
        f"its key may not write; set the key's permissions to Read/Write under {_KEYS_PAGE}"
    ),
    "Invalid timestamp.": _CLOCK,
    "Invalid signature - provided signature does not match.": _SIGNATURE,
}
_USED_NONCE = "Invalid nonce - nonce has already been used."

_UNSEEN_KEY = {
    "basic": (
        "check consumer_key and consumer_secret; if they are right, the host strips the Authorization header: set "
        'auth = "query"'
    ),
    "query": "check consumer_key and consumer_secret, and that no proxy cuts the query off",
    "oauth": "check consumer_key and consumer_secret, and that no proxy cuts the query off; use https if you can",
}


def explain(name: str, status: int, refusal: Refusal | None, way: Way) -> WcsyncError:
    """The error to raise for an answer from 400 to 499 or an error in an answer that claims success.

    `refusal` None: the answer was no JSON error, so not WooCommerce spoke but what stands in front of it.
    """
    if refusal is None:
        return ServiceBlocked(f"{name}: {_in_front(status)}")
    if refusal.message == _USED_NONCE:  # drawn by lot from 10^8: it does happen, and the next draw is another
        return TransientError(f"{name}: took a signature for a repeated one; it will be asked again")
    status = status if status >= 400 else refusal.status
    if status >= 500:
        return TransientError(f"{name}: reports an error inside it ({refusal.code}); it will be asked again")
    shown = ": ".join([refusal.code, *([", ".join(refusal.params)] if refusal.params else [])])
    return ServiceBlocked(f"{name}: {_by_status(status, refusal, way)} ({status or 200} {shown})")


def _by_status(status: int, refusal: Refusal, way: Way) -> str:
    match status:
        case 401:
            return _unauthorised(refusal, way)
        case 403:
            return (
                "may not be read with this key; give the key to a user who is administrator or shop manager, and "
                "look for a security plugin that closes the REST API"
            )
        case 404:
            return (
                "does not know WooCommerce's REST API (wc/v3); activate WooCommerce 3.5 or newer, and check that "
                "url is the shop's own address"
            )
        case 400:
            return "refuses our question; look for a plugin or firewall that changes REST requests"
    return "refuses our question; look for a security plugin or firewall in front of /wp-json/"


def _unauthorised(refusal: Refusal, way: Way) -> str:
    if refusal.message in _KNOWN_TEXTS:
        return _KNOWN_TEXTS[refusal.message]
    match refusal.code:
        case "woocommerce_rest_cannot_view":
            return f"does not accept our key; {_UNSEEN_KEY[way]}"
        case "woocommerce_rest_authentication_missing_parameter":
            return "did not get the whole signature: a proxy cuts the query; mend it, or use https"
        case "woocommerce_rest_authentication_error" if way == "oauth":
            return f"does not accept our signature: either {_SIGNATURE}, or {_CLOCK}"
        case "woocommerce_rest_authentication_error":
            return f"does not accept our key: either {_SECRET}, or the key may not read"
    return "asks for a log-in; look for a security plugin that closes the REST API to keys"


def _in_front(status: int) -> str:
    match status:
        case 401:
            return (
                "a password prompt stands in front of it (401, not from WooCommerce); exempt /wp-json/ from it, or "
                "let this machine's address in"
            )
        case 404:
            return (
                "has no /wp-json/ at this address (404); check url, and set WordPress's permalinks to anything but "
                "Plain"
            )
    return f"a firewall or proxy in front of it refuses us ({status}); let this machine's address in"
