"""One code typed in many browsers at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.tests.test_second_factor import VERIFY, first_factor
from conftest import Person, Visitor, app_code, log_in, set_up_factor


@pytest.mark.asvs("6.5.1")
@pytest.mark.asvs("2.3.4")
@pytest.mark.parametrize("kind", ["totp", "recovery"])
@pytest.mark.django_db(transaction=True)
def test_of_many_with_one_code_at_once_one_gets_in(alice: Person, kind: str):
    owner = Visitor()
    log_in(owner, alice)
    codes = set_up_factor(alice, owner)
    code = app_code(alice) if kind == "totp" else codes[0]
    browsers = [Visitor() for _ in range(4)]
    for browser in browsers:
        first_factor(browser, alice)

    def type_it(browser: Visitor) -> int:
        try:
            return browser.post(VERIFY, {"code": code}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(len(browsers)) as people:
        statuses = Counter(people.map(type_it, browsers))

    assert statuses == {302: 1, 422: 3}
    assert sum(browser.is_in for browser in browsers) == 1
