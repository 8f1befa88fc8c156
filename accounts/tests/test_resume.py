"""What a session keeps of a form whose sender is asked who they are first."""

from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.utils import timezone

from bottomline.sessions import cookie
from bottomline.sessions.store import SessionStore
from conftest import Person, Visitor, log_in

pytestmark = pytest.mark.django_db

RECOVERY_CODE = "AAAA BBBB CCCC DDDD EEEE FFFF"


@pytest.mark.parametrize("page", ["codes", "off"])
def test_no_code_that_was_typed_is_kept(client: Visitor, alice: Person, page):
    """A recovery code opens the account until it is used, and here it was not."""
    with time_machine.travel(timezone.now() - timedelta(minutes=11)):
        log_in(client, alice)
    response = client.post(f"/account/security/factor/{page}/", {"code": RECOVERY_CODE})
    assert response["Location"].startswith("/reauth/")
    sid = cookie.read(client.cookies[settings.SESSION_COOKIE_NAME].value)
    assert RECOVERY_CODE not in str(SessionStore(sid).load())
