"""Every rule finds what is wrong, on its line, and is quiet where nothing is."""

from collections import Counter

import pytest

from sync.lint.rules import RULES
from tests.lint.conftest import Case, read_cases

CASES = read_cases()
BY_SQL = {"FS001", "FS002", "FS003", "FS004", "FS005", "FS006", "FS007", "FS008", "FS011"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code} {case.name}")
def test_case(case: Case) -> None:
    found = [finding for finding in case.lint() if finding.code == case.code]
    if not case.wrong:
        assert found == []
        return
    assert found
    severity = next(rule.severity for rule in RULES if rule.code == case.code)
    assert {finding.severity for finding in found} == {severity}
    if case.marked:
        assert sorted({finding.line for finding in found}) == case.marked


def test_every_rule_has_four_of_each() -> None:
    counts = Counter((case.code, case.wrong) for case in CASES)
    assert {code for code in BY_SQL if min(counts[code, True], counts[code, False]) < 4} == set()


def test_every_case_is_read() -> None:
    assert all("unread" not in finding.message for case in CASES for finding in case.lint())
    assert [finding for case in CASES for finding in case.lint() if finding.code == "FS009"] == []
