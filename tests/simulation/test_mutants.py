"""The mutants fit the layer; `make mutants` shows that the simulation sees them."""

import pytest

from tests.simulation.layer import read
from tests.simulation.mutants import MUTANTS

FEWEST = 30


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_the_text_of_a_mutant_stands_in_its_file_once(mutant):
    assert read(mutant.file).count(mutant.old) == 1
    assert mutant.new != mutant.old


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_is_code(mutant):
    compile(mutant.reading()(mutant.file), mutant.file, "exec")


def test_there_are_enough_mutants():
    assert len(MUTANTS) >= FEWEST
    assert len({mutant.what for mutant in MUTANTS}) == len(MUTANTS)
