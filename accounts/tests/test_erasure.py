"""Erasing an account for good: what goes, what stays, and that it is never half done."""

import io
import threading
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.core.cache import caches
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from accounts.addresses import username_key
from accounts.errors import BadCredentials, Refusal, TokenUnusable
from accounts.models import EmailChange, Event, FormerUsername, Token, User
from accounts.services import closing, erasure, export, history, members, password_reset
from accounts.signals import erasing
from accounts.tests.authenticator import Authenticator, add_passkey, asked_on
from accounts.tests.everywhere import places_with
from bottomline.caller import Caller
from bottomline.outbox import services as outbox
from bottomline.outbox.models import OutboxMessage
from bottomline.tests.environment import need
from conftest import Inbox, Person, Visitor, commits, confirm, join, log_in, path_of, sign_up
from invites import services as invites
from invites.models import Freeze, Invite, Redemption

pytestmark = pytest.mark.django_db

NELL = Person("eleanor.vance@hillhouse.example", "nell-of-the-hill")
IP, AGENT = "203.0.113.77", "Mozilla/5.0 (Phonograph; rv:7.1) Gecko/20100101 Firefox/140.0"
NEVER = (
    *(NELL.email, "eleanor", "hillhouse", IP, "Phonograph"),
    *(NELL.username, username_key(NELL.username), "Nell Vance"),
)


def nells_browser() -> Visitor:
    return Visitor(REMOTE_ADDR=IP, HTTP_USER_AGENT=AGENT)


