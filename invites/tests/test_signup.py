"""From an invite link to "check your email"."""

from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.db import OperationalError, connection
from django.utils import timezone

from accounts.models import User
from accounts.services import usernames
from bottomline.outbox.models import OutboxMessage
from conftest import PASSWORD, Inbox, Person, Visitor, confirm, log_in, path_of, sign_up
from invites import services
from invites.models import Invite, Redemption

CAROL = Person("carol@example.org", "carol")


def test_an_invited_person_becomes_a_member(client: Visitor, invite: Invite, inbox: Inbox):
    page = sign_up(client, invite, CAROL)
    assert page.status_code == 200
    assert "carol@example.org" in page.content.decode()

    confirm(client, inbox.link_to(CAROL.email))
    log_in(client, CAROL)
    assert client.get("/account/").status_code == 200
    assert CAROL.user.redemption.invite == invite


@pytest.mark.asvs("3.5.3")
def test_opening_a_link_spends_nothing(client: Visitor, invite: Invite):
    for _ in range(5):
        assert client.get(path_of(invite)).status_code == 200
        assert client.head(path_of(invite)).status_code == 200
    assert sign_up(client, invite, CAROL).status_code == 200


@pytest.mark.asvs("2.4.1")
def test_a_program_that_fills_in_every_field_is_told_all_is_well_and_nothing_happens(
    client: Visitor, invite: Invite, inbox: Inbox, caplog
):
    person = vars(CAROL)
    with caplog.at_level("INFO"):
        trapped = client.post(path_of(invite), person | {"website": "https://buy.example"})
    assert not User.objects.exists()
    assert not OutboxMessage.objects.exists()
    assert not Redemption.objects.exists()
    lines = [record.getMessage() for record in caplog.records]
    assert lines.count("signup.trapped") == 1
    assert "buy.example" not in str([vars(record) for record in caplog.records])

    page = client.post(path_of(invite), person | {"website": ""})
    assert (trapped.status_code, trapped.content) == (page.status_code, page.content)
    assert inbox.link_to(CAROL.email)


def test_the_page_says_who_invites_and_until_when(client: Visitor, alice: Person):
    invite = services.issue(issuer=alice.user, note="Come in, the kettle is on.")
    page = client.get(path_of(invite)).content.decode()

    assert "alice" in page
    assert "Come in, the kettle is on." in page
    assert invite.expires_at.strftime("%Y") in page
    assert alice.email not in page


def test_a_bound_invite_does_not_tell_whom_it_is_for(client: Visitor, db: None):
    invite = services.issue(email=CAROL.email)
    assert CAROL.email not in client.get(path_of(invite)).content.decode()


@pytest.fixture
def unusable(alice: Person) -> dict[str, str]:
    """A link of each kind that does not open, and is for nobody to tell apart."""
    used, expired, revoked = (services.issue() for _ in range(3))
    sign_up(Visitor(), used, Person("used@example.org", "usedup"))
    Invite.objects.filter(pk=expired.pk).update(
        created_at=timezone.now() - timedelta(days=9),
        expires_at=timezone.now() - timedelta(seconds=1),
    )
    services.revoke(revoked)
    blocked = services.issue(issuer=alice.user)
    User.objects.filter(email=alice.email).update(blocked_until=timezone.now() + timedelta(days=1))
    return {
        "unknown": f"/invite/{'A' * 43}/",
        "mangled": path_of(used)[:-2] + "/",
        "used": path_of(used),
        "expired": path_of(expired),
        "revoked": path_of(revoked),
        "inviter blocked": path_of(blocked),
    }


@pytest.mark.asvs("6.3.8")
def test_invites_that_do_not_open_look_alike(client: Visitor, unusable: dict[str, str]):
    answers = [client.get(path) for path in unusable.values()]
    answers += [client.post(path, vars(CAROL)) for path in unusable.values()]

    assert {answer.status_code for answer in answers} == {410}
    assert len({answer.content for answer in answers}) == 1
    assert not User.objects.filter(email=CAROL.email).exists()


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("en-GB,de;q=0.5", "en"),
        ("fr,de;q=0.5", "de"),
        ("fr", "en"),
        ("", "en"),
        ("x" * 600 + ",,;q=", "en"),
    ],
)
def test_we_write_in_the_language_of_the_browser_that_signs_up(
    client: Visitor, inbox: Inbox, invite: Invite, header: str, language: str
):
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = header
    assert sign_up(client, invite, CAROL).status_code == 200
    assert CAROL.user.language == language
    subject = {"de": "Bestätige deine Adresse", "en": "Confirm your address"}[language]
    assert inbox.mails_to(CAROL.email)[-1].subject.startswith(subject)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("Asia/Calcutta", "Asia/Calcutta"),
        ("", "UTC"),
        ("Mars/Olympus_Mons", "UTC"),
        ("../../etc/passwd", "UTC"),
        ("localtime", "UTC"),
        ("\0", "UTC"),
        ("x" * 5000, "UTC"),
    ],
)
def test_the_time_zone_is_the_browsers_if_there_is_such_a_zone(
    client: Visitor, invite: Invite, said: str, kept: str
):
    answer = client.post(path_of(invite), {**vars(CAROL), "time_zone": said})
    assert answer.status_code == 200
    assert CAROL.user.time_zone == kept


