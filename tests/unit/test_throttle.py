"""A throttle never lets more through in a second than it promises, and holds nobody up without need."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from wcsync.lms.throttle import Throttle


class Watch:
    """A clock that moves when somebody sleeps. `passed`: when each call got through."""

    def __init__(self) -> None:
        self.now = 100.0
        self.passed: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def call(self, throttle: Throttle) -> None:
        throttle.wait()
        self.passed.append(self.now)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def throttle(watch: Watch, per_s: float = 8.0, burst: int = 2) -> Throttle:
    return Throttle(per_s=per_s, burst=burst, clock=lambda: watch.now, sleep=watch.sleep)


def busiest_second(passed: list[float]) -> int:
    return max(sum(start <= at < start + 1 for at in passed) for start in passed)


def test_a_first_call_waits_for_nothing(watch: Watch) -> None:
    watch.call(throttle(watch))
    assert watch.passed == [100.0]


@pytest.mark.parametrize(("per_s", "burst"), [(8.0, 2), (40.0, 10), (1.0, 1), (0.5, 3)])
def test_no_second_sees_more_than_rate_and_burst(watch: Watch, per_s: float, burst: int) -> None:
    limited = throttle(watch, per_s, burst)
    for number in range(200):
        watch.call(limited)
        if number % 60 == 59:
            watch.now += 30.0  # a pause earns one burst and no more
    assert busiest_second(watch.passed) <= per_s + burst


def test_calls_come_at_the_promised_rate(watch: Watch) -> None:
    limited = throttle(watch, per_s=8.0, burst=2)
    for _ in range(82):
        watch.call(limited)
    assert watch.passed[-1] - watch.passed[0] == pytest.approx(10.0)


def test_calls_that_are_slow_by_themselves_are_not_held_up(watch: Watch) -> None:
    limited = throttle(watch, per_s=8.0, burst=1)
    for _ in range(20):
        watch.now += 0.2
        before = watch.now
        watch.call(limited)
        assert watch.now == before


def test_threads_share_one_limit() -> None:
    waits: list[float] = []
    limited = Throttle(per_s=10.0, burst=1, clock=lambda: 100.0, sleep=waits.append)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: limited.wait(), range(21)))
    assert sorted(waits) == pytest.approx([number / 10 for number in range(1, 21)])
