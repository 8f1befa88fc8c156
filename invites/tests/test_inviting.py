"""Issuing invites: on the member's page, by command, in the admin."""

from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Event
from conftest import Inbox, Person, Visitor, confirm, join, log_in, path_of, set_up_factor, sign_up
from invites import services
from invites.models import Invite

CAROL = Person("carol@example.org", "carol")


def issue(visitor: Visitor, **fields: str):
    return visitor.post("/account/invites/", {"uses": "1", "days": "7", **fields})


def test_a_member_makes_an_invite_and_sees_its_link(client: Visitor, alice: Person):
    log_in(client, alice)
    assert issue(client, label="Carol from chess").status_code == 302

    invite = Invite.objects.get(issuer=alice.user)
    page = client.get("/account/invites/").content.decode()
    assert "Carol from chess" in page
    assert invite.link in page
    assert Visitor().get(path_of(invite)).status_code == 200


def test_whoever_comes_in_is_known_to_have_come_by_the_inviter(
    client: Visitor, alice: Person, inbox: Inbox
):
    log_in(client, alice)
    issue(client)
    sign_up(Visitor(), Invite.objects.get(issuer=alice.user), CAROL)
    assert CAROL.user.redemption.invite.issuer == alice.user


def test_a_revoked_invite_no_longer_opens(client: Visitor, alice: Person):
    log_in(client, alice)
    issue(client)
    invite = Invite.objects.get(issuer=alice.user)
    assert client.post(f"/account/invites/{invite.public_id}/revoke/").status_code == 302

    assert Visitor().get(path_of(invite)).status_code == 410
    assert "Revoked" in client.get("/account/invites/").content.decode()


@pytest.mark.asvs("8.2.2")
def test_nobody_revokes_or_sees_the_invite_of_another(client: Visitor, alice: Person, bob: Person):
    invite = services.issue(issuer=bob.user, label="Bob's friend")
    log_in(client, alice)

    assert client.post(f"/account/invites/{invite.public_id}/revoke/").status_code == 404
    assert "Bob" not in client.get("/account/invites/").content.decode()
    assert Visitor().get(path_of(invite)).status_code == 200


@pytest.mark.asvs("1.4.2")
@pytest.mark.asvs("2.2.1")
@pytest.mark.asvs("2.2.2")
@pytest.mark.asvs("2.2.3")
@pytest.mark.parametrize(
    "fields",
    [
        {"uses": "0"},
        {"uses": "11"},
        {"uses": "x"},
        {"uses": "9" * 400},
        {"days": "0"},
        {"days": "31"},
        {"email": "no address"},
        {"email": "carol@example.org", "uses": "2"},
        {"label": "x" * 61},
        {"note": "x" * 101},
        {"note": "a\x00b"},
    ],
)
def test_a_mistake_is_explained_and_keeps_what_was_typed(
    client: Visitor, alice: Person, fields: dict[str, str]
):
    log_in(client, alice)
    page = issue(client, **{"label": "Carol from chess", **fields})

    assert page.status_code == 422
    assert 'role="alert"' in page.content.decode()
    assert fields.get("label", "Carol from chess") in page.content.decode()
    assert not Invite.objects.filter(issuer=alice.user).exists()


@pytest.mark.asvs("8.2.3")
def test_a_member_cannot_make_staff(client: Visitor, alice: Person):
    log_in(client, alice)
    issue(client, staff="1", grants_staff="1", is_staff="1")
    assert not Invite.objects.get(issuer=alice.user).grants_staff


@pytest.mark.usefixtures("still_clock")
def test_a_member_makes_twenty_invites_a_day(client: Visitor, alice: Person, settings):
    settings.INVITE_ALLOWANCE = 100
    log_in(client, alice)
    answers = [issue(client).status_code for _ in range(21)]
    assert answers == [302] * 20 + [429]


def test_the_list_of_invites_costs_the_same_however_long_it_is(
    client: Visitor, alice: Person, settings, django_assert_max_num_queries
):
    settings.INVITE_ALLOWANCE = 100
    for _ in range(19):
        services.issue(issuer=alice.user)
    log_in(client, alice)
    with django_assert_max_num_queries(7):
        assert client.get("/account/invites/").status_code == 200


