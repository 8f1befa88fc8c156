"""Saying no to an invite, and to all that may come."""

import threading

import pytest
from django.db import connection

from accounts.models import Event
from bottomline.caller import Caller
from conftest import Inbox, Person, Visitor, commits, log_in, path_of, sign_up
from invites import quota, services, signup
from invites.errors import InviteUnusable
from invites.models import AddressBlock, Invite, Redemption

CAROL = Person("carol@example.org", "carol")


@pytest.fixture
def mailed(alice: Person) -> Invite:
    with commits():
        return services.issue(issuer=alice.user, email=CAROL.email, mail=True)


def decline(visitor: Visitor, invite: Invite, **fields: str):
    """By the link in the mail."""
    return visitor.post(invite.decline_link.removeprefix("https://door.example.org"), fields)


def test_an_invited_person_says_no_and_the_inviter_sees_it(
    client: Visitor, alice: Person, mailed: Invite
):
    assert 'href="decline/"' in client.get(path_of(mailed)).content.decode()
    assert client.get(path_of(mailed) + "decline/").status_code == 200
    assert decline(client, mailed).status_code == 200

    assert client.get(path_of(mailed)).status_code == 410
    assert sign_up(client, mailed, CAROL).status_code == 410
    member = Visitor()
    log_in(member, alice)
    page = member.get("/account/invites/").content.decode()
    assert "Declined" in page
    assert mailed.link not in page


@pytest.mark.asvs("14.2.6")
def test_the_inviters_history_says_that_and_not_from_where(
    client: Visitor, alice: Person, mailed: Invite
):
    decline(client, mailed, block="on")
    event = Event.objects.get(kind="invite.declined")
    assert event.user_id == alice.user.pk
    assert event.ip in {"", None}
    assert set(event.details) == {"invite"}


@pytest.mark.asvs("3.5.3")
def test_looking_declines_nothing(client: Visitor, mailed: Invite):
    for _ in range(3):
        client.get(path_of(mailed) + "decline/")
        client.head(path_of(mailed) + "decline/")
    assert client.get(path_of(mailed)).status_code == 200


def test_a_declined_invite_gives_its_use_back(client: Visitor, alice: Person, mailed: Invite):
    decline(client, mailed)
    counted = quota.of(alice.user)
    assert counted
    assert counted.left == 5


def test_a_declined_invite_is_neither_mailed_nor_extended(
    client: Visitor, alice: Person, mailed: Invite, inbox: Inbox
):
    decline(client, mailed)
    member = Visitor()
    log_in(member, alice)
    for act in ("mail", "extend"):
        member.post(f"/account/invites/{mailed.public_id}/{act}/")
    assert not inbox.mails_to(CAROL.email)
    assert client.get(path_of(mailed)).status_code == 410


def test_a_link_declines_once(client: Visitor, mailed: Invite):
    assert decline(client, mailed).status_code == 200
    assert decline(client, mailed, block="on").status_code == 410
    assert not AddressBlock.objects.exists()


@pytest.mark.parametrize("uses", [1, 3])
def test_whoever_has_an_open_link_cannot_end_it_for_the_others(
    client: Visitor, alice: Person, uses: int
):
    invite = services.issue(issuer=alice.user, uses=uses)
    assert "decline" not in client.get(path_of(invite)).content.decode()
    assert client.get(path_of(invite) + "decline/").status_code == 404
    assert decline(client, invite).status_code == 404
    assert client.get(path_of(invite)).status_code == 200
    with pytest.raises(InviteUnusable):
        services.decline(path_of(invite).split("/")[2], block=True, caller=Caller(ip="192.0.2.1"))


@pytest.mark.asvs("6.3.8")
def test_a_link_that_does_not_open_cannot_be_declined_either(client: Visitor, mailed: Invite):
    services.revoke(mailed)
    for path in (path_of(mailed), f"/invite/{'A' * 43}/", path_of(mailed)[:-2] + "/"):
        assert client.get(path + "decline/").status_code == 410
        assert client.post(path + "decline/").status_code == 410


