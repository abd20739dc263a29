"""Talking to a shop: questions, orders, and what an answer means that is not the one we hoped for."""

from collections.abc import Callable
from typing import TypeVar

from wcsync.errors import Finding, MalformedReply, TransientError, WcsyncError
from wcsync.http import Reply
from wcsync.store import wire
from wcsync.store.api import Api
from wcsync.store.refusal import Way, explain, explain_write, not_understood

T = TypeVar("T")


class Talk:
    """`api` asks and tells; the rest judges its answers. Thread-safe."""

    def __init__(self, api: Api, way: Way) -> None:
        self.api = api
        self.ask = api.ask
        self._way = way

    def check(self, reply: Reply) -> None:
        """Raises for a refusal."""
        if reply.status >= 400:
            raise self._refused(explain, reply)

    def check_write(self, reply: Reply) -> None:
        """Raises for a refusal to write: reading may still work."""
        if reply.status >= 400:
            raise self._refused(explain_write, reply)

    def _refused(
        self, explained: Callable[[str, int, wire.Refusal | None, Way], WcsyncError], reply: Reply
    ) -> WcsyncError:
        """Half a refusal is no firewall's: whoever asks again hears it whole."""
        if wire.is_damaged(reply.content):
            finding = not_understood(empty=False, page=False)
            return TransientError(f"shop: {finding}", finding=finding)
        return explained("shop", reply.status, wire.parse_refusal(reply.content), self._way)

    def understood(self, parse: Callable[[bytes], T], reply: Reply) -> T:
        """What `parse` makes of an answer; raises what it means that it is none."""
        try:
            return parse(reply.content)
        except MalformedReply as exc:
            raise self.not_understood(reply) from exc

    def surely(self, parse: Callable[[bytes], T], reply: Reply) -> T:
        """As `understood`, of the answer to a write: it may have been done all the same."""
        try:
            return parse(reply.content)
        except MalformedReply as exc:
            problem = self.not_understood(reply)
            raise TransientError(str(problem), answer_lost=True, whole_service=True) from exc

    def not_understood(self, reply: Reply) -> WcsyncError:
        refusal = wire.parse_refusal(reply.content)
        if refusal is not None:
            return explain("shop", reply.status, refusal, self._way)
        finding = not_understood(empty=not reply.content.strip(), page=reply.looks_like_html)
        return TransientError(f"shop: {finding}", whole_service=True, finding=finding)

    def cached(self, what: str) -> TransientError:
        finding = Finding(
            code="cached",
            message=what,
            remedy="if it stays so, a cache stands in front of it: exempt /wp-json/ from it",
        )
        return TransientError(f"shop: {finding}", whole_service=True, finding=finding)
