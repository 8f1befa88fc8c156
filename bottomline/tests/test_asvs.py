"""docs/asvs.md claims nothing that docs/asvs.toml and the markers of the tests do not say."""

import re
from collections import Counter

import pytest

from docs import asvs

ROWS = asvs.rows(asvs.ROWS.read_text())
PROOFS = asvs.proofs()

MARKED = """
pytestmark = [pytest.mark.stack, pytest.mark.asvs("1.1.1")]

@pytest.mark.asvs("2.2.2", "3.3.3")
@pytest.mark.parametrize("way", ["one", "other"])
@pytest.mark.asvs("4.4.4")
def test_several_things(way): ...

def test_what_all_of_them_do(): ...

@pytest.fixture
def no_test(): ...
"""


def test_what_is_written_is_what_make_asvs_would_write():
    text = asvs.PAGE.read_text()
    assert text == asvs.page(text, asvs.tables(ROWS, PROOFS)), "run: make asvs"


def test_nothing_is_claimed_that_is_not_so():
    assert asvs.mistakes(ROWS, PROOFS) == []


def test_each_requirement_stands_in_its_chapter_and_in_order():
    numbers = [tuple(map(int, row.id.split("."))) for row in ROWS]
    assert numbers == sorted(set(numbers))
    for row in ROWS:
        assert row.chapter.split()[0] == f"V{row.id.partition('.')[0]}"
        assert row.level in {1, 2, 3}


def test_no_requirement_is_left_out():
    assert Counter(row.level for row in ROWS) == {1: 59, 2: 139, 3: 75}


def test_what_we_do_otherwise_is_among_our_decisions():
    decided = (asvs.ROOT / "SECURITY.md").read_text()
    for row in ROWS:
        if row.status == "deviation":
            assert re.search(rf"(?<![\d.]){re.escape(row.id)}(?![\d.])", decided), row


def test_markers_are_found_on_a_test_and_on_its_module():
    assert dict(asvs.marked(MARKED)) == {
        "test_several_things": ["1.1.1", "2.2.2", "3.3.3", "4.4.4"],
        "test_what_all_of_them_do": ["1.1.1"],
    }


def test_a_claim_without_its_test_is_a_mistake():
    row = asvs.rows('["V1 x"]\n"1.1.1" = [2, "something"]')
    [mistake] = asvs.mistakes(row, {})
    assert mistake.startswith("1.1.1 is said to be proved")
    assert asvs.mistakes(row, {"1.1.1": [asvs.Proof("a/tests/test_b.py", "test_c")]}) == []


def test_a_marker_that_names_no_row_is_a_mistake():
    proof = asvs.Proof("a/tests/test_b.py", "test_c")
    assert asvs.mistakes([], {"9.9.9": [proof]}) == [
        "a/tests/test_b.py: test_c is marked 9.9.9, which is no row of asvs.toml."
    ]


@pytest.mark.parametrize("more", ['"met"', '"met", ""', '"tested", ""', '"perhaps", "so"'])
def test_a_status_is_one_of_ours_and_comes_with_words(more: str):
    with pytest.raises(ValueError, match=r"1\.1\.1: .* is no status, or nothing is said with it"):
        asvs.rows(f'["V1 x"]\n"1.1.1" = [2, "something", {more}]')


def test_tests_stand_beside_whatever_is_said():
    proof = {"1.1.1": [asvs.Proof("a/tests/test_b.py", "test_c")]}
    [row] = asvs.rows('["V1 x"]\n"1.1.1" = [2, "something", "not yet", "half of it"]')
    assert asvs.how(row, proof) == "**not yet:** half of it<br>[c](../a/tests/test_b.py)"
