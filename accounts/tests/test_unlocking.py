"""Letting an owner in on a new browser while strangers keep trying their account."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Event, User
from accounts.services import members
from bottomline.outbox.models import OutboxMessage
from conftest import Inbox, Person, Visitor, confirm, log_in, sign_up
from invites.models import Invite

pytestmark = pytest.mark.django_db

WRONG = "not the password at all"


@pytest.fixture(autouse=True)
def clock(still_clock: Any) -> Any:
    return still_clock


def attempt(
    email: str, *, password: str = WRONG, visitor: Visitor | None = None, ip: str = ""
) -> Any:
    extra = {"REMOTE_ADDR": ip} if ip else {}
    fields = {"email": email, "password": password}
    return (visitor or Visitor()).post("/login/", fields, **extra)


def use_up(email: str, *, network: int = 1) -> Any:
    """Try until strangers may try no more; returns the last answer."""
    number = 0
    while (answer := attempt(email, ip=f"198.51.{network}.{number // 20 + 1}")).status_code != 429:
        number += 1
        assert number < 100
    return answer


def unlock_link(inbox: Inbox, person: Person) -> str:
    link = inbox.link_to(person.email)
    assert link.startswith("/login/unlock/")
    return link


# --- the way in ---


@pytest.mark.asvs("6.3.1")
def test_the_owner_gets_in_on_a_new_browser_by_the_mailed_link(alice: Person, inbox: Inbox):
    use_up(alice.email)
    owner = Visitor()
    assert attempt(alice.email, password=alice.password, visitor=owner).status_code == 429

    page = owner.get(unlock_link(inbox, alice))
    assert (page.status_code, page["Referrer-Policy"]) == (200, "strict-origin")
    assert attempt(alice.email, password=alice.password, visitor=owner).status_code == 429
    assert owner.post(unlock_link(inbox, alice))["Location"] == "/login/"
    log_in(owner, alice)
    assert attempt(alice.email, password=alice.password).status_code == 429, "nobody else"


def test_the_link_works_in_a_few_browsers_and_logs_nobody_in(alice: Person, inbox: Inbox):
    """The first may be that of a mail program, and not the one that is meant."""
    use_up(alice.email)
    link, browsers = unlock_link(inbox, alice), [Visitor() for _ in range(6)]
    assert [browser.post(link).status_code for browser in browsers] == [302] * 5 + [410]
    assert browsers[0].get("/session/").status_code == 401
    log_in(browsers[4], alice)
    assert attempt(alice.email, password=alice.password, visitor=browsers[5]).status_code == 429


@pytest.mark.asvs("6.3.1")
def test_a_network_that_may_try_no_more_uses_up_nobodys_tries(alice: Person):
    number = 0
    while attempt(f"somebody{number}@example.org").status_code != 429:
        number += 1
    assert [attempt(alice.email).status_code for _ in range(60)] == [429] * 60
    assert not OutboxMessage.objects.filter(kind="login_paused").exists()
    owner = attempt(alice.email, password=alice.password, ip="203.0.113.9")
    assert owner.status_code == 302


def test_who_has_just_confirmed_is_not_kept_out_by_who_tried_before(
    client: Visitor, invite: Invite, inbox: Inbox
):
    carol = Person("carol@example.org", "carol")
    use_up(carol.email)
    sign_up(client, invite, carol)
    confirm(client, inbox.link_to(carol.email))
    log_in(client, carol)


def test_the_link_is_dead_after_a_day_and_after_a_change_of_password(
    alice: Person, inbox: Inbox, clock: Any
):
    use_up(alice.email)
    link = unlock_link(inbox, alice)
    user = alice.user
    members.set_password(user, user.password)
    assert Visitor().get(link).status_code == 410

    clock.shift(timedelta(days=1))
    use_up(alice.email, network=2)
    link = unlock_link(inbox, alice)
    assert Visitor().get(link).status_code == 200
    clock.shift(timedelta(days=1))
    assert Visitor().get(link).status_code == 410


@pytest.mark.parametrize("change", ["truncated", "of another purpose"])
def test_a_link_that_is_not_ours_does_nothing(alice: Person, inbox: Inbox, change: str):
    use_up(alice.email)
    token = unlock_link(inbox, alice).split("/")[-2]
    wrong = {
        "truncated": f"/login/unlock/{token[:-1]}/",
        "of another purpose": f"/password/reset/{token}/",
    }[change]
    assert Visitor().get(wrong).status_code == 410


def test_it_lets_in_to_no_other_account(alice: Person, bob: Person, inbox: Inbox):
    use_up(alice.email)
    use_up(bob.email, network=2)
    visitor = Visitor()
    visitor.post(unlock_link(inbox, alice))
    assert attempt(bob.email, password=bob.password, visitor=visitor).status_code == 429


# --- the mail ---


def test_one_mail_a_day_however_long_they_try(alice: Person, inbox: Inbox, clock: Any):
    for _ in range(4):
        use_up(alice.email)
        clock.shift(timedelta(minutes=16))
    paused = [mail for mail in inbox.mails_to(alice.email) if "keeps trying" in mail.subject]
    assert len(paused) == 1


def test_one_network_that_tries_many_accounts_makes_no_mail(alice: Person, inbox: Inbox):
    number = 0
    while attempt(f"somebody{number}@example.org").status_code != 429:
        number += 1
    assert attempt(alice.email).status_code == 429
    assert not OutboxMessage.objects.filter(kind="login_paused").exists()


def test_whoever_never_confirmed_or_is_nobody_gets_none(
    client: Visitor, invite: Invite, inbox: Inbox
):
    carol = Person("carol@example.org", "carol")
    sign_up(client, invite, carol)
    before = len(inbox.mails_to(carol.email))
    for network, email in enumerate([carol.email, "nobody@example.org"], 1):
        use_up(email, network=network)
    assert len(inbox.mails_to(carol.email)) == before
    assert inbox.mails_to("nobody@example.org") == []


@pytest.mark.asvs("6.3.8")
def test_being_paused_looks_and_costs_the_same_for_nobody(
    alice: Person, django_assert_num_queries: Any
):
    answers = []
    for network, email in enumerate([alice.email, "nobody@example.org"], 1):
        for number in range(10):
            attempt(email, ip=f"198.51.{network}.{number}")
        with django_assert_num_queries(5):  # a savepoint around two rows
            answers.append(attempt(email, ip=f"198.51.{network}.99"))
    # A window ends where a digest of what is counted says, so only the time to wait differs.
    pages = {re.sub(rb"wait [^,]+,", b"wait,", answer.content) for answer in answers}
    assert len(pages) == 1
    assert answers[0].headers.keys() == answers[1].headers.keys()
    assert OutboxMessage.objects.filter(kind="login_paused").count() == 2


def test_the_owner_reads_of_it_in_the_history(client: Visitor, alice: Person, inbox: Inbox):
    use_up(alice.email)
    client.post(unlock_link(inbox, alice))
    kinds = set(Event.objects.filter(user_id=alice.user.pk).values_list("kind", flat=True))
    assert {"login.paused", "login.unlocked"} <= kinds


def test_a_mail_in_german_says_the_same(alice: Person, inbox: Inbox):
    User.objects.filter(email=alice.email).update(language="de")
    use_up(alice.email)
    mail = inbox.mails_to(alice.email)[-1]
    assert "immer wieder" in mail.subject
    assert "/login/unlock/" in str(mail.body)


# --- longer and longer ---


@pytest.mark.asvs("6.3.1")
def test_strangers_who_keep_failing_wait_longer_and_longer(alice: Person, clock: Any):
    begun, guesses = timezone.now(), 0
    for round_ in range(24 * 5):
        while attempt(alice.email, ip=f"198.51.{round_}.{guesses % 250}").status_code != 429:
            guesses += 1
        clock.shift(timedelta(minutes=12))
    assert timezone.now() - begun == timedelta(days=1)
    assert 50 <= guesses <= 100, "two windows of a day at the most"


def test_a_good_login_between_the_bad_ones_buys_no_guesses(alice: Person):
    statuses = [
        attempt(alice.email, password=alice.password if n % 3 == 2 else WRONG).status_code
        for n in range(11)
    ]
    assert statuses[-1] == 429
    assert statuses.count(429) == 1