def test_a_blocked_address_is_never_mailed_an_invite_again_and_nobody_is_told(
    client: Visitor, alice: Person, bob: Person, mailed: Invite, inbox: Inbox
):
    decline(client, mailed, block="on")
    before = len(inbox.mails_to(CAROL.email))
    pages = []
    for email in (CAROL.email, "dora@example.org"):
        member = Visitor()
        log_in(member, bob)
        fields = {"email": email, "mail": "on", "uses": "1", "days": "7", "label": "x"}
        assert member.post("/account/invites/", fields).status_code == 302
        pages.append(member.get("/account/invites/").content.decode())

    assert len(inbox.mails_to(CAROL.email)) == before
    assert len(inbox.mails_to("dora@example.org")) == 1
    assert all("we are writing to them" in page for page in pages)


def test_only_the_mailbox_keeps_mails_away_and_not_its_inviter(
    client: Visitor, mailed: Invite, inbox: Inbox
):
    """The inviter has the invite's own link, and could silence any stranger's address by it."""
    [mail] = inbox.mails_to(CAROL.email)
    assert mailed.decline_link in mail.body
    assert mailed.decline_link in mail.alternatives[0][0]

    path = path_of(mailed) + "decline/"
    assert "Never mail invites" not in client.get(path).content.decode()
    assert client.post(path, {"block": "on"}).status_code == 200
    assert not AddressBlock.objects.exists()


def test_the_mails_link_to_decline_lets_nobody_in(client: Visitor, mailed: Invite):
    link = mailed.decline_link.removeprefix("https://door.example.org")
    assert "Never mail invites" in client.get(link).content.decode()
    assert client.get(link.removesuffix("decline/")).status_code == 410


def test_a_block_covers_the_mailbox_whatever_tag_is_put_on_it(
    client: Visitor, alice: Person, mailed: Invite, inbox: Inbox
):
    decline(client, mailed, block="on")
    with commits():
        services.issue(issuer=alice.user, email="carol+hey@example.org", mail=True)
    assert not inbox.mails_to("carol+hey@example.org")


def test_declining_alone_blocks_nothing(client: Visitor, mailed: Invite, bob: Person, inbox: Inbox):
    decline(client, mailed)
    before = len(inbox.mails_to(CAROL.email))
    with commits():
        services.issue(issuer=bob.user, email=CAROL.email, mail=True)
    assert len(inbox.mails_to(CAROL.email)) == before + 1


def test_whoever_blocked_may_still_come_in_on_an_invite_they_were_handed(
    client: Visitor, bob: Person, mailed: Invite
):
    decline(client, mailed, block="on")
    handed = services.issue(issuer=bob.user, email=CAROL.email)
    assert sign_up(client, handed, CAROL).status_code == 200


@pytest.mark.asvs("14.2.6")
def test_no_address_is_kept_of_whoever_blocks(client: Visitor, mailed: Invite):
    decline(client, mailed, block="on")
    block = AddressBlock.objects.get()
    assert len(block.mac) == 64
    assert "carol" not in str(vars(block))


def test_a_block_survives_a_new_secret_while_the_old_one_is_kept(
    client: Visitor, mailed: Invite, settings
):
    decline(client, mailed, block="on")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key that is long enough for every check there is"
    assert AddressBlock.objects.holds(CAROL.email)
    assert not AddressBlock.objects.holds("dora@example.org")


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_of_declining_and_signing_up_at_once_one_happens(alice: Person):
    invite = services.issue(issuer=alice.user, email=CAROL.email)
    token = path_of(invite).split("/")[2]
    outcomes: list[str] = []
    gate = threading.Barrier(2)

    def act(name: str) -> None:
        gate.wait()
        try:
            if name == "declined":
                services.decline(token, block=False, caller=Caller(ip="192.0.2.1"))
            else:
                signup.sign_up(
                    invite,
                    **vars(CAROL),
                    language="en",
                    time_zone="UTC",
                    caller=Caller(ip="192.0.2.2"),
                )
            outcomes.append(name)
        except InviteUnusable:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=[name]) for name in ("declined", "joined")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes.count("refused") == 1
    invite.refresh_from_db()
    assert bool(invite.declined_at) != Redemption.objects.filter(invite=invite).exists()
