"""Whatever becomes of courses, products and the process: what a person wrote is never overwritten, nothing is emptied,
drafted or deleted, and in the end all else shows the courses."""

import os

import pytest

from tests.machines import STEPS, play
from tests.product_rules import ProductRules
from tests.proofs import Proof

EXAMPLES = {"short": 30, "full": 1500}[os.environ.get("WCSYNC_PROVE", "short")]


class Products(ProductRules):
    """All that may happen, in any order."""


def test_a_product_shows_its_courses_and_what_people_wrote(proof: Proof) -> None:
    play(Products, proof, "a few products", 10, 25, fields="seats")


@pytest.mark.prove
@pytest.mark.timeout(7200)
def test_many_products_show_their_courses_and_what_people_wrote(proof: Proof) -> None:
    play(Products, proof, "products", EXAMPLES, STEPS, fields="seats")
