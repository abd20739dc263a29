"""How often the shop is asked: seldom enough to cost it a small share of its time, soon after something happened.

Pure. All instants are seconds of one monotonic clock, which nobody can set.
"""

from dataclasses import dataclass, replace

FLOOR_S = 2.0
"""The shortest wait between two looks, unless the longest is set shorter."""
COOLING = 1.5
"""What the wait grows by, look by look, once the hot window is over."""
HOT_TIMES = 20
"""So many times the budget may be spent in the hot window: two seconds between looks of up to 0.4 s, by default."""
BUSIEST = 0.5
"""The share of its time that the hot window never asks a shop for, unless the budget itself is larger."""
BREATH_S = 0.5
"""The shortest rest of a shop between two looks, however often somebody rings."""
EARLY_S = 0.05
"""Whoever looks at the clock once a second is never exactly on time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """What an admin chooses: the longest wait, the share of the shop's time (1 = one core), the hot window's length."""

    longest_s: float = 60.0
    duty: float = 0.01
    hot_s: float = 120.0

    @property
    def floor_s(self) -> float:
        return min(FLOOR_S, self.longest_s)

    def wait_s(self, duration_s: float) -> float:
        """Between the beginnings of two looks that bring nothing and take so long."""
        return self._clamped(duration_s / self.duty)

    def hot_wait_s(self, duration_s: float) -> float:
        """The same in the hot window. A slow shop is asked less often there too."""
        return self._clamped(duration_s / max(self.duty, min(HOT_TIMES * self.duty, BUSIEST)))

    def _clamped(self, wait_s: float) -> float:
        return min(max(wait_s, self.floor_s), self.longest_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the shop: when it began and ended, and whether it brought something new.

    `trouble_s`: the shop could not be read and is to be left alone for so long from its end; None if it was read.
    `asked`: False if it was left alone this time too.
    """

    began: float
    ended: float
    hit: bool = False
    trouble_s: float | None = None
    asked: bool = True

    @property
    def duration_s(self) -> float:
        return max(self.ended - self.began, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """When the next look is due. The first one is due at once.

    `wait_s` lies between the beginnings of two looks. `hot_until`: something may well follow what came until then.
    `rest_until`: whoever rings, the shop is left alone until then.
    """

    tempo: Tempo
    wait_s: float
    due_at: float = float("-inf")
    hot_until: float = float("-inf")
    rest_until: float = float("-inf")

    @classmethod
    def begin(cls, tempo: Tempo) -> "Cadence":
        return cls(tempo=tempo, wait_s=tempo.longest_s)

    def is_due(self, now: float) -> bool:
        return now >= self.due_at - EARLY_S

    def after(self, look: Look) -> "Cadence":
        """The cadence once `look` is over: short waits after a hit, then longer ones, up to what the budget allows.

        Trouble ends the hot window, makes no wait shorter, and leaves the shop alone for as long as it is to be. After
        a long look the shop rests as long as that took, up to the longest wait.
        """
        if not look.asked:
            left_until = look.ended + (look.trouble_s or 0.0)
            return replace(self, due_at=left_until, rest_until=left_until)
        hot_until = self._hot_until(look)
        wait_s = self._wait_s(look, hot=look.ended < hot_until)
        rest_s = max(min(look.duration_s, self.tempo.longest_s), look.trouble_s or 0.0)
        return replace(
            self,
            wait_s=wait_s,
            due_at=max(look.began + wait_s, look.ended + rest_s),
            hot_until=hot_until,
            rest_until=look.ended + max(rest_s, BREATH_S),
        )

    def rung(self) -> "Cadence":
        """The cadence once somebody said that there is something new: a look is due as soon as the shop has rested.

        However often it rings, the shop rests after each look as long as that took, and for as long as it asked.
        """
        return replace(self, due_at=min(self.due_at, self.rest_until))

    def _hot_until(self, look: Look) -> float:
        if look.trouble_s is not None:
            return float("-inf")
        return look.ended + self.tempo.hot_s if look.hit else self.hot_until

    def _wait_s(self, look: Look, *, hot: bool) -> float:
        normal_s, shortest_s = self.tempo.wait_s(look.duration_s), self.tempo.hot_wait_s(look.duration_s)
        if look.trouble_s is not None:
            return max(self.wait_s, normal_s)
        if hot:
            return shortest_s
        return max(min(self.wait_s * COOLING, normal_s), shortest_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far a look reaches back behind the newest change it knows: a while, for changes that became visible late.

    Once all up to the same `place` was read twice, the second time so much later that nothing can become visible there
    any more, a look begins at that place itself. Without this, ten thousand orders changed by one bulk edit would be
    read at each look until something newer happens in the shop.
    """

    place: float = float("nan")
    read_at: float = float("inf")
    settled: bool = False

    def back_s(self, place: float, overlap_s: float) -> float:
        """Seconds to reach back behind `place`, the newest change known, in the shop's time."""
        return 0.0 if self.settled and place == self.place else overlap_s

    def after(self, place: float, *, began: float, ended: float, overlap_s: float) -> "Reach":
        """The reach once a look has read all up to `place`."""
        if place != self.place:
            return Reach(place=place, read_at=ended)
        return replace(self, settled=self.settled or began - self.read_at >= 2 * overlap_s)