def test_the_browser_of_somebody_else_changes_nothing_of_a_member(
    client: Visitor, alice: Person, invite: Invite
):
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    typed = {**vars(alice), "username": "another", "time_zone": "Europe/Berlin"}
    assert client.post(path_of(invite), typed).status_code == 200
    assert (alice.user.language, alice.user.time_zone) == ("en", "UTC")


@pytest.mark.asvs("6.3.8")
@pytest.mark.usefixtures("still_clock")
def test_an_invite_for_an_address_admits_no_other_and_does_not_tell_which_it_is(
    client: Visitor, alice: Person
):
    """What was typed is still there; and whoever guesses is stopped."""
    invite = services.issue(email="somebody@example.org")
    for stranger in (CAROL, Person(alice.email, CAROL.username)):
        page = sign_up(client, invite, stranger)
        text = page.content.decode()

        assert page.status_code == 422
        assert "This invite is not for that address." in text
        assert f'value="{stranger.email}"' in text
        assert f'value="{CAROL.username}"' in text
        assert "somebody@example.org" not in text
    assert not Redemption.objects.filter(invite=invite).exists()
    answers = [sign_up(client, invite, CAROL).status_code for _ in range(19)]
    assert answers == [422] * 18 + [429]
    assert not User.objects.filter(email=CAROL.email).exists()


@pytest.mark.usefixtures("still_clock")
def test_trying_invites_trips_the_limiter(client: Visitor, db: None):
    answers = [client.get(f"/invite/{'A' * 43}/") for _ in range(21)]

    assert [answer.status_code for answer in answers] == [410] * 20 + [429]
    assert int(answers[-1]["Retry-After"]) > 0


def test_a_good_invite_opens_where_many_bad_ones_were_tried(client: Visitor, invite: Invite):
    for _ in range(25):
        client.get(f"/invite/{'A' * 43}/")
    assert client.get(path_of(invite)).status_code == 200


def test_an_invite_for_an_address_admits_that_address(client: Visitor, inbox: Inbox):
    invite = services.issue(email=CAROL.email)
    shouted = Person(" CAROL@Example.org", CAROL.username)

    assert sign_up(client, invite, shouted).status_code == 200
    assert inbox.link_to(CAROL.email)


def test_an_invite_for_three_admits_three(client: Visitor, db: None):
    invite = services.issue(uses=3)
    names = ["daria", "edith", "fred", "gustav"]
    answers = [
        sign_up(client, invite, Person(f"{name}@example.org", name)).status_code for name in names
    ]
    assert answers == [200, 200, 200, 410]


@pytest.mark.asvs("2.3.3")
def test_a_refused_sign_up_spends_nothing_and_keeps_what_was_typed(
    client: Visitor, invite: Invite, alice: Person
):
    for mistake in (
        {"email": "no address", "username": "carol", "password": PASSWORD},
        {"email": "carol@example.org", "username": "a", "password": PASSWORD},
        {"email": "carol@example.org", "username": "al1ce", "password": PASSWORD},
        {"email": "carol@example.org", "username": "carol", "password": "short"},
        {"email": "carol@example.org", "username": "carol", "password": "x" * 129},
        {},
    ):
        page = client.post(path_of(invite), mistake)
        assert page.status_code == 422, mistake
        text = page.content.decode()
        assert 'role="alert"' in text
        for name in ("email", "username"):
            assert mistake.get(name, "") in text
        assert PASSWORD not in text
    assert sign_up(client, invite, CAROL).status_code == 200


