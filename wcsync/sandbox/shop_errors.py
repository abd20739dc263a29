"""The sandbox shop's refusals."""

from collections.abc import Mapping
from typing import Any

from wcsync.sandbox.exchange import Response


class ShopError(Exception):
    """An error answer in WordPress's form. `problems`: per parameter (code, message, extra) of a 400."""

    def __init__(self, status: int, code: str, message: str, *, details: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self._details = {"status": status} if details is None else details

    @property
    def value(self) -> dict[str, Any]:
        """The answer's body, also as part of a batch's."""
        return {"code": self.code, "message": str(self), "data": self._details}

    def response(self, headers: Mapping[str, str]) -> Response:
        return Response.json(self.value, status=self.status, headers=headers)


class PhpFatal(ShopError):
    """PHP died in the middle of its work: what it had done is done, what was to follow is not."""

    def __init__(self) -> None:
        help_page = "https://wordpress.org/documentation/article/faq-troubleshooting/"
        link = f'<a href="{help_page}">Learn more about troubleshooting WordPress.</a>'
        message = f"<p>There has been a critical error on this website.</p><p>{link}</p>"
        super().__init__(500, "internal_server_error", message)

    @property
    def value(self) -> dict[str, Any]:
        return super().value | {"additional_errors": []}

    def response(self, headers: Mapping[str, str]) -> Response:
        """Without the headers that WordPress sets at the end of its work."""
        early = {name: value for name, value in headers.items() if name != "Allow"}
        return super().response(early)


class Problems:
    """Collects what is wrong with a request's parameters; WordPress answers them all at once."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, str, Any]] = {}

    def add(self, name: str, code: str, message: str, extra: Any = None) -> None:
        self._found.setdefault(name, (code, message, extra))

    def add_wrong_type(self, name: str, kind: str, where: str | None = None) -> None:
        where = where or name
        self.add(name, "rest_invalid_type", f"{where} is not of type {kind}.", {"param": where})

    def raise_if_any(self) -> None:
        """Raises ShopError 400 rest_invalid_param."""
        if not self._found:
            return
        raise ShopError(
            400,
            "rest_invalid_param",
            f"Invalid parameter(s): {', '.join(self._found)}",
            details={
                "status": 400,
                "params": {name: message for name, (_, message, _) in self._found.items()},
                "details": {
                    name: {"code": code, "message": message, "data": extra}
                    for name, (code, message, extra) in self._found.items()
                },
            },
        )


def not_imitated(what: str) -> ShopError:
    """The real shop can do this, the sandbox cannot: nobody shall rely on a guess."""
    return ShopError(501, "sandbox_not_imitated", f"The sandbox shop does not imitate {what}.")


def no_route() -> ShopError:
    return ShopError(404, "rest_no_route", "No route was found matching the URL and request method.")
