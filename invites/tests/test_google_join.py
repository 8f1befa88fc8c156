"""Signing up with Google, on an invite: the address is proved there, then the name is chosen.

And what somebody could have prepared for whoever comes: the attacks before an account is theirs
(Sudhodanan and Paverd, "Pre-hijacked accounts", USENIX Security 2022), as far as they begin with
a sign-up; those that begin with an open session are in accounts/tests/test_google.py.
"""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts import provider as far
from accounts.models import EmailChange, LinkedIdentity, User
from accounts.tests.test_google import enter
from bottomline.tests.provider import Account, IdentityProvider
from conftest import Inbox, Person, Visitor, at_once, come_back, confirm, log_in, path_of, sign_up
from invites import services as invites
from invites.models import Invite, Redemption

pytestmark = pytest.mark.django_db

CAROL = Account("118154093827461500923", "carol@example.org")
COOKIE = settings.GOOGLE_COOKIE_NAME
JOIN = "/signup/join/"


@pytest.fixture(autouse=True)
def clock(still_clock: Any) -> Any:
    return still_clock


def ask(visitor: Visitor, provider: IdentityProvider, invite: Invite, account: Account) -> Any:
    return come_back(visitor, provider, visitor.post(f"{path_of(invite)}google/"), account)


def proved(provider: IdentityProvider, invite: Invite, account: Account = CAROL) -> Visitor:
    """A browser in which the provider has said whose the address is."""
    visitor = Visitor()
    assert ask(visitor, provider, invite, account)["Location"] == JOIN
    return visitor


def join(visitor: Visitor, username: str = "carol") -> Any:
    return visitor.post(JOIN, {"username": username, "time_zone": "Europe/Berlin"})


@pytest.mark.asvs("6.8.1")
def test_whoever_is_invited_joins_without_a_password(
    client: Visitor, provider: IdentityProvider, invite: Invite
):
    assert "Continue with Google" in client.get(path_of(invite)).text
    assert ask(client, provider, invite, CAROL)["Location"] == JOIN
    assert not User.objects.exists()
    assert not Redemption.objects.exists()
    assert CAROL.email in client.get(JOIN).text
    assert not client.is_in

    assert join(client)["Location"] == "/account/"
    assert client.get("/session/").json()["user"]["username"] == "carol"
    user = User.objects.get(email=CAROL.email)
    assert (user.is_confirmed, user.has_usable_password()) == (True, False)
    assert user.time_zone == "Europe/Berlin"
    assert Redemption.objects.get().user == user
    assert LinkedIdentity.objects.get(user=user).subject == CAROL.subject
    assert client.cookies[COOKIE].value == ""
    assert enter(Visitor(), provider, CAROL)["Location"] == "/account/"


def test_who_would_rather_not_is_back_at_the_invite(
    client: Visitor, provider: IdentityProvider, invite: Invite
):
    page = client.post(f"{path_of(invite)}google/").text
    assert f'href="{path_of(invite)}">Rather not' in page


def test_without_an_invite_nobody_joins(client: Visitor, provider: IdentityProvider):
    assert enter(client, provider, CAROL).status_code == 403
    assert client.get(JOIN).status_code == 410
    assert join(client).status_code == 410
    assert not User.objects.exists()


def test_what_was_proved_is_good_once_and_for_ten_minutes(
    provider: IdentityProvider, clock: Any, db: None
):
    invite = invites.issue(uses=5)
    visitor = proved(provider, invite)
    kept = visitor.cookies[COOKIE].value
    assert join(visitor).status_code == 302
    again = Visitor()
    again.cookies[COOKIE] = kept
    assert join(again, "caroline").status_code == 422
    User.objects.update(email="moved@example.org")
    assert join(again, "caroline").status_code == 410, "the number there is somebody's already"

    late = proved(provider, invite, Account("2", "late@example.org"))
    clock.shift(timedelta(minutes=10, seconds=1))
    assert join(late, "late").status_code == 410
    assert User.objects.count() == 1


def test_a_name_that_is_taken_costs_nothing(
    alice: Person, provider: IdentityProvider, invite: Invite
):
    visitor = proved(provider, invite)
    assert join(visitor, "alice").status_code == 422
    assert join(visitor).status_code == 302