@pytest.mark.asvs("6.3.8")
def test_an_address_with_an_account_gets_the_same_page_and_its_owner_a_mail(
    client: Visitor, invite: Invite, alice: Person, inbox: Inbox
):
    known = sign_up(client, invite, Person(alice.email, "somebody"))
    new = sign_up(client, services.issue(), Person("new@example.org", "newbie"))

    assert known.status_code == new.status_code == 200
    assert known.content.replace(b"alice@example.org", b"") == new.content.replace(
        b"new@example.org", b""
    )
    assert "already" in inbox.mails_to(alice.email)[-1].body
    assert User.objects.count() == 2


def test_an_address_with_an_account_does_not_spend_the_invite(
    client: Visitor, invite: Invite, alice: Person
):
    sign_up(client, invite, Person(alice.email, "somebody", "another good kettle 77"))

    assert alice.user.check_password(alice.password)
    assert alice.user.username == "alice"
    assert sign_up(client, invite, CAROL).status_code == 200


STRANGER = Person("victim@example.org", "mallory", "mallory knows this one 4")
OWNER = Person("victim@example.org", "victim", "only the owner knows it 9")


@pytest.mark.asvs("2.3.1")
@pytest.mark.parametrize("order", [(STRANGER, OWNER), (OWNER, STRANGER)])
def test_nobody_else_who_signed_up_with_an_address_keeps_a_way_in(
    client: Visitor, inbox: Inbox, order: tuple[Person, Person]
):
    """Pre-hijacking: whoever of the two came first, only the mailbox's owner chooses a password."""
    for person in order:
        sign_up(Visitor(), services.issue(), person)
    confirm(client, inbox.link_to(OWNER.email))
    assert "choose" in client.get("/login/").content.decode()

    for person in order:
        attempt = {"email": person.email, "password": person.password}
        assert Visitor().post("/login/", attempt).status_code == 422

    link = inbox.link_to(OWNER.email)
    new = Person(OWNER.email, order[1].username, "chosen by the mailbox's owner")
    client.post(link, {"password": new.password, "repeated": new.password})
    log_in(client, new)
    assert User.objects.count() == 1


@pytest.mark.asvs("2.4.1")
@pytest.mark.usefixtures("still_clock")
def test_an_owner_is_not_flooded_by_whoever_has_an_invite(
    client: Visitor, invite: Invite, alice: Person, inbox: Inbox
):
    before = len(inbox.mails_to(alice.email))
    for n in range(8):
        person = Person(alice.email, "somebody" + "abcdefgh"[n])
        assert sign_up(client, invite, person).status_code == 200
    assert len(inbox.mails_to(alice.email)) == before + 4  # the first was her own sign-up


@pytest.mark.asvs("6.3.8")
def test_the_name_check_does_not_tell_whether_an_address_had_an_account(
    client: Visitor, alice: Person
):
    invite = services.issue(uses=2)
    sign_up(client, invite, Person(alice.email, "knownone"))
    sign_up(client, invite, Person("fresh@example.org", "freshone"))
    for name in ("knownone", "freshone"):
        assert client.get("/signup/username/", {"u": name}).json()["free"] is False


@pytest.mark.asvs("6.3.8")
def test_signing_up_does_not_tell_which_name_belongs_to_which_address(
    client: Visitor, invite: Invite, alice: Person
):
    """Alice's own name is as taken for her address as for any other."""
    for email in (alice.email, "nobody@example.org"):
        page = sign_up(client, invite, Person(email, "alice"))
        assert page.status_code == 422
        assert "Somebody has that name" in page.content.decode()


def test_a_name_in_flight_is_held_for_whoever_came_first(
    client: Visitor, invite: Invite, inbox: Inbox
):
    with usernames.reserved("carol"):
        page = sign_up(client, invite, CAROL)
    assert page.status_code == 422
    assert "Somebody has that name" in page.content.decode()
    assert sign_up(client, invite, CAROL).status_code == 200


def test_a_name_is_free_again_as_soon_as_the_request_ends(client: Visitor, invite: Invite):
    client.post(path_of(invite), {**vars(CAROL), "password": "short"})
    with usernames.reserved("carol"):
        pass
    assert not list(cache.iter_keys("username:*"))


@pytest.mark.parametrize(
    ("name", "free"),
    [("carol", True), ("alice", False), ("AL1CE", False), ("a", False), ("admin", False)],
)
def test_the_form_learns_whether_a_name_is_free(
    client: Visitor, alice: Person, name: str, free: bool
):
    answer = client.get("/signup/username/", {"u": name}).json()
    assert answer["free"] is free
    assert answer["message"].endswith(".")


