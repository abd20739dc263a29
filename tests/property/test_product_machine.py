"""Whatever becomes of courses, products and the process: what a person wrote is never overwritten, nothing is emptied,
drafted or deleted, and in the end all else shows the courses."""

import os

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.product_rules import ProductRules
from tests.proofs import Proof
from tests.property.test_sale_machine import PLAY, STEPS
from tests.sale_world import Tally

EXAMPLES = {"short": 30, "full": 1500}[os.environ.get("WCSYNC_PROVE", "short")]


class Products(ProductRules):
    """All that may happen, in any order."""


def play(proof: Proof, what: str, examples: int, steps: int) -> None:
    Products.tally = tally = Tally()
    try:
        run_state_machine_as_test(
            Products, settings=settings(PLAY, max_examples=examples, stateful_step_count=steps)
        )
    finally:
        proof.tell(
            "state machine",
            what,
            trials=tally.lives,
            lost=tally.lost,
            doubled=tally.doubled,
            steps=tally.steps,
            fields=tally.seats,
        )


def test_a_product_shows_its_courses_and_what_people_wrote(proof: Proof) -> None:
    play(proof, "a few products", 10, 25)


@pytest.mark.prove
@pytest.mark.timeout(7200)
def test_many_products_show_their_courses_and_what_people_wrote(proof: Proof) -> None:
    play(proof, "products", EXAMPLES, STEPS)
