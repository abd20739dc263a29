"""The kinds of value a config holds: what people write in, what the program uses out."""

import ssl
from contextlib import suppress
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationInfo

from wcsync.credentials import Secret, Sources, refusal
from wcsync.mappers.text_file import render_quoted
from wcsync.notify.web import signing_key
from wcsync.times import parse_human_instant

NEVER_PAID = frozenset(
    {"pending", "failed", "cancelled", "refunded", "trash", "draft", "checkout-draft", "auto-draft"}
)
SHOP_PATHS = ("/wp-json", "/wp-admin", "/wp-login.php", "/wc-api", "/index.php")
"""What people copy along with a shop's address."""
CONFIGS = Path("/etc/wcsync")
"""Below it, a shop of several on one machine has a folder of its own, as wcsync@.service expects it."""
PLACEHOLDER = "https://your-{}.invalid"
"""What `wcsync init` writes where it was told no address. https://www.rfc-editor.org/rfc/rfc6761#section-6.4"""


def parse_path(value: object, info: ValidationInfo) -> Path:
    """A path, seen from the config file's folder."""
    if isinstance(value, str) and value.strip() and value.isprintable():
        value = Path(value)
    if not isinstance(value, Path):
        raise refusal("is no path", 'Write it in quotes, as in "/var/lib/wcsync/ledger.db".')
    return Sources.of(info).base_dir / value


def parse_ledger_path(value: object, info: ValidationInfo) -> Path:
    """As `parse_path`; the default, which is a Path already, lies in the state folder of the config's shop."""
    if not isinstance(value, Path):
        return parse_path(value, info)
    folder = Sources.of(info).base_dir
    if folder.parent != CONFIGS:
        return value
    return value.parent.with_name(f"{value.parent.name}-{folder.name}") / value.name


def check_ca_file(path: Path) -> Path:
    """The path of a file that TLS can use as CA."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError as exc:  # an SSLError is one
        reason = "it holds no PEM certificate" if isinstance(exc, ssl.SSLError) else exc.strerror
        remedy = f"Name the PEM file of the CA that signed the certificate; looked for at {path}"
        raise refusal(f"cannot be used as a CA ({reason})", remedy) from exc
    return path


def parse_url(value: object) -> str:
    """A site's address, without slashes at its end."""
    url = value.strip().rstrip("/") if isinstance(value, str) else ""
    parts = _split(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise refusal("is no address of a site", 'Write it as in a browser, "https://shop.example.com".')
    if "@" in parts.netloc:
        raise refusal("holds a user or password", "Remove all up to the @; secrets have keys of their own.")
    if "?" in url or "#" in url:
        raise refusal("holds a query (?…) or a fragment (#…)", "Remove it; give the site's address alone.")
    return url


def check_filled_in(url: str, info: ValidationInfo) -> str:
    """Whoever reads files and ledger alone may do so before all addresses are known."""
    if (urlsplit(url).hostname or "").endswith(".invalid") and not Sources.of(info).sealed:
        raise refusal("still holds the placeholder", "Write the site's address here, as in a browser.")
    return url


def check_shop_url(url: str) -> str:
    path = f"{urlsplit(url).path}/"
    for known in SHOP_PATHS:
        if f"{known}/" in path:
            raise refusal(f"holds {known}", f"Remove {known} and all behind it; wcsync adds what is needed.")
    return url


def check_status(status: str) -> str:
    if status.startswith("wc-"):
        raise refusal("has the prefix wc-", f"Write {render_quoted(status.removeprefix('wc-'))}.")
    if not status.replace("-", "").replace("_", "").isalnum() or status != status.lower():
        raise refusal("is no order status", 'Statuses are words in lower case, as in "processing".')
    if status in NEVER_PAID:
        raise refusal(
            f"{status} means that an order is not paid", 'Remove it. Usual: "completed", "processing".'
        )
    return status


def check_some(statuses: tuple[str, ...]) -> tuple[str, ...]:
    if not statuses:
        raise refusal("is empty: no order would ever count as paid", 'Usual: ["completed"].')
    return statuses


def parse_start(value: object) -> datetime | Literal["now"]:
    """ "now", or an aware UTC instant; a bare date is its midnight in UTC."""
    if value == "now":
        return "now"
    with suppress(ValueError, OverflowError):
        match value:
            case datetime() if value.tzinfo is not None:
                return value.astimezone(UTC)
            case date() if not isinstance(value, datetime):
                return datetime.combine(value, time(), UTC)
            case str():
                return parse_human_instant(value)
    remedy = 'Write "now", a date "2026-01-01", or an instant with its zone, "2026-01-01T00:00:00Z".'
    raise refusal("is no instant, or has no time zone", remedy)


def check_key(secret: Secret) -> Secret:
    return _not_the_other(secret, "cs_", "consumer_secret")


def check_key_secret(secret: Secret) -> Secret:
    return _not_the_other(secret, "ck_", "consumer_key")


def _not_the_other(secret: Secret, prefix: str, other: str) -> Secret:
    """WooCommerce shows both side by side."""
    if secret.reveal().startswith(prefix):
        raise refusal(
            f"begins with {prefix}, as only a {other} does",
            "consumer_key begins with ck_ and consumer_secret with cs_: exchange the two, or copy them again.",
        )
    return secret


def check_web_url(secret: Secret, info: ValidationInfo) -> Secret:
    """An address that is a key at the same time, as those of chat hooks are."""
    if Sources.of(info).sealed:
        return secret
    parts = _split(secret.reveal())
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise refusal("holds no web address", "It must begin with https:// and hold no blanks.")
    return secret


def check_signing(secret: Secret, info: ValidationInfo) -> Secret:
    if not Sources.of(info).sealed:
        try:
            signing_key(secret.reveal())
        except ValueError as exc:
            raise refusal("has no base64 behind whsec_", "Copy the secret again, whole.") from exc
    return secret


def check_address(address: str) -> str:
    name, at, host = address.partition("@")
    plain = address.isascii() and address.isprintable() and not set(address) & set(' "<>(),;:@[]\\') - {"@"}
    if not plain or not at or not name or "@" in host or not host.strip(".") or len(address) > 254:
        raise refusal("is no e-mail address", 'Write it bare, as in "ops@example.com"; ASCII alone.')
    return address


def check_recipients(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if not addresses:
        raise refusal("must not be empty", "Name at least one address, or remove the section.")
    return addresses


FilePath = Annotated[Path, BeforeValidator(parse_path)]
LedgerPath = Annotated[Path, BeforeValidator(parse_ledger_path)]
CaFile = Annotated[FilePath, AfterValidator(check_ca_file)]
SiteUrl = Annotated[str, BeforeValidator(parse_url), AfterValidator(check_filled_in)]
ShopUrl = Annotated[SiteUrl, AfterValidator(check_shop_url)]
Statuses = Annotated[
    tuple[Annotated[str, AfterValidator(check_status)], ...], Field(strict=False), AfterValidator(check_some)
]
ConsumerKey = Annotated[Secret, AfterValidator(check_key)]
ConsumerSecret = Annotated[Secret, AfterValidator(check_key_secret)]
SecretUrl = Annotated[Secret, AfterValidator(check_web_url)]
SigningSecret = Annotated[Secret, AfterValidator(check_signing)]
MailAddress = Annotated[str, AfterValidator(check_address)]
Recipients = Annotated[tuple[MailAddress, ...], Field(strict=False), AfterValidator(check_recipients)]
Start = Annotated[Literal["now"] | datetime, PlainValidator(parse_start)]


def _split(url: str) -> SplitResult | None:
    if not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:
        return None
