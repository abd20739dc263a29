"""What a fake site counts, as it travels from the site's process to whoever asks."""

import msgspec


class Answered(msgspec.Struct):
    """`count` answers of one kind; the first and the last were on their way at `first_at`, `last_at`, by the machine's
    monotonic clock."""

    count: int
    first_at: float
    last_at: float


class Stats(msgspec.Struct):
    """Since the counters were last set to zero. `doubles`: accounts or enrolments made a second time."""

    connections: int = 0
    requests: int = 0
    max_in_flight: int = 0
    answers: dict[str, Answered] = {}
    enrolments: int = 0
    doubles: int = 0

    def answered(self, kind: str) -> int:
        return self.answers[kind].count if kind in self.answers else 0