@pytest.mark.usefixtures("still_clock")
def test_asking_for_names_is_throttled(client: Visitor, db: None):
    answers = [client.get("/signup/username/?u=carol").status_code for _ in range(61)]
    assert answers == [200] * 60 + [429]


@pytest.mark.usefixtures("still_clock")
def test_signing_up_is_throttled_by_network(client: Visitor, db: None):
    invite = services.issue(uses=100)
    weak = {"email": "x@example.org", "username": "zoe", "password": "a" * 20}
    answers = [client.post(path_of(invite), weak) for _ in range(31)]
    assert [answer.status_code for answer in answers] == [422] * 30 + [429]


@pytest.mark.parametrize(
    "pasted",
    [
        "{token}",
        "  {token}\n",
        "{link}",
        "Here it is: {link} see you there",
        "https://door.example.org/invite/{head}\n {tail}/",
    ],
)
def test_a_pasted_code_or_link_leads_to_the_invite(client: Visitor, invite: Invite, pasted: str):
    token = path_of(invite).split("/")[2]
    code = pasted.format(token=token, link=invite.link, head=token[:20], tail=token[20:])
    response = client.post("/signup/", {"code": code})

    assert (response.status_code, response["Location"]) == (302, path_of(invite))


def test_a_mistyped_code_is_explained_and_kept(client: Visitor, db: None):
    page = client.post("/signup/", {"code": "kettle"})
    assert page.status_code == 422
    assert 'value="kettle"' in page.content.decode()


def test_a_member_who_opens_an_invite_is_told_so_and_spends_nothing(
    client: Visitor, invite: Invite, alice: Person
):
    log_in(client, alice)
    assert "already" in client.get(path_of(invite)).content.decode().lower()
    client.post(path_of(invite), vars(CAROL))
    assert not Redemption.objects.filter(invite=invite).exists()


@pytest.mark.asvs("2.3.3")
def test_a_sign_up_whose_mail_cannot_be_promised_leaves_nothing(client: Visitor, invite: Invite):
    def refuse_the_outbox(execute, sql, params, many, context):
        if sql.startswith('INSERT INTO "outbox'):
            raise OperationalError("the database has gone")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse_the_outbox):
        assert sign_up(client, invite, CAROL).status_code == 503

    assert not User.objects.exists()
    assert not OutboxMessage.objects.exists()
    assert Invite.objects.redeemable().filter(pk=invite.pk).exists()


@pytest.mark.asvs("8.2.3")
def test_what_a_staff_invite_grants_does_not_pass_to_whoever_signs_up_next(
    client: Visitor, invite: Invite, inbox: Inbox
):
    staff = services.issue(staff=True)
    owner = Person("owner@example.org", "owner1", "only the owner knows it 9")
    sign_up(Visitor(), staff, owner)
    assert owner.user.is_superuser

    sign_up(client, invite, Person(owner.email, "mallory", "mallory knows this one 4"))
    assert not owner.user.is_staff
    assert not owner.user.is_superuser
    assert Invite.objects.redeemable().filter(pk=staff.pk).exists()

    again = Person(owner.email, "owner2", owner.password)
    sign_up(client, staff, again)
    confirm(client, inbox.link_to(owner.email))
    assert owner.user.is_superuser
    assert Invite.objects.redeemable().filter(pk=invite.pk).exists()


def test_the_staff_invite_of_somebody_who_is_no_longer_an_owner_does_not_open(
    client: Visitor, olivia: Person
):
    invite = services.issue(issuer=olivia.user, staff=True)
    assert client.get(path_of(invite)).status_code == 200
    User.objects.filter(email=olivia.email).update(is_superuser=False)
    assert client.get(path_of(invite)).status_code == 410


def test_links_keep_their_address_out_of_referers(client: Visitor, invite: Invite):
    assert client.get(path_of(invite))["Referrer-Policy"] == "strict-origin"
    assert client.get(f"/invite/{'A' * 43}/")["Referrer-Policy"] == "strict-origin"


@pytest.mark.asvs("6.4.1")
def test_an_invite_ends_on_its_day(client: Visitor, invite: Invite):
    with time_machine.travel(invite.expires_at - timedelta(seconds=5)):
        assert client.get(path_of(invite)).status_code == 200
    with time_machine.travel(invite.expires_at + timedelta(seconds=1)):
        assert client.get(path_of(invite)).status_code == 410
