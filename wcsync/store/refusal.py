"""What a shop's refusal means, in words a shop's admin can act on. Pure.

Codes are shown, texts never: a text is translated and may quote anything. The few English texts matched below only
sharpen a sentence that is right without them.
"""

from typing import Literal

from wcsync.errors import Finding, ServiceBlocked, TransientError, WcsyncError
from wcsync.store.wire import CANNOT_VIEW, NOT_AUTHENTICATED, Refusal

Way = Literal["basic", "query", "oauth"]
"""How the key travels: in the Authorization header, in the query, or as a signature in the query."""

_KEYS_PAGE = "WooCommerce > Settings > Advanced > REST API"

WRONG_KEY = Finding(
    code="wrong_key",
    message="it does not know the consumer_key",
    remedy=f"copy it anew from {_KEYS_PAGE}, or add a key there if it was revoked",
)
WRONG_SECRET = Finding(
    code="wrong_secret",
    message="its consumer_secret does not fit its consumer_key",
    remedy=f"copy both anew from {_KEYS_PAGE}; the shop shows a secret only once, so that may mean a new key",
)
MAY_NOT_READ = Finding(
    code="key_may_not_read",
    message="its key may not read",
    remedy=f"set the key's permissions to Read or Read/Write under {_KEYS_PAGE}",
)
MAY_NOT_WRITE = Finding(
    code="key_may_not_write",
    message="its key may not write",
    remedy=f"set the key's permissions to Read/Write under {_KEYS_PAGE}",
)
USER_MAY_NOT_WRITE = Finding(
    code="key_user_may_not",
    message="the user of its key may not change products",
    remedy="give the key to a user who is administrator or shop manager",
)
HEADER_STRIPPED = Finding(
    code="authorization_stripped",
    message="the key is known, but the host strips the Authorization header that carries it",
    remedy='set auth = "query" under [store] in the config, or let the web server hand the header to PHP',
)
CLOCKS_APART = Finding(
    code="clock_skew",
    message="the signed time is off by more than 15 minutes",
    remedy="set this machine's and the shop's clock by NTP",
)
WRONG_SIGNATURE = Finding(
    code="wrong_signature",
    message="the signature does not fit: the consumer_secret is wrong, or a proxy rewrites the address",
    remedy=f"copy consumer_key and consumer_secret anew from {_KEYS_PAGE}, or use https",
)
NO_WOOCOMMERCE = Finding(
    code="no_woocommerce",
    message="WordPress answers, but without WooCommerce's REST API (wc/v3)",
    remedy="activate WooCommerce (Plugins > Installed Plugins), or update it",
)
PLAIN_PERMALINKS = Finding(
    code="plain_permalinks",
    message="its WordPress has plain permalinks, so that there is no /wp-json/",
    remedy="choose anything but Plain under Settings > Permalinks and save",
)

