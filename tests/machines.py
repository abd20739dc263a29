"""How state machines are played: many lives of so many steps, and what they came to as a line of the proofs."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.conftest import FULL
from tests.proofs import Proof
from tests.sale_world import Tally

STEPS = 50
PLAY = settings(
    deadline=None,
    derandomize=not FULL,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def play(
    machine: type[RuleBasedStateMachine], proof: Proof, what: str, examples: int, steps: int, **counts: str
) -> None:
    """`machine` keeps its counts in the class's `tally`. `counts`: what the proof calls further ones of them."""
    tally = Tally()
    machine.tally = tally
    try:
        run_state_machine_as_test(
            machine, settings=settings(PLAY, max_examples=examples, stateful_step_count=steps)
        )
    finally:
        proof.tell(
            "state machine",
            what,
            trials=tally.lives,
            lost=tally.lost,
            doubled=tally.doubled,
            steps=tally.steps,
            **{name: getattr(tally, kept) for name, kept in counts.items()},
        )