@pytest.mark.asvs("2.3.2")
def test_an_invite_for_one_address_lets_in_that_one(provider: IdentityProvider, db: None):
    invite = invites.issue(email=CAROL.email)
    other = proved(provider, invite, Account("2", "dora@example.org"))
    assert other.get(JOIN).status_code == 410
    assert join(other).status_code == 410
    assert join(proved(provider, invite)).status_code == 302
    assert User.objects.get().email == CAROL.email


def test_an_invite_that_ended_meanwhile_lets_nobody_in(provider: IdentityProvider, invite: Invite):
    visitor = proved(provider, invite)
    invites.revoke(invite)
    assert join(visitor).status_code == 410
    assert visitor.post(f"{path_of(invite)}google/").status_code == 410
    assert not User.objects.exists()


def test_owners_choose_a_password(client: Visitor, provider: IdentityProvider):
    invite = invites.issue(staff=True)
    assert "Google" not in client.get(path_of(invite)).text
    assert client.post(f"{path_of(invite)}google/").status_code == 410


def test_a_member_who_comes_on_an_invite_is_logged_in_and_spends_nothing(
    provider: IdentityProvider, db: None
):
    invite = invites.issue(uses=2)
    join(proved(provider, invite))
    visitor = Visitor()
    assert ask(visitor, provider, invite, CAROL)["Location"] == "/account/"
    assert Redemption.objects.count() == 1


def test_of_two_proofs_in_one_browser_the_later_counts(
    provider: IdentityProvider, inbox: Inbox, db: None
):
    invite = invites.issue(uses=2)
    visitor = proved(provider, invite)
    visitor.post(f"{path_of(invite)}mail/", {"email": "dora@example.org"})
    visitor.post(inbox.link_to("dora@example.org"))
    assert "dora@example.org" in visitor.get(JOIN).text
    ask(visitor, provider, invite, CAROL)
    assert CAROL.email in visitor.get(JOIN).text


@pytest.mark.django_db(transaction=True)
def test_of_two_who_press_at_once_one_joins_and_the_invite_is_used_once(
    provider: IdentityProvider, inbox: Inbox
):
    kept = proved(provider, invites.issue(uses=5)).cookies[COOKIE].value
    answers = []

    def press(username: str) -> None:
        visitor = Visitor()
        visitor.cookies[COOKIE] = kept
        answers.append(join(visitor, username).status_code)

    at_once([partial(press, name) for name in ("carol", "caroline")])
    assert sorted(answers) == [302, 422]
    assert User.objects.count() == Redemption.objects.count() == LinkedIdentity.objects.count() == 1


# --- what somebody prepared ---


def planted(inbox: Inbox) -> tuple[Person, str]:
    """Mallory has signed up with the address of somebody who is to come."""
    person = Person(CAROL.email, "planted")
    sign_up(Visitor(), invites.issue(), person)
    return person, inbox.link_to(CAROL.email)


def refused_by_password(person: Person) -> bool:
    fields = {"email": person.email, "password": person.password}
    return Visitor().post("/login/", fields).status_code == 422


def test_classic_federated_merge(provider: IdentityProvider, invite: Invite, inbox: Inbox):
    """The attacker's password opens nothing when the owner comes by the provider."""
    mallory, stale = planted(inbox)
    # Without an invite nothing is merged, and nothing confirmed.
    assert enter(Visitor(), provider, CAROL).status_code == 403
    assert not User.objects.get().is_confirmed
    assert not LinkedIdentity.objects.exists()

    owner = proved(provider, invite)
    assert join(owner).status_code == 302
    assert refused_by_password(mallory)
    assert Visitor().get(stale).status_code == 410
    user = User.objects.get(email=CAROL.email)
    assert (user.username, user.has_usable_password()) == ("carol", False)
    assert Redemption.objects.get(user=user).invite == invite


def test_unexpired_session(provider: IdentityProvider, invite: Invite, inbox: Inbox):
    """Who signed up with another's address has no session, and what they had begun ends."""
    mallory, _ = planted(inbox)
    visitor = Visitor()
    visitor.post("/login/", {"email": mallory.email, "password": mallory.password})
    assert not visitor.is_in
    visitor.post("/login/link/", {"email": mallory.email})
    kept = visitor.cookies[settings.MAILED_LOGIN_COOKIE_NAME].value
    assert join(proved(provider, invite)).status_code == 302
    assert not visitor.is_in
    assert kept
    assert visitor.post("/login/code/", {"code": "00000000"}).status_code == 422