@pytest.fixture
def clock() -> Iterator[Any]:
    """Time stands still until a test moves it."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


@pytest.fixture
def nell(clock: Any, alice: Person, bob: Person, olivia: Person, inbox: Inbox) -> Person:
    """Nell, who has used everything there is, and has then closed her account."""
    browser = nells_browser()
    mine = invites.issue(
        issuer=alice.user, email=NELL.email, label="Nell Vance", note="Dear Nell Vance!"
    )
    invites.issue(issuer=bob.user, email=NELL.email, label="nobody used this one")
    sign_up(browser, mine, NELL)
    browser.post("/confirmation/resend/", {"email": NELL.email})
    confirm(browser, inbox.link_to(NELL.email))
    telephone = _show_herself(browser)
    User.objects.filter(pk=NELL.user.pk).update(block_reason="Nell Vance, once more")
    Freeze.objects.create(root=NELL.user, reason="Nell Vance, again", thawed_at=timezone.now())
    browser.post("/login/", {"email": NELL.email, "password": "not the password at all"})
    log_in(nells_browser(), NELL, remember="on")
    log_in(browser, NELL)
    browser.post("/reauth/", {"password": "not the password either"})

    for label in ("my sister", "from Nell Vance"):
        form = {"email": f"{label[:2]}@example.org", "label": label, "note": "love, Nell Vance"}
        browser.post("/account/invites/", {**form, "uses": 1, "days": 7})
    theirs = Invite.objects.filter(issuer=NELL.user).latest("pk")
    Invite.objects.filter(pk=theirs.pk).update(email="")
    theo = Person("theo@example.org", "theo")
    sign_up(Visitor(), theirs, theo)
    confirm(Visitor(), inbox.link_to(theo.email))

    staff = Visitor()
    log_in(staff, olivia)
    chosen = {"action": "end_sessions", "_selected_action": [str(NELL.user.pk)], "sure": "yes"}
    staff.post("/admin/accounts/user/", chosen)
    staff.post(f"/admin/accounts/user/{NELL.user.pk}/change/", {"is_staff": "on"})
    chosen = {"action": "revoke", "_selected_action": [mine.pk]}
    staff.post("/admin/invites/invite/", chosen)
    below = invites.issue(issuer=theo.user)
    of_nell = f"/admin/invites/freeze/of/{NELL.user.pk}/revoke/"
    assert staff.post(of_nell, {"invite": str(below.public_id)}).status_code == 302

    log_in(browser, NELL)
    browser.get("/admin/")
    answer = telephone.get(asked_on(browser, "/reauth/"))  # of staff nothing less proves it
    browser.post("/reauth/", {"by": "passkey", "credential": answer})
    browser.post("/account/export/")
    assert export.sweep() == 1
    browser.post("/password/forgot/", {"email": NELL.email})
    browser.post("/account/delete/", {"username": NELL.username})
    assert NELL.user.closed_at
    inbox.mails_to(NELL.email)
    browser.post("/password/forgot/", {"email": NELL.email})
    inbox.mails_to(NELL.email)
    return NELL


def _show_herself(browser: Visitor) -> Authenticator:
    """A name, a few words, a picture; another username and another address, and back to these."""
    log_in(browser, NELL)
    telephone = add_passkey(browser, "Nell Vance’s telephone")
    said = {"display_name": "Nell Vance", "bio": "I, Nell Vance, live by the sea."}
    browser.post("/account/profile/", {**said, "language": "de", "time_zone": "America/New_York"})
    file = SimpleUploadedFile("nell-vance.png", png(), "image/png")
    assert browser.post("/account/profile/picture/", {"picture": file}).status_code == 302
    user = NELL.user
    user.identities.create(issuer="https://id.example", subject="hillhouse-1959", email=NELL.email)
    FormerUsername.objects.create(
        user=user, username="hillhouse.nell", username_key=username_key("hillhouse.nell")
    )
    for old, new in ((NELL.email, "nv@hillhouse.example"), ("nv@hillhouse.example", NELL.email)):
        EmailChange.objects.create(
            user=user, old_email=old, new_email=new, confirmed_at=timezone.now()
        )
    EmailChange.objects.create(
        user=User.objects.get(username="bob"), old_email="bob@example.org", new_email=NELL.email
    )
    return telephone


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (90, 60), "teal").save(file, "PNG")
    return file.getvalue()


def erase_as_time_would(clock: Any) -> None:
    clock.shift(timedelta(days=14))
    sum(history.forget_old_origins())
    erasure.say_goodbyes()
    outbox.sweep()
    with commits():
        assert erasure.erase_all() == 1


def leave(person: Person, clock: Any) -> User:
    """Close the account, and stay away for two weeks."""
    caller = Caller(ip=IP, user_agent=AGENT, proved_at=timezone.now())
    closing.close(person.user, person.username, caller=caller)
    clock.shift(timedelta(days=14))
    return person.user


# --- what goes ---


@pytest.mark.asvs("14.2.7")
def test_after_erasure_a_search_of_everything_finds_nothing(nell: Person, clock: Any):
    sum(export.prune())  # files of other tests, whose rows were rolled back
    found = places_with(*NEVER)
    for place in (
        "accounts_user.email",
        "accounts_user.username",
        "accounts_user.username_key",
        "accounts_user.display_name",
        "accounts_user.block_reason",
        "accounts_user.bio",
        "accounts_formerusername.username",
        "accounts_emailchange.old_email",
        "accounts_emailchange.new_email",
        "accounts_event.ip",
        "accounts_event.user_agent",
        "accounts_token.sent_to",
        "invites_freeze.reason",
        "invites_invite.email",
        "invites_invite.label",
        "invites_invite.note",
        "django_admin_log.object_repr",
    ):
        assert place in found, f"nothing in {place}: the search finds less than there is"
    assert any("profile.json" in place for place in found), "nor in files"

    assert list(Path(settings.MEDIA_ROOT).rglob("*.webp"))
    erase_as_time_would(clock)

    assert not list(Path(settings.MEDIA_ROOT).rglob("*.webp"))
    assert places_with(*NEVER) == set()
    assert places_with(IP.rpartition(".")[0]) == set()


def test_the_search_finds_what_is_in_redis(nell: Person, clock: Any):
    log_in(nells_browser(), nell)
    assert "redis db0" in places_with(*NEVER)


def test_every_column_of_a_member_is_kept_or_forgotten_on_purpose():
    """Whoever adds one says here, and in `become_tombstone`, what becomes of it."""
    kept = {"id", "email_confirmed_at", "session_epoch", "created_at", "closed_at"}
    forgotten = {
        *("email", "username", "username_key", "display_name", "bio", "picture"),
        *(
            "language",
            "time_zone",
            "password",
            "password_changed_at",
            "last_login",
            "is_staff",
            "is_superuser",
            "blocked_until",
            "block_reason",
        ),
        *("farewell", "erased_at", "second_factor_at", "factor_reset_due_at", "passkey_handle"),
    }
    assert {field.name for field in User._meta.concrete_fields} == kept | forgotten


# --- what stays ---


def test_the_lineage_and_the_counts_stay(nell: Person, clock: Any):
    who, people = nell.user, User.objects.count()
    before = Invite.objects.count(), Redemption.objects.count(), LogEntry.objects.count()
    confirmed, closed = who.email_confirmed_at, who.closed_at

    erase_as_time_would(clock)

    assert (Invite.objects.count(), Redemption.objects.count(), LogEntry.objects.count()) == before
    assert User.objects.count() == people
    tombstone = User.objects.get(pk=who.pk)
    assert (tombstone.email_confirmed_at, tombstone.closed_at) == (confirmed, closed)
    theo = User.objects.get(username="theo")
    assert theo.redemption.invite.issuer == tombstone
    assert tombstone.redemption.invite.issuer.username == "alice"


@pytest.mark.asvs("16.4.2")
def test_others_read_of_a_former_member_where_there_was_a_name(nell: Person, clock: Any):
    alice, theo = Person("alice@example.org", "alice"), Person("theo@example.org", "theo")
    erase_as_time_would(clock)
    for person, path in (
        (theo, "/people/theo/"),
        (alice, "/account/invites/"),
    ):
        visitor = Visitor()
        log_in(visitor, person)
        assert "a former member" in visitor.get(path).content.decode(), path


def test_the_security_history_still_holds(nell: Person, clock: Any):
    history.seal()
    count, head, _ = history.verify()
    erase_as_time_would(clock)
    history.seal()
    later, _, faults = history.verify(head)
    assert faults == []
    assert later > count
    kinds = set(
        Event.objects.filter(
            user_id=Redemption.objects.get(invite__issuer__username="alice").user_id
        ).values_list("kind", flat=True)
    )
    assert {"login.completed", "account.closed", "account.erased"} <= kinds


def test_the_admin_copes_with_a_former_member(nell: Person, clock: Any, olivia: Person):
    who = nell.user
    erase_as_time_would(clock)
    staff = Visitor()
    log_in(staff, olivia)
    for path in (
        "/admin/",
        "/admin/accounts/user/",
        f"/admin/accounts/user/{who.pk}/change/",
        f"/admin/accounts/user/{who.pk}/history/",
        "/admin/invites/invite/",
        f"/admin/invites/invite/{who.invites.latest('pk').pk}/change/",
        reverse("admin:invites_branch", args=[who.pk]),
    ):
        page = staff.get(path)
        assert page.status_code == 200, path
        assert "~" not in page.content.decode(), path
    assert "a former member" in staff.get("/admin/accounts/user/").content.decode()
    changed = {"is_staff": "on", "is_superuser": "on", "blocked_until_0": "2030-01-01"}
    staff.post(f"/admin/accounts/user/{who.pk}/change/", changed)
    who.refresh_from_db()
    assert not who.is_staff
    assert not who.is_active


# --- who they were may begin anew ---


def test_the_address_and_the_name_are_free_for_a_new_person(nell: Person, clock: Any, inbox: Inbox):
    who = nell.user
    erase_as_time_would(clock)
    caches["default"].clear()  # the clock of Redis did not move along
    again = join(inbox, nell.email, nell.username)
    log_in(Visitor(), again)
    assert again.user.pk != who.pk


def test_a_former_member_cannot_log_in_be_mailed_or_get_a_new_password(
    nell: Person, clock: Any, inbox: Inbox
):
    who = nell.user
    erase_as_time_would(clock)
    sent = len(inbox.mails_to(nell.email))
    who.refresh_from_db()
    for email in (nell.email, who.email):
        answer = Visitor().post("/login/", {"email": email, "password": nell.password})
        assert answer.status_code == 422
        Visitor().post("/password/forgot/", {"email": email})
    for kind in ("reset_password", "confirm_again", "already_member", "account_erased"):
        outbox.enqueue(kind, who.pk)
    for event in Event.objects.filter(user_id=who.pk):
        for kind in ("password_changed", "account_closing", "account_kept"):
            outbox.enqueue(kind, event.pk)
    assert len(inbox.mails_to(nell.email)) == sent
    waiting = OutboxMessage.objects.exclude(status__in=["sent", "moot"])
    assert not waiting.exists()
    assert not Token.objects.filter(user=who).exists()


# --- when ---


def test_nobody_is_erased_before_fourteen_days_or_who_came_back(alice: Person, clock: Any):
    leave(alice, clock)
    clock.shift(timedelta(seconds=-1))
    assert (erasure.say_goodbyes(), erasure.erase_all()) == (0, 0)
    log_in(Visitor(), alice)
    clock.shift(timedelta(days=30))
    assert (erasure.say_goodbyes(), erasure.erase_all()) == (0, 0)
    log_in(Visitor(), alice)


def test_the_last_mail_is_sent_before_the_address_is_forgotten(
    alice: Person, clock: Any, inbox: Inbox
):
    leave(alice, clock)
    assert erasure.say_goodbyes() == 1
    assert erasure.say_goodbyes() == 0, "it is said once"
    assert erasure.erase_all() == 0, "the mail still waits"
    mail = inbox.mails_to(alice.email)[-1]
    assert mail.subject == "Your account at The Bottom Line is erased"
    assert erasure.erase_all() == 1
    assert erasure.erase_all() == 0
    assert not User.objects.filter(email=alice.email).exists()


@pytest.mark.parametrize("status", ["dead", "moot"])
def test_a_last_mail_that_nobody_takes_holds_nothing_up(alice: Person, clock: Any, status):
    leave(alice, clock)
    erasure.say_goodbyes()
    OutboxMessage.objects.filter(kind="account_erased").update(status=status)
    assert erasure.erase_all() == 1


def test_a_mail_server_that_stays_away_holds_nothing_up_for_long(alice: Person, clock: Any):
    leave(alice, clock)
    erasure.say_goodbyes()
    clock.shift(timedelta(days=3) - timedelta(seconds=1))
    assert erasure.erase_all() == 0
    clock.shift(timedelta(seconds=1))
    assert erasure.erase_all() == 1
    outbox.sweep()
    assert OutboxMessage.objects.get(kind="account_erased").status == "moot"


def test_the_command_says_what_it_did_and_a_dry_run_does_nothing(alice: Person, clock: Any):
    def command(*options: str) -> str:
        out = StringIO()
        call_command("erase_closed", *options, stdout=out)
        return out.getvalue().strip()

    leave(alice, clock)
    assert command("--dry-run") == "1 would be told goodbye, 0 would be erased."
    assert alice.user.farewell is None
    assert command() == "1 told goodbye, 0 erased."
    outbox.sweep()
    assert command("--dry-run") == "0 would be told goodbye, 1 would be erased."
    assert alice.user.erased_at is None
    assert command() == "0 told goodbye, 1 erased."
    assert command() == "0 told goodbye, 0 erased."


def test_an_account_nobody_confirmed_goes_as_before(clock: Any, inbox: Inbox):
    sign_up(Visitor(), invites.issue(), NELL)
    clock.shift(timedelta(days=14))
    erase = erasure.say_goodbyes(), erasure.erase_all()
    assert erase == (0, 0)
    assert User.objects.get().email == NELL.email


def test_a_block_holds_up_no_erasing_that_a_member_asked_for(
    alice: Person, clock: Any, inbox: Inbox
):
    user = leave(alice, clock)
    members.block(user, until=timezone.now() + timedelta(days=365), reason="looked into")
    assert erasure.say_goodbyes() == 1
    assert inbox.mails_to(alice.email)[-1].subject == "Your account at The Bottom Line is erased"
    assert erasure.erase_all() == 1
    assert not User.objects.filter(email=alice.email).exists()
    assert Event.objects.filter(user_id=user.pk, kind="account.blocked").exists()


# --- never half ---


@pytest.mark.asvs("16.5.3")
def test_where_one_part_fails_nothing_is_erased_and_others_are(
    alice: Person, bob: Person, clock: Any, inbox: Inbox
):
    left = timezone.now()
    User.objects.filter(username__in=["alice", "bob"]).update(closed_at=left)
    clock.shift(timedelta(days=14))
    erasure.say_goodbyes()
    outbox.sweep()

    def fail(user: User, **_: object) -> None:
        if user.username == "alice":
            raise ZeroDivisionError

    erasing.connect(fail)
    try:
        assert erasure.erase_all() == 1
    finally:
        erasing.disconnect(fail)
    alices = alice.user
    assert alices.erased_at is None
    assert alices.tokens.exists()
    assert User.objects.filter(email=bob.email).count() == 0
    assert erasure.erase_all() == 1


# --- two at once ---


@pytest.fixture
def at_the_door(alice: Person, clock: Any) -> User:
    """Alice, whose time is over in this moment, and to whom goodbye has been said."""
    need("PostgreSQL")  # on SQLite a transaction waits for the one before it to end
    user = leave(alice, clock)
    erasure.say_goodbyes()
    outbox.sweep()
    return user


def meanwhile(act: Any) -> tuple[threading.Thread, list[Any]]:
    """Begin that beside us, and wait until it waits for us."""
    came_of_it: list[Any] = []

    def run() -> None:
        try:
            came_of_it.append(act())
        except Refusal as refusal:
            came_of_it.append(refusal)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(400):  # counted: time stands still here
        if somebody_waits_for_us():
            return thread, came_of_it
        thread.join(0.05)
    raise AssertionError("it does not wait")


def somebody_waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks waiting JOIN pg_locks held USING (transactionid) "
            "WHERE NOT waiting.granted AND held.granted AND held.pid = pg_backend_pid()"
        )
        return cursor.fetchone() is not None


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_who_is_coming_back_in_that_moment_is_not_erased(at_the_door: User, clock: Any):
    with transaction.atomic():
        clock.shift(timedelta(seconds=-1))
        closing.come_back(at_the_door, caller=Caller(ip=IP))
        clock.shift(timedelta(seconds=1))
        eraser, came_of_it = meanwhile(lambda: erasure.erase(at_the_door.pk))
    eraser.join()
    assert came_of_it == [False]
    assert User.objects.get().username == "alice"


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_who_is_being_erased_in_that_moment_does_not_come_back(at_the_door: User, clock: Any):
    with transaction.atomic():
        assert erasure.erase(at_the_door.pk)
        clock.shift(timedelta(seconds=-1))
        back, came_of_it = meanwhile(lambda: closing.come_back(at_the_door, caller=Caller(ip=IP)))
    back.join()
    assert isinstance(came_of_it[0], BadCredentials)
    assert User.objects.get().is_erased
    assert not Event.objects.filter(kind="account.kept").exists()


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_a_link_that_was_being_used_is_worth_nothing_after_erasure(
    at_the_door: User, clock: Any, inbox: Inbox
):
    """Whoever opened it a moment before must not put a password on a tombstone."""
    clock.shift(timedelta(minutes=-10))
    Visitor().post("/password/forgot/", {"email": at_the_door.email})
    token = inbox.link_to(at_the_door.email).split("/")[-2]
    clock.shift(timedelta(minutes=10))
    with transaction.atomic():
        assert erasure.erase(at_the_door.pk)
        choosing, came_of_it = meanwhile(
            lambda: password_reset.finish(token, "quite another lamp 7 river", caller=Caller(ip=IP))
        )
    choosing.join()
    assert isinstance(came_of_it[0], TokenUnusable)
    at_the_door.refresh_from_db()
    assert not at_the_door.has_usable_password()


@pytest.mark.asvs("15.4.2")
@pytest.mark.django_db(transaction=True)
def test_two_erasers_erase_once(at_the_door: User):
    with transaction.atomic():
        assert erasure.erase(at_the_door.pk)
        other, came_of_it = meanwhile(lambda: erasure.erase(at_the_door.pk))
    other.join()
    assert came_of_it == [False]
    assert Event.objects.filter(kind="account.erased").count() == 1


@pytest.mark.asvs("15.4.2")
@pytest.mark.asvs("15.4.3")
@pytest.mark.django_db(transaction=True)
def test_erasing_and_a_sign_up_with_that_address_never_wait_for_each_other(at_the_door: User):
    invite = invites.issue(email=at_the_door.email)
    with transaction.atomic():
        # What signing up does, in its order, and the eraser comes in between.
        assert Invite.objects.lock(path_of(invite).split("/")[-2])
        eraser, came_of_it = meanwhile(lambda: erasure.erase(at_the_door.pk))
        assert User.objects.select_for_update(nowait=True).get(pk=at_the_door.pk)
    eraser.join()
    assert came_of_it == [True]


def test_an_invite_for_their_address_lets_in_nobody_else_afterwards(nell: Person, clock: Any):
    theirs = Invite.objects.get(label="nobody used this one")
    assert Visitor().get(path_of(theirs)).status_code == 200
    erase_as_time_would(clock)
    assert Visitor().get(path_of(theirs)).status_code == 410
