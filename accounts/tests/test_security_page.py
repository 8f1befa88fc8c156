"""One place for every way in; and the login page, which leads with the one used last."""

from datetime import timedelta

import pytest
from django.conf import settings

from accounts import ways_in
from accounts.errors import LastWayIn
from accounts.models import Event
from accounts.services.security import overview
from accounts.tests.test_passkeys import passkey_of
from conftest import Inbox, Person, Visitor, log_in

pytestmark = pytest.mark.django_db

WAY = settings.WAY_IN_COOKIE_NAME


def log_in_by_mail(visitor: Visitor, person: Person, inbox: Inbox) -> None:
    visitor.post("/login/link/", {"email": person.email})
    assert visitor.post(inbox.link_to(person.email)).status_code == 302


def without_password(person: Person) -> None:
    user = person.user
    user.set_unusable_password()
    user.save()


# --- the security page ---


def test_every_way_in_is_there_with_its_strength_and_its_last_use(
    client: Visitor, alice: Person, inbox: Inbox, still_clock
):
    log_in(Visitor(), alice)
    still_clock.shift(timedelta(days=3))
    log_in_by_mail(client, alice, inbox)
    page = client.get("/account/security/").text
    for way in (ways_in.PASSWORD, ways_in.PASSKEY, ways_in.MAIL):
        assert way.title in page
        assert way.strength in page
    password, passkey, mail = ways_in.list_own(alice.user)
    assert (password.is_there, passkey.is_there, mail.is_there) == (True, False, True)
    assert password.last_used is not None
    assert mail.last_used is not None
    assert mail.last_used - password.last_used == timedelta(days=3)
    assert "only way in" not in page


def test_a_login_with_a_second_factor_counts_for_the_first(alice: Person):
    log_in(Visitor(), alice)
    Event.objects.filter(kind="login.completed").update(details={"method": "password+totp"})
    assert ways_in.list_own(alice.user)[0].last_used is not None


def test_an_only_way_in_is_called_that(client: Visitor, alice: Person, inbox: Inbox):
    without_password(alice)
    log_in_by_mail(client, alice, inbox)
    page = client.get("/account/security/").text
    assert "Your only way in" in page
    assert "you would be locked out" in page
    assert "Set a password" in page


def test_nobody_gives_up_the_last_way_in(alice: Person, olivia: Person):
    ways_in.require_another(alice.user, "password")
    with pytest.raises(LastWayIn):
        ways_in.require_another(olivia.user, "password")
    without_password(alice)
    with pytest.raises(LastWayIn):
        ways_in.require_another(alice.user, "mail")


def test_staff_do_not_have_the_mail(client: Visitor, olivia: Person):
    log_in(client, olivia)
    assert "Not for staff" in client.get("/account/security/").text


def test_what_to_look_at_changes_with_what_there_is(client: Visitor, alice: Person, inbox: Inbox):
    log_in(client, alice)
    _, second_factor, *others = overview(alice.user).checks
    assert not second_factor.is_well
    assert all(check.is_well for check in others)

    Visitor().post("/login/", {"email": alice.email, "password": "not the password"})
    log_in(Visitor(), alice)
    without_password(alice)
    checks = overview(alice.user).checks
    assert [check.is_well for check in checks] == [False] * 4
    for check in checks:
        assert client.get(check.page).status_code in {200, 302}


# --- the login page ---


def leads(visitor: Visitor) -> bool:
    return "As last time in this browser" in visitor.get("/login/").text


def test_the_login_page_leads_with_the_way_used_last_here(
    client: Visitor, alice: Person, inbox: Inbox
):
    assert not leads(client)
    log_in_by_mail(client, alice, inbox)
    kept = client.cookies[WAY]
    assert (kept.value, kept["httponly"], kept["secure"]) == ("mail", True, True)
    client.post("/logout/")
    assert leads(client)
    assert not leads(Visitor())

    log_in(client, alice)
    client.post("/logout/")
    assert client.cookies[WAY].value == "password"
    assert not leads(client)


def test_whoever_has_one_way_in_is_led_to_one_they_do_not_have(olivia: Person):
    def advice() -> tuple[str, str]:
        check = overview(olivia.user).checks[0]
        assert not check.is_well
        return check.page, check.label

    assert advice() == ("/account/security/passkeys/", "Add a passkey")
    passkey_of(olivia)
    without_password(olivia)
    assert advice() == ("/password/change/", "Set a password")


def test_the_keyboard_begins_at_the_address_unless_another_way_leads(client: Visitor):
    assert "autofocus" in client.get("/login/").text
    client.cookies[WAY] = "mail"
    assert "autofocus" not in client.get("/login/").text


@pytest.mark.asvs("6.3.8")
def test_what_it_leads_with_depends_on_the_browser_and_on_no_account(
    client: Visitor, alice: Person
):
    """Before anybody has typed an address, and after a refusal, for a member and for nobody."""
    client.cookies[WAY] = "mail"
    fields = {"password": "not the password at all"}
    pages = [
        client.post("/login/", fields | {"email": email}).text
        for email in (alice.email, "nobody@example.org")
    ]
    assert all("As last time in this browser" in page for page in pages)
    assert len(client.cookies[WAY].value) == 4


@pytest.mark.parametrize("value", ["", "x", "<script>", "mail\x00", "é" * 3000])
def test_a_cookie_that_is_not_ours_leads_nowhere(client: Visitor, value: str):
    client.cookies[WAY] = value
    assert not leads(client)