def test_trojan_identifier(provider: IdentityProvider, invite: Invite, inbox: Inbox):
    """An identity of the attacker's on the account is gone with the owner's first login."""
    planted(inbox)
    theirs = Account("666", "mallory@example.net")
    # There is no way to link one before the address is confirmed; had there been one:
    User.objects.get().identities.create(issuer=provider.issuer, subject=theirs.subject)
    assert enter(Visitor(), provider, theirs).status_code == 403
    assert join(proved(provider, invite)).status_code == 302
    assert enter(Visitor(), provider, theirs).status_code == 403
    assert LinkedIdentity.objects.get().subject == CAROL.subject


def test_unexpired_email_change(provider: IdentityProvider, invite: Invite, inbox: Inbox):
    """A change of address that the attacker had begun moves nothing afterwards."""
    planted(inbox)
    change = EmailChange.objects.create(
        user=User.objects.get(), old_email=CAROL.email, new_email="mallory@example.net"
    )
    assert join(proved(provider, invite)).status_code == 302
    link = f"/email/confirm/{change.confirm_token}/"
    assert Visitor().get(link).status_code == 410
    assert Visitor().post(link).status_code == 410
    assert User.objects.get().email == CAROL.email


UNPROVED: list[dict[str, Any]] = [
    {},
    {"email_verified": False},
    {"email_verified": None},
    {"email_verified": "true"},
    {"email_verified": 1},
    {"email_verified": True, "email": None},
    {"email_verified": True, "email": ["carol@example.org"]},
    {"email_verified": True, "email": "carol@example.org\0"},
    {"email_verified": True, "email": "no address"},
]


@pytest.mark.asvs("10.5.2")
@pytest.mark.parametrize("more", UNPROVED, ids=str)
def test_non_verifying_provider(
    client: Visitor, provider: IdentityProvider, invite: Invite, more: dict[str, Any]
):
    """Who has an account there with another's address gets nothing here by it."""
    assert ask(client, provider, invite, Account("666", CAROL.email, more)).status_code == 403
    assert join(client).status_code == 410
    assert not User.objects.exists()


@pytest.mark.asvs("10.5.2")
@pytest.mark.parametrize(
    ("email", "more", "is_proved"),
    [
        ("carol@gmail.com", {}, True),
        ("carol@googlemail.com", {}, True),
        ("carol@example.org", {"hd": "example.org"}, True),
        ("carol@example.org", {}, False),
        ("carol@gmail.com.example.org", {}, False),
        ("carol@gmail.com", {"email_verified": False}, False),
        ("carol@example.org", {"email_verified": False, "hd": "example.org"}, False),
    ],
)
def test_google_is_believed_about_addresses_of_its_own_and_its_customers(
    email: str, more: dict[str, Any], is_proved: bool
):
    """The rest somebody has proved to Google some day, and may have lost since."""
    said = {"iss": far.GOOGLE, "sub": "1", "email": email, "email_verified": True, **more}
    assert far.told_by(said).is_address_proved == is_proved


def test_an_account_that_is_there_is_linked_from_within_alone(
    alice: Person, provider: IdentityProvider, invite: Invite
):
    """The attacker's account at the provider has the victim's address, however well proved."""
    visitor = Visitor()
    answer = ask(visitor, provider, invite, Account("666", alice.email))
    assert answer.status_code == 403
    assert not visitor.is_in
    log_in(Visitor(), alice)
    assert not LinkedIdentity.objects.exists()


def test_an_address_that_somebody_may_yet_come_back_to_is_not_given_away(
    alice: Person, provider: IdentityProvider, invite: Invite
):
    EmailChange.objects.create(
        user=alice.user, old_email=CAROL.email, new_email=alice.email, confirmed_at=timezone.now()
    )
    assert ask(Visitor(), provider, invite, CAROL).status_code == 403


def test_who_confirms_between_proof_and_name_keeps_the_account(
    provider: IdentityProvider, invite: Invite, inbox: Inbox
):
    person, link = planted(inbox)
    visitor = proved(provider, invite)
    confirm(Visitor(), link)
    assert join(visitor).status_code == 422
    log_in(Visitor(), person)
    assert not LinkedIdentity.objects.exists()
