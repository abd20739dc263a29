"""What goes over the wire, as values: a request, a response, and the record of both."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

Pairs = tuple[tuple[str, str], ...]
"""Decoded names and values in the order they were sent, repeats included."""

JSON_TYPE = "application/json; charset=UTF-8"
HTML_TYPE = "text/html; charset=UTF-8"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came in. `path` is still percent-encoded, `headers` has lower-case names."""

    method: str
    path: str
    query: Pairs = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    secure: bool = False

    @cached_property
    def form(self) -> Pairs:
        """The body's fields if it is a url-encoded form, else nothing."""
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return ()
        return tuple(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @cached_property
    def text(self) -> str:
        """`METHOD path?name=value&…` with the query's and form's fields, decoded: what a fault matches."""
        fields = "&".join(f"{name}={value}" for name, value in self.query + self.form)
        return f"{self.method} {self.path}?{fields}" if fields else f"{self.method} {self.path}"

    def first(self, name: str) -> str | None:
        """The first query field of that name, None if there is none."""
        return next((value for key, value in self.query if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer. `Date` and `Content-Length` are added when it is sent."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> "Response":
        """The value as compact JSON, written as PHP writes it."""
        text = json.dumps(value, separators=(",", ":")).replace("/", "\\/")
        return cls(
            status=status, headers={"Content-Type": JSON_TYPE} | dict(headers or {}), body=text.encode()
        )

    @classmethod
    def html(cls, text: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> "Response":
        return cls(
            status=status, headers={"Content-Type": HTML_TYPE} | dict(headers or {}), body=text.encode()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One request the server got. `status` None: not answered. `fault`: the kind that hit it, if any."""

    request: Request
    status: int | None
    at: datetime
    fault: str | None = None

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def path(self) -> str:
        return self.request.path

    @property
    def query(self) -> Pairs:
        return self.request.query

    @property
    def form(self) -> Pairs:
        return self.request.form

    @property
    def text(self) -> str:
        return self.request.text


def as_php_reads(pairs: Pairs) -> Pairs:
    """The fields as `$_GET` has them: of a repeated name the last value counts, but for `name[]`."""
    last = dict(pairs)
    kept = []
    for name, value in pairs:
        if name.endswith("[]"):
            kept.append((name, value))
        elif name in last:
            kept.append((name, last.pop(name)))
    return tuple(kept)