@pytest.mark.asvs("1.2.1")
@pytest.mark.asvs("1.3.5")
@pytest.mark.asvs("1.3.7")
def test_what_an_inviter_writes_is_text_and_nothing_else(client: Visitor, alice: Person):
    invite = services.issue(issuer=alice.user, note="\"'><svg onload=1>{{ settings }}")
    page = client.get(path_of(invite)).content.decode()
    assert "<svg onload" not in page
    assert "&lt;svg onload=1&gt;{{ settings }}" in page


# --- the commands ---


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("issue_invite", *arguments)
    return capsys.readouterr().out


def test_the_command_prints_the_link_alone(db: None, capsys: pytest.CaptureFixture[str]):
    out = printed(capsys, "--email", "Ada@Example.org", "--note", "Welcome", "--days", "3")
    invite = Invite.objects.get()

    assert out == invite.link + "\n"
    assert (invite.email, invite.note, invite.max_uses) == ("ada@example.org", "Welcome", 1)
    assert invite.expires_at - invite.created_at == pytest.approx(
        timedelta(days=3), abs=timedelta(seconds=5)
    )


def test_a_staff_invite_makes_an_owner(
    db: None, capsys: pytest.CaptureFixture[str], client: Visitor, inbox: Inbox
):
    path = printed(capsys, "--staff").strip().removeprefix("https://door.example.org")
    client.post(path, vars(CAROL))
    confirm(client, inbox.link_to(CAROL.email))
    log_in(client, CAROL)
    assert CAROL.user.is_superuser

    led = client.get("/admin/", follow=True)
    assert led.redirect_chain[-1][0] == "/account/security/factor/"
    assert "admin opens only to staff" in led.content.decode()
    set_up_factor(CAROL, client)
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    "arguments",
    [
        ("--email", "nonsense"),
        ("--uses", "0"),
        ("--uses", "5", "--email", "a@x.org"),
        ("--days", "0"),
        ("--note", "x" * 101),
    ],
)
def test_the_command_refuses_nonsense_with_a_sentence(db: None, arguments: tuple[str, ...]):
    with pytest.raises(CommandError, match=r"\.$"):
        call_command("issue_invite", *arguments)
    assert not Invite.objects.exists()


def test_the_first_invite_stays_the_same_until_somebody_is_a_member(
    inbox: Inbox, capsys: pytest.CaptureFixture[str]
):
    call_command("first_invite")
    call_command("first_invite")
    first, second = capsys.readouterr().out.split()
    assert first == second

    join(inbox, "ada@example.org", "ada")
    call_command("first_invite")
    assert capsys.readouterr().out == ""


@pytest.mark.asvs("6.4.6")
@pytest.mark.parametrize("command", ["createsuperuser", "changepassword"])
def test_no_command_sets_the_password_of_another(command: str):
    with pytest.raises(CommandError):
        call_command(command)


def test_an_invite_that_ran_out_is_shown_as_such(client: Visitor, alice: Person):
    services.issue(issuer=alice.user, lifetime=timedelta(hours=1))
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        log_in(client, alice)
        assert "Expired" in client.get("/account/invites/").content.decode()


def test_what_a_member_does_with_invites_is_in_their_history(client: Visitor, alice: Person):
    log_in(client, alice)
    issue(client, email="carol@example.org", mail="on")
    invite = Invite.objects.get(issuer=alice.user)
    for act in ("extend", "revoke"):
        client.post(f"/account/invites/{invite.public_id}/{act}/")
    events = Event.objects.filter(user_id=alice.user.pk, kind__startswith="invite.")
    assert sorted(events.values_list("kind", flat=True)) == [
        "invite.extended",
        "invite.issued",
        "invite.mailed",
        "invite.revoked",
    ]
    assert "carol" not in str([event.details for event in events])


def test_the_command_leaves_nothing_else_on_standard_output(db: None, capsys):
    """Nor does the log, which goes there too."""
    services.issue()
    assert capsys.readouterr().out == ""
    assert not Event.objects.exists()
