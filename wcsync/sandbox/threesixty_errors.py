"""The refusals of the 360Learning API, in their two forms.

https://360learning.readme.io/docs/errors
"""

from typing import Any


class ApiError(Exception):
    """A refusal. `flat`: `{"error": code}`, as for tokens and limits; else `{"error": {"code", "message"}}`."""

    def __init__(self, status: int, code: str, *, flat: bool = False) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.flat = flat

    def as_json(self) -> dict[str, Any]:
        if self.flat:
            return {"error": self.code}
        return {"error": {"code": self.code, "message": "A human-readable message to help with debugging."}}


def flat(status: int, code: str) -> ApiError:
    return ApiError(status, code, flat=True)


def bad_request(code: str) -> ApiError:
    return ApiError(400, code)


def not_found(code: str) -> ApiError:
    return ApiError(404, code)
