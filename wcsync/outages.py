"""Why a service cannot be reached or used, told from the network's and HTTP's own signs alone. Pure."""

from urllib.parse import urljoin, urlsplit

from wcsync.errors import Finding

_NOT_ACCEPTED = "its TLS certificate is not accepted"

_WRONG_HOST = Finding(
    code="tls_wrong_host",
    message=f"{_NOT_ACCEPTED}: it is for another host name",
    remedy="write the name it is for in url (with or without www?), or renew it for this one",
)
_UNTRUSTED = {
    9: Finding(
        code="tls_not_yet_valid",
        message=f"{_NOT_ACCEPTED}: it is not valid yet by this machine's clock",
        remedy="set this machine's clock by NTP",
    ),
    10: Finding(
        code="tls_expired",
        message=f"{_NOT_ACCEPTED}: it has expired",
        remedy="renew it; if it was, reload its web server, and look at this machine's clock",
    ),
    18: Finding(
        code="tls_self_signed",
        message=f"{_NOT_ACCEPTED}: it is signed by nobody but itself",
        remedy="get one from a CA, or save this very certificate as a PEM file and set ca_file to that file",
    ),
    62: _WRONG_HOST,
    64: _WRONG_HOST,
}
"""What OpenSSL's reasons mean. https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/"""

_UNKNOWN_CA = frozenset({2, 19, 20, 21})

UNKNOWN_HOST = Finding(
    code="unknown_host",
    message="its host name is unknown",
    remedy="check url and this machine's DNS",
)
UNREACHABLE = Finding(
    code="unreachable",
    message="cannot be reached",
    remedy="check that url is right and the host is up",
)
LEADS_INSIDE = Finding(
    code="leads_inside",
    message="its address leads into a private network, where only the LMS's own host is called",
    remedy="set url in the config to the address the platform itself uses",
)
NO_CONNECTION = Finding(
    code="no_connection",
    message="did not accept a connection in time",
    remedy="is the host up and its firewall open to this machine?",
)
TIMED_OUT = Finding(
    code="timed_out",
    message="did not answer in time",
    remedy="it will be asked again; if it stays so, look at its load, or raise timeout_s in the config",
)
DAMAGED = Finding(code="damaged_answer", message="sent a damaged answer", remedy="it will be asked again")


NO_HANDLE = Finding(
    code="unreachable",
    message="no connection can be opened: too many files are open",
    remedy="the trouble is here and not there: raise the limit of open files (LimitNOFILE)",
)


def broken_off(how: str) -> Finding:
    return Finding(
        code="broken_off", message=f"broke off the connection ({how})", remedy="it will be asked again"
    )


def no_tls(reason: str) -> Finding:
    return Finding(
        code="no_tls",
        message=f"no TLS connection came about ({reason})",
        remedy="does url name the right port?",
    )


def untrusted(verify_code: int, reason: str, *, ca_given: bool) -> Finding:
    """Why its certificate is not accepted. `ca_given`: the config names a `ca_file`."""
    if verify_code in _UNKNOWN_CA:
        remedy = (
            "ca_file names another CA than that one, or its web server does not send the whole chain"
            if ca_given
            else "set ca_file if it is a private CA; with a public one let its web server send the whole chain "
            "(fullchain.pem)"
        )
        message = f"{_NOT_ACCEPTED}: this machine does not know the CA that signed it"
        return Finding(code="tls_unknown_ca", message=message, remedy=remedy)
    other = Finding(code="tls_refused", message=f"{_NOT_ACCEPTED} ({reason})", remedy="renew it")
    return _UNTRUSTED.get(verify_code, other)


def in_trouble(status: int) -> Finding:
    """What a status from 500 up, or one of those that ask to wait, means for the service."""
    asked_again = "it will be asked again"
    match status:
        case 429:
            return Finding(
                code="too_many_requests", message="answered 429 (too many requests)", remedy=asked_again
            )
        case 503:
            return Finding(
                code="maintenance", message="answered 503 (unavailable or in maintenance)", remedy=asked_again
            )
    meaning = "an error inside it" if status == 500 else "a server or proxy in trouble"
    return Finding(
        code="server_error",
        message=f"answered {status} ({meaning})",
        remedy=f"{asked_again}; if it stays so, look into its web server's and PHP's error log",
    )


def redirected(location: str) -> Finding:
    return Finding(
        code="redirected",
        message=f"redirects to {_place(location)}",
        remedy=(
            "set url in the config to the address the site really answers at (https, with or without www), and set "
            "permalinks to anything but Plain if it is a WordPress site"
        ),
    )


def adds_slash(asked: str, location: str) -> bool:
    """Whether a redirect leads to the address that was asked for, with a slash at its end."""
    try:
        before, after = urlsplit(asked), urlsplit(urljoin(asked, location))
    except ValueError:
        return False
    return (after.netloc, after.path) == (before.netloc, f"{before.path}/")


def _place(location: str) -> str:
    """Scheme and host alone: a path or a query may name a person or hold a key."""
    try:
        parts = urlsplit(location)
        host = parts.hostname
    except ValueError:
        return "an unreadable address"
    return f"{parts.scheme or 'https'}://{host}" if host else "another page of its own"
