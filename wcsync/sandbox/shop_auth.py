"""Who may ask the sandbox shop: keys over https, OAuth 1.0a signatures over http.

Follows WooCommerce's own order of checks, so that each mistake gets the answer it gets there.
https://woocommerce.github.io/woocommerce-rest-api-docs/#authentication
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote, unquote

from wcsync.sandbox.exchange import Request, as_php_reads
from wcsync.sandbox.shop_errors import ShopError
from wcsync.times import Clock

OAUTH_FIELDS = (
    "oauth_consumer_key",
    "oauth_timestamp",
    "oauth_nonce",
    "oauth_signature",
    "oauth_signature_method",
)
HASHES = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}
CLOCK_SKEW = timedelta(minutes=15)


@dataclass(slots=True, kw_only=True)
class Gate:
    """The shop's one key pair and how the host treats it.

    `strip_authorization`: the web server swallows the Authorization header, as some hosts do.
    `permissions`: `read`, `write` or `read_write`, as in the shop's settings.
    """

    consumer_key: str
    consumer_secret: str = field(repr=False)
    clock: Clock
    strip_authorization: bool = False
    permissions: str = "read_write"
    _used_nonces: dict[str, int] = field(default_factory=dict)

    def admits(self, request: Request, method: str, site_url: str) -> bool:
        """Whether the request carries valid keys; False is nobody in particular. Raises ShopError for wrong ones."""
        known = self._basic(request) if request.secure else False
        known = known or self._signed(request, site_url)
        if known:
            self._check_permission(method)
        return known

    def _basic(self, request: Request) -> bool:
        fields = dict(request.query)
        key, secret = fields.get("consumer_key"), fields.get("consumer_secret")
        if not key or not secret:
            key, secret = self._header_keys(request)
        if not key or not secret or key != self.consumer_key:
            return False
        if not hmac.compare_digest(secret.encode(), self.consumer_secret.encode()):
            raise _refused("Consumer secret is invalid.")
        return True

    def _header_keys(self, request: Request) -> tuple[str, str]:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if self.strip_authorization or scheme.lower() != "basic":
            return "", ""
        try:
            key, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return key, secret

    def _signed(self, request: Request, site_url: str) -> bool:
        fields = dict(request.query + request.form) | self._oauth_header(request)
        missing = [name for name in OAUTH_FIELDS if not fields.get(name)]
        if len(missing) == len(OAUTH_FIELDS):
            return False
        if missing:
            plural = "s" if len(missing) > 1 else ""
            raise _refused(
                f"Missing OAuth parameter{plural} {', '.join(missing)}",
                code="woocommerce_rest_authentication_missing_parameter",
            )
        if fields["oauth_consumer_key"] != self.consumer_key:
            raise _refused("Consumer key is invalid.")
        self._check_signature(request, fields, site_url)
        self._check_freshness(fields)
        return True

    def _oauth_header(self, request: Request) -> dict[str, str]:
        header = request.headers.get("authorization", "")
        if self.strip_authorization or not header.startswith("OAuth "):
            return {}
        return {name: unquote(value) for name, value in re.findall(r'(oauth_[a-z_-]*)="([^"]*)"', header)}

    def _check_signature(self, request: Request, fields: Mapping[str, str], site_url: str) -> None:
        digest = HASHES.get(fields["oauth_signature_method"])
        if digest is None:
            raise _refused("Invalid signature - signature method is invalid.")
        scheme = "https" if request.secure else "http"
        url = f"{scheme}://{site_url.partition('://')[2]}{request.path}"
        elsewhere = tuple((name, value) for name, value in fields.items() if name not in dict(request.query))
        signed = [pair for pair in as_php_reads(request.query) + elsewhere if pair[0] != "oauth_signature"]
        text = f"{request.method}&{_encode(url)}&{'%26'.join(_encoded_twice(signed))}"
        expected = base64.b64encode(hmac.digest(f"{self.consumer_secret}&".encode(), text.encode(), digest))
        provided = unquote(fields["oauth_signature"].replace(" ", "+"))
        if not hmac.compare_digest(expected, provided.encode()):
            raise _refused("Invalid signature - provided signature does not match.")

    def _check_freshness(self, fields: Mapping[str, str]) -> None:
        now = int(self.clock().timestamp())
        window = int(CLOCK_SKEW.total_seconds())
        stated = int(fields["oauth_timestamp"]) if fields["oauth_timestamp"].isdecimal() else 0
        if abs(now - stated) > window:
            raise _refused("Invalid timestamp.")
        if fields["oauth_nonce"] in self._used_nonces:
            raise _refused("Invalid nonce - nonce has already been used.")
        self._used_nonces[fields["oauth_nonce"]] = stated
        for nonce in [one for one, at in self._used_nonces.items() if at < now - window]:
            del self._used_nonces[nonce]

    def _check_permission(self, method: str) -> None:
        needed = "read" if method in {"GET", "HEAD"} else "write"
        if needed not in self.permissions.split("_"):
            raise _refused(f"The API key provided does not have {needed} permissions.")


def _encoded_twice(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """`name=value` texts, sorted by the names PHP sees and encoded twice, as the signature's base text wants them."""
    counts: dict[str, int] = {}
    named = []
    for name, value in pairs:
        outer, bracket, inner = name.partition("[")
        if not bracket:
            named.append((outer, _encode(outer), value))
            continue
        index = inner.rstrip("]")
        if not index:  # PHP numbers `name[]` by itself, and the signature is made over those numbers
            index = str(counts.setdefault(outer, 0))
            counts[outer] += 1
        named.append((outer, f"{_encode(outer)}%5B{_encode(index)}%5D", value))
    return [_encode(f"{name}={_encode(value)}") for _, name, value in sorted(named, key=lambda one: one[0])]


def _encode(text: str) -> str:
    return quote(text, safe="~")


def _refused(message: str, code: str = "woocommerce_rest_authentication_error") -> ShopError:
    return ShopError(401, code, message)
