"""Rows about enrolling."""

from collections.abc import Iterator
from functools import partial

from benchmarks.harness import Samples, interleave, measure
from benchmarks.meter import Sample
from benchmarks.rows import Row, Target, against_settings
from benchmarks.sites import Site, running
from benchmarks.sizes import Sizes

CALLS = 3
"""Find, create, enrol: what a learner new to the LMS takes."""


def enrol_with_latency(sizes: Sizes) -> Iterator[Row]:
    """Enrolments per second while every call waits for the LMS."""
    with running("campus") as campus:
        contenders = {str(workers): partial(_waiting, campus, sizes, workers) for workers in sizes.workers}
        found = interleave(contenders, sizes.slow_repetitions)
    for workers in sizes.workers:
        yield from _rows_of_workers(sizes, workers, found[str(workers)])
    yield from _rows_of_courses(sizes.workers[-1], found[str(sizes.workers[-1])])


def enrol_without_latency(sizes: Sizes) -> Iterator[Row]:
    """CPU of an enrolment while the LMS answers at once."""
    with running("campus") as campus:
        contenders = {
            f"workers_{workers}": partial(_at_once, campus, "by_workers", sizes.enrolments, workers=workers)
            for workers in (1, 4)
        } | {
            name: partial(_at_once, campus, name, sizes.enrolments)
            for name in ("by_http_client", "by_naive_script")
        }
        found = interleave(contenders, sizes.repetitions)
    for rival, against in (
        ("by_http_client", "http.client, kept open, no ledger"),
        ("by_naive_script", "the script most people would write, state rewritten after each order"),
    ):
        for workers in (1, 4):
            yield Row(
                name=f"enrol_cpu.workers_{workers}{'' if rival == 'by_http_client' else '_naive'}",
                measured=f"one enrolment of three calls, ledger included, {workers} worker(s)",
                against=against,
                unit="ms cpu",
                samples=found[f"workers_{workers}"].of("cpu_s", scale=1000),
                floor_samples=found[rival].of("cpu_s", scale=1000),
                target=Target(at=6.0, by_value=True) if rival == "by_http_client" else Target(at=0.5),
            )


def _rows_of_workers(sizes: Sizes, workers: int, samples: Samples) -> Iterator[Row]:
    latency = f"{sizes.campus_latency_s * 1000:.0f} ms"
    yield Row(
        name=f"enrol_latency.workers_{workers}.rate",
        measured=f"new learners, {CALLS} calls of {latency} each, {workers} worker(s)",
        against="workers / (calls x latency)",
        unit="enrolments/s",
        samples=samples.of("per_s"),
        floor_samples=against_settings(workers / (CALLS * sizes.campus_latency_s)),
        better="higher",
        calculated=True,
        target=Target(at=0.9),
    )
    yield Row(
        name=f"enrol_latency.workers_{workers}.in_flight",
        measured="most calls the LMS had at once",
        against="workers",
        unit="calls",
        samples=samples.of("in_flight"),
        floor_samples=against_settings(workers),
        calculated=True,
        target=Target(at=1.0),
    )


def _rows_of_courses(workers: int, samples: Samples) -> Iterator[Row]:
    for name, key, least, most, measured, against in (
        ("calls", "calls", CALLS, 1.0, "calls for a learner new to the LMS", "find, create, enrol"),
        (
            "second_course.calls",
            "second_calls",
            CALLS,
            (CALLS - 1) / CALLS,
            "calls for a known learner's second course",
            "those for a new learner, of which it is to take one less",
        ),
    ):
        yield Row(
            name=f"enrol_latency.{name}",
            measured=measured,
            against=against,
            unit="calls",
            samples=samples.of(key),
            floor_samples=against_settings(least),
            calculated=True,
            target=Target(at=most),
        )
    yield Row(
        name="enrol_latency.second_course.rate",
        measured=f"known learners' second course, {workers} workers",
        against="new learners in the same run",
        unit="enrolments/s",
        samples=samples.of("second_per_s"),
        floor_samples=samples.of("per_s"),
        better="higher",
    )


def _waiting(campus: Site, sizes: Sizes, workers: int) -> Sample:
    campus.reset(sizes.campus_latency_s)
    sample = measure(
        "enrol_subjects:by_workers",
        url=campus.url,
        workers=workers,
        enrolments=sizes.enrolments_each * workers,
        second_course=workers == sizes.workers[-1],
    )
    return sample | {"in_flight": campus.stats().max_in_flight}


def _at_once(campus: Site, subject: str, enrolments: int, **arguments: int) -> Sample:
    campus.reset()
    return measure(f"enrol_subjects:{subject}", url=campus.url, enrolments=enrolments, **arguments)