_KNOWN_TEXTS = {
    "Consumer secret is invalid.": WRONG_SECRET,
    "Consumer key is invalid.": WRONG_KEY,
    "The API key provided does not have read permissions.": MAY_NOT_READ,
    "The API key provided does not have write permissions.": MAY_NOT_WRITE,
    "Invalid timestamp.": CLOCKS_APART,
    "Invalid signature - provided signature does not match.": WRONG_SIGNATURE,
}
_GONE = "there is no such product any more"
_NOT_WRITTEN = {
    "woocommerce_rest_product_invalid_id": _GONE,
    "woocommerce_rest_product_variation_invalid_id": "there is no such variation any more",
    "woocommerce_rest_invalid_product_id": "it is a variation now; it was written as a product",
    "woocommerce_rest_invalid_variation_id": "it is no variation of that product any more",
    "woocommerce_product_image_upload_error": "the shop could not fetch the image, or takes no file of its kind",
    "woocommerce_product_invalid_image_id": "the shop does not have that image any more",
    "woocommerce_variation_image_upload_error": "the shop could not fetch the image, or takes no file of its kind",
    "woocommerce_variation_invalid_image_id": "the shop does not have that image any more",
    "woocommerce_rest_cannot_edit": "the user of the shop's key may not change it",
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
_REST_CLOSED = "look for a security plugin that closes the REST API, and exempt /wp-json/wc/ there"


def explain(name: str, status: int, refusal: Refusal | None, way: Way) -> WcsyncError:
    """The error to raise for an answer from 400 to 499 or an error in an answer that claims success.

    `refusal` None: the answer was no JSON error, so not WooCommerce spoke but what stands in front of it.
    """
    if refusal is None:
        finding = _in_front(status)
        return ServiceBlocked(f"{name}: {finding}", finding=finding)
    if refusal.message == _USED_NONCE:  # drawn by lot from 10^8: it does happen, and the next draw is another
        return TransientError(f"{name}: took a signature for a repeated one; it will be asked again")
    status = status if status >= 400 else refusal.status
    if status >= 500:
        finding = Finding(
            code="server_error",
            message=f"reports an error inside it ({refusal.code})",
            remedy="it will be asked again; if it stays so, look under WooCommerce > Status > Logs",
        )
        return TransientError(f"{name}: {finding}", finding=finding)
    shown = ": ".join([refusal.code, *([", ".join(refusal.params)] if refusal.params else [])])
    finding = _by_status(status, refusal, way)
    return ServiceBlocked(f"{name}: {finding} ({status or 200} {shown})", finding=finding)


def explain_write(name: str, status: int, refusal: Refusal | None, way: Way) -> WcsyncError:
    """As `explain`, for an answer to a write. That its key may read is taken for granted: it was asked before.

    The shop tells the reason of a 401 in its own language alone, but a key that reads and is known is no wrong one.
    """
    if refusal is not None and status in {401, 403}:
        if refusal.code == NOT_AUTHENTICATED and refusal.message not in _KNOWN_TEXTS and way != "oauth":
            finding = MAY_NOT_WRITE
        elif refusal.code.startswith("woocommerce_rest_cannot_") and refusal.code != CANNOT_VIEW:
            finding = USER_MAY_NOT_WRITE
        else:
            return explain(name, status, refusal, way)
        return ServiceBlocked(f"{name}: {finding} ({status} {refusal.code})", finding=finding)
    return explain(name, status, refusal, way)


def why_not_written(refusal: Refusal) -> str:
    """Why the shop did not take one product, in a sentence without any word of the shop's own."""
    known = _NOT_WRITTEN.get(refusal.code)
    if known is not None:
        return known
    named = f": {', '.join(refusal.params)}" if refusal.params else ""
    return f"the shop does not take it ({refusal.code}{named})"


def _by_status(status: int, refusal: Refusal, way: Way) -> Finding:
    match status:
        case 401:
            return _unauthorised(refusal, way)
        case 403 if refusal.code.startswith("woocommerce_") or refusal.code == "rest_forbidden":
            return Finding(
                code="key_user_may_not",
                message="may not be read with this key",
                remedy="give the key to a user who is administrator or shop manager, and look for a security plugin "
                "that closes the REST API",
            )
        case 403:
            return _rest_closed(refusal, "refuses us")
        case 404:
            return Finding(
                code="no_woocommerce",
                message="does not know WooCommerce's REST API (wc/v3)",
                remedy="activate WooCommerce 3.5 or newer, and check that url is the shop's own address",
            )
        case 400:
            return Finding(
                code="question_refused",
                message="refuses our question",
                remedy="look for a plugin or firewall that changes REST requests",
            )
    return Finding(
        code="question_refused",
        message="refuses our question",
        remedy="look for a security plugin or firewall in front of /wp-json/",
    )


def _unauthorised(refusal: Refusal, way: Way) -> Finding:
    if refusal.message in _KNOWN_TEXTS:
        return _KNOWN_TEXTS[refusal.message]
    match refusal.code:
        case "woocommerce_rest_cannot_view":
            return Finding(code="wrong_key", message="does not accept our key", remedy=_UNSEEN_KEY[way])
        case "woocommerce_rest_authentication_missing_parameter":
            return Finding(
                code="signature_cut",
                message="did not get the whole signature: a proxy cuts the query",
                remedy="mend it, or use https",
            )
        case "woocommerce_rest_authentication_error" if way == "oauth":
            return Finding(
                code="wrong_signature",
                message=f"does not accept our signature: either {WRONG_SIGNATURE.message}, or {CLOCKS_APART.message}",
                remedy=f"{WRONG_SIGNATURE.remedy}; {CLOCKS_APART.remedy}",
            )
        case "woocommerce_rest_authentication_error":
            return Finding(
                code="wrong_secret",
                message=f"does not accept our key: either {WRONG_SECRET.message}, or the key may not read",
                remedy=f"copy both anew from {_KEYS_PAGE}, and look at the key's permissions there",
            )
    return _rest_closed(refusal, "asks for a log-in")


def _rest_closed(refusal: Refusal, what: str) -> Finding:
    return Finding(
        code="rest_closed", message=f"{what}: its REST API is closed ({refusal.code})", remedy=_REST_CLOSED
    )


def _in_front(status: int) -> Finding:
    match status:
        case 401:
            return Finding(
                code="password_prompt",
                message="a password prompt stands in front of it (401, not from WooCommerce)",
                remedy="exempt /wp-json/ from it, or let this machine's address in",
            )
        case 404:
            return Finding(
                code="no_wordpress",
                message="has no /wp-json/ at this address (404)",
                remedy="check url, a folder like /shop included, and set WordPress's permalinks to anything but Plain",
            )
    return Finding(
        code="firewall",
        message=f"a firewall or proxy in front of it refuses us ({status})",
        remedy="let this machine's address in",
    )


def not_understood(*, empty: bool, page: bool) -> Finding:
    """What an answer means that claims success and is not the JSON we asked for."""
    if empty:
        return Finding(
            code="empty_answer", message="sent an empty answer", remedy="look into PHP's error log"
        )
    if page:
        return Finding(
            code="page_instead",
            message=(
                "sent a web page instead of data: a maintenance, log-in, captcha, firewall or cache page stands in "
                "front of it, or it is no WordPress site at all"
            ),
            remedy="exempt /wp-json/ from that, let this machine's address in, or correct url",
        )
    return Finding(
        code="not_json",
        message="sent something that is not the JSON we asked for, or half of it",
        remedy="if it stays so, look for plugins that print into answers, and set WP_DEBUG_DISPLAY to false",
    )
