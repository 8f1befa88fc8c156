"""Logging in by mail: a link and a code, in the browser that asked for them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.utils import timezone
from django.views.debug import SafeExceptionReporterFilter

from accounts.models import Event, MailedLogin
from accounts.models.mailed_login import CODE_LENGTH
from accounts.services import closing, mailed_login, members
from bottomline import tokens
from bottomline.caller import Caller
from bottomline.outbox.models import OutboxMessage
from bottomline.tests import environment
from conftest import Inbox, Person, Visitor, at_once, commits, log_in, sign_up
from invites.models import Invite

pytestmark = pytest.mark.django_db

CODE = re.compile(r"^(\d{4}) (\d{4})$", re.MULTILINE)
COOKIE = settings.MAILED_LOGIN_COOKIE_NAME


@pytest.fixture(autouse=True)
def clock(still_clock: Any) -> Any:
    return still_clock


def ask(visitor: Visitor, email: str, **more: Any) -> Any:
    response = visitor.post("/login/link/", {"email": email}, **more)
    assert (response.status_code, response["Location"]) == (302, "/login/code/")
    return response


def code_to(inbox: Inbox, email: str) -> str:
    found = CODE.search(str(inbox.mails_to(email)[-1].body))
    assert found
    return "".join(found.groups())


def wrong(code: str, number: int = 1) -> str:
    return f"{(int(code) + number) % 10**CODE_LENGTH:08}"


def type_code(visitor: Visitor, code: str, **more: Any) -> Any:
    return visitor.post("/login/code/", {"code": code}, **more)


# --- the way in ---


@pytest.mark.asvs("3.5.3")
@pytest.mark.asvs("7.6.2")
def test_the_link_shows_a_button_and_the_button_logs_in(
    client: Visitor, alice: Person, inbox: Inbox
):
    ask(client, alice.email)
    link = inbox.link_to(alice.email)
    for _ in range(3):
        page = client.get(link)
        assert (page.status_code, page["Referrer-Policy"]) == (200, "strict-origin")
        assert client.head(link).status_code == 200
    assert not client.is_in

    assert client.post(link)["Location"] == "/account/"
    assert client.get("/session/").json()["user"]["username"] == alice.username
    assert Event.objects.filter(kind="login.completed").last().details["method"] == "link"
    assert client.cookies[COOKIE].value == ""


def test_who_goes_back_to_the_link_after_it_worked_is_told_so(
    client: Visitor, alice: Person, inbox: Inbox
):
    ask(client, alice.email)
    link = inbox.link_to(alice.email)
    assert "You are logged in here already" not in client.get(link).text
    client.post(link)
    assert "You are logged in here already" in client.get(link).text
    assert "You are logged in here already" not in Visitor().get(link).text


@pytest.mark.parametrize(
    "shape", ["{0}{1}", "{0} {1}", " {0}-{1} ", "{0}\u2013{1}", "{0}\u00a0{1}"]
)
def test_the_code_logs_in_however_it_is_typed(
    client: Visitor, alice: Person, inbox: Inbox, shape: str
):
    ask(client, alice.email)
    code = code_to(inbox, alice.email)
    assert type_code(client, shape.format(code[:4], code[4:]))["Location"] == "/account/"
    assert client.is_in
    assert Event.objects.filter(kind="login.completed").last().details["method"] == "code"


def test_the_code_may_be_typed_in_full_width_digits_but_no_others(
    client: Visitor, alice: Person, inbox: Inbox
):
    ask(client, alice.email)
    code = code_to(inbox, alice.email)
    arabic = "".join(chr(0x0660 + int(digit)) for digit in code)
    assert type_code(client, arabic).status_code == 422
    assert MailedLogin.objects.get().guesses == 0, "what is no code is no guess"
    full_width = "".join(chr(0xFF10 + int(digit)) for digit in code)
    assert type_code(client, full_width).status_code == 302


def test_who_wants_to_stay_logged_in_and_where_they_were_going_are_kept(
    client: Visitor, alice: Person, inbox: Inbox
):
    asked = client.post("/login/link/", {"email": alice.email, "next": "/account/invites/"})
    assert asked["Location"] == "/login/code/?next=%2Faccount%2Finvites%2F"
    page = client.get(asked["Location"]).text
    assert 'value="/account/invites/"' in page
    for other in ("/login/link/", "/login/"):
        assert f'href="{other}?next=/account/invites/"' in page
    fields = {"code": code_to(inbox, alice.email), "remember": "on", "next": "/account/invites/"}
    answer = client.post("/login/code/", fields)
    assert answer["Location"] == "/account/invites/"
    assert answer.cookies[settings.SESSION_COOKIE_NAME]["max-age"]


# --- bound to the browser ---


@pytest.mark.asvs("6.6.2")
def test_the_link_in_another_browser_says_so_and_stays_good(
    client: Visitor, alice: Person, inbox: Inbox
):
    ask(client, alice.email)
    link, other = inbox.link_to(alice.email), Visitor()
    page = other.get(link)
    assert page.status_code == 200
    assert "You asked in another browser" in page.text
    assert "/login/code/" in page.text
    assert alice.email not in page.text
    assert other.post(link).status_code == 403
    assert not other.is_in
    assert client.post(link).status_code == 302


@pytest.mark.asvs("6.6.2")
def test_the_code_in_another_browser_is_refused(client: Visitor, alice: Person, inbox: Inbox):
    ask(client, alice.email)
    code, other = code_to(inbox, alice.email), Visitor()
    assert type_code(other, code).status_code == 422
    ask(other, "nobody@example.org")
    assert type_code(other, code).status_code == 422
    assert not other.is_in
    assert type_code(client, code).status_code == 302


@pytest.mark.asvs("6.6.2")
def test_what_the_browser_keeps_can_neither_be_made_from_the_mail_nor_read_from_it(
    client: Visitor, alice: Person, inbox: Inbox
):
    kept = ask(client, alice.email).cookies[COOKIE]
    assert (kept["httponly"], kept["secure"], kept["samesite"]) == (True, True, "Lax")
    assert kept["max-age"] == 600
    link, other = inbox.link_to(alice.email), Visitor()
    other.cookies[COOKIE] = link.split("/")[-2]
    assert other.post(link).status_code == 403
    assert client.get(f"/login/link/{kept.value}/").status_code == 410


# --- once, and not for long ---


@pytest.mark.asvs("6.5.1")
def test_either_works_once_and_spends_the_other(client: Visitor, alice: Person, inbox: Inbox):
    kept = ask(client, alice.email).cookies[COOKIE].value
    link, code = inbox.link_to(alice.email), code_to(inbox, alice.email)
    assert client.post(link).status_code == 302
    again = Visitor()
    again.cookies[COOKIE] = kept
    assert again.get(link).status_code == 410
    assert again.post(link).status_code == 410
    assert type_code(again, code).status_code == 422
    assert not again.is_in


@pytest.mark.asvs("6.5.5")
def test_both_end_after_ten_minutes(client: Visitor, alice: Person, inbox: Inbox, clock: Any):
    ask(client, alice.email)
    link, code = inbox.link_to(alice.email), code_to(inbox, alice.email)
    clock.shift(timedelta(minutes=10, seconds=-1))
    assert client.get(link).status_code == 200
    clock.shift(timedelta(seconds=2))
    assert client.post(link).status_code == 410
    assert type_code(client, code).status_code == 422
    assert not client.is_in


@pytest.mark.asvs("6.6.2")
def test_a_new_request_ends_the_old_one_wherever_it_was_made(
    client: Visitor, alice: Person, inbox: Inbox
):
    kept = ask(client, alice.email).cookies[COOKIE].value
    link, code = inbox.link_to(alice.email), code_to(inbox, alice.email)
    ask(client, alice.email)
    before = Visitor()
    before.cookies[COOKIE] = kept
    assert before.post(link).status_code == 410
    assert type_code(before, code).status_code == 422
    assert client.post(link).status_code == 410
    assert client.post(inbox.link_to(alice.email)).status_code == 302


@pytest.mark.parametrize("change", ["password", "blocked"])
def test_a_new_password_ends_both_and_a_block_keeps_out(
    client: Visitor, alice: Person, inbox: Inbox, change: str
):
    ask(client, alice.email)
    link, user = inbox.link_to(alice.email), alice.user
    if change == "blocked":
        with commits():
            members.block(user, until=timezone.now() + timedelta(days=1), reason="spam")
    else:
        members.set_password(user, user.password)
    assert client.post(link).status_code == (423 if change == "blocked" else 410)
    assert not client.is_in


@pytest.mark.parametrize("token", ["x", "A" * 43, "é" * 43, "A" * 3000])
def test_a_link_that_is_not_ours_opens_nothing(client: Visitor, token: str):
    assert client.get(f"/login/link/{token}/").status_code == 410
    assert client.post(f"/login/link/{token}/").status_code == 410


# --- guessing ---


def test_no_report_of_an_error_shows_a_code(client: Visitor, db: None):
    request = type_code(client, "1234 5678").wsgi_request
    shown = SafeExceptionReporterFilter().get_post_parameters(request)
    assert "1234 5678" not in shown["code"]


@pytest.mark.asvs("6.6.3")
def test_a_code_has_five_guesses(client: Visitor, alice: Person, inbox: Inbox):
    ask(client, alice.email)
    code = code_to(inbox, alice.email)
    for number in range(1, 6):
        page = type_code(client, wrong(code, number))
        assert page.status_code == 422
        assert "is not the code" in page.text
    assert type_code(client, code).status_code == 422
    assert not client.is_in
    assert client.post(inbox.link_to(alice.email)).status_code == 302, "the link is no guess"


@pytest.mark.asvs("6.6.3")
def test_new_codes_browsers_and_networks_bring_no_new_guesses(alice: Person, inbox: Inbox):
    answers = []
    for number in range(3):
        visitor, network = Visitor(), {"REMOTE_ADDR": f"198.51.100.{number}"}
        ask(visitor, alice.email, **network)
        code = code_to(inbox, alice.email)
        answers += [
            type_code(visitor, wrong(code, guess), **network).status_code for guess in range(1, 5)
        ]
    assert answers == [422] * 10 + [429] * 2
    assert type_code(visitor, code, **network).status_code == 429, "not even the right one"


@pytest.mark.asvs("6.6.3")
def test_guessing_at_an_address_without_an_account_is_counted_alike(alice: Person, inbox: Inbox):
    answers = []
    for email in (alice.email, "nobody@example.org"):
        visitor = Visitor()
        for _ in range(3):
            ask(visitor, email)
            answers.append([type_code(visitor, "00000000").status_code for _ in range(6)])
    assert answers[:3] == answers[3:]


def test_strangers_use_up_neither_the_mails_nor_the_guesses_of_a_browser_that_is_known(
    alice: Person, inbox: Inbox
):
    owner = Visitor()
    log_in(owner, alice)
    owner.post("/logout/")
    for number in range(4):
        ask(Visitor(), alice.email, REMOTE_ADDR=f"198.51.100.{number}")
    ask(owner, alice.email)
    assert owner.post(inbox.link_to(alice.email)).status_code == 302


@pytest.mark.asvs("6.5.3")
@pytest.mark.asvs("6.5.4")
def test_codes_are_eight_digits_as_random_as_the_names_of_their_rows():
    codes = {MailedLogin(public_id=tokens.new_public_id()).code for _ in range(1000)}
    assert len(codes) > 995
    assert all(re.fullmatch(r"[0-9]{8}", code) for code in codes)
    for place in range(CODE_LENGTH):
        assert {code[place] for code in codes} == set("0123456789")


@pytest.mark.django_db(transaction=True)
@pytest.mark.asvs("6.5.1")
@pytest.mark.parametrize("way", ["link", "code"])
def test_of_two_who_arrive_together_one_is_let_in(alice: Person, inbox: Inbox, way: str):
    browser = ask(Visitor(), alice.email).cookies[COOKIE].value
    link, code = inbox.link_to(alice.email), code_to(inbox, alice.email)
    answers = []

    def arrive() -> None:
        visitor = Visitor()
        visitor.cookies[COOKIE] = browser
        answer = visitor.post(link) if way == "link" else type_code(visitor, code)
        answers.append(answer.status_code)

    at_once([arrive] * 2)
    assert sorted(answers) == [302, 410 if way == "link" else 422]


@pytest.mark.django_db(transaction=True)
@pytest.mark.asvs("6.6.3")
def test_many_guesses_at_once_are_five(alice: Person, inbox: Inbox):
    ask(Visitor(), alice.email)
    asked = MailedLogin.objects.get()
    code, answers = asked.code, []
    at_once([lambda: answers.append(asked.guess(wrong(code)))] * 8)
    assert answers == [False] * 8
    assert MailedLogin.objects.get().guesses == 5
    assert not asked.guess(code)


def test_a_code_outlives_the_exchange_of_the_key(
    client: Visitor, alice: Person, inbox: Inbox, settings: Any
):
    ask(client, alice.email)
    code = code_to(inbox, alice.email)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-that-is-long-enough-for-the-checks"
    assert type_code(client, code).status_code == 302


# --- who may ---


def mailed(inbox: Inbox, email: str) -> list[str]:
    return [str(sent.subject) for sent in inbox.mails_to(email)]


@pytest.mark.asvs("6.3.8")
def test_asking_gets_one_answer_for_every_address_and_over_the_limit_too(
    client: Visitor, alice: Person, olivia: Person, inbox: Inbox
):
    for email in (alice.email, olivia.email, "nobody@example.org"):
        answers = [ask(Visitor(), email, REMOTE_ADDR=f"198.51.100.{n}") for n in range(5)]
        # Only whether there was a mail too many shows, and that is counted for every address.
        assert [COOKIE in answer.cookies for answer in answers] == [True] * 3 + [False] * 2
    assert len(mailed(inbox, alice.email)) == 1 + 1, "the last of three; the others are void"
    assert mailed(inbox, "nobody@example.org") == []


@pytest.mark.asvs("6.3.6")
def test_staff_are_mailed_no_way_in_and_a_link_from_before_opens_nothing(
    client: Visitor, alice: Person, olivia: Person, inbox: Inbox
):
    before = len(mailed(inbox, olivia.email))
    ask(client, olivia.email)
    assert len(mailed(inbox, olivia.email)) == before

    ask(client, alice.email)
    link = inbox.link_to(alice.email)
    with commits():
        members.set_standing(alice.user, is_staff=True, is_superuser=False)
    assert client.post(link).status_code == 410
    assert not client.is_in


def test_whoever_never_confirmed_is_sent_the_confirmation_again(
    client: Visitor, invite: Invite, inbox: Inbox
):
    carol = Person("carol@example.org", "carol")
    sign_up(client, invite, carol)
    ask(client, carol.email)
    assert inbox.link_to(carol.email).startswith("/invite/?confirmation=")
    assert len(mailed(inbox, carol.email)) == 2


def test_who_had_left_is_back_with_it(client: Visitor, alice: Person, inbox: Inbox):
    with commits():
        at_the_door = Caller(ip="192.0.2.1", proved_at=timezone.now())
        closing.close(alice.user, alice.username, caller=at_the_door)
    ask(client, alice.email)
    assert client.post(inbox.link_to(alice.email)).status_code == 302
    assert client.is_in
    assert not alice.user.is_closed


@pytest.mark.asvs("6.3.4")
def test_the_login_is_unusual_on_a_new_device_as_with_the_password(
    client: Visitor, alice: Person, inbox: Inbox
):
    log_in(Visitor(), alice)
    ask(client, alice.email)
    client.post(inbox.link_to(alice.email))
    assert "login" in mailed(inbox, alice.email)[-1].lower()
    assert OutboxMessage.objects.filter(kind="new_login").count() == 1


# --- limits, work and outages ---


@pytest.mark.asvs("2.4.1")
def test_too_many_mails_to_one_address_are_not_sent_and_the_last_one_stays_good(
    client: Visitor, alice: Person, inbox: Inbox
):
    for _ in range(5):
        ask(client, alice.email)
    assert len(mailed(inbox, alice.email)) == 1 + 1, "only the last of three is still good"
    assert client.post(inbox.link_to(alice.email)).status_code == 302


@pytest.mark.asvs("2.4.1")
def test_too_many_requests_from_one_network_are_refused(client: Visitor):
    answers = [
        client.post("/login/link/", {"email": f"somebody{n}@example.org"}).status_code
        for n in range(11)
    ]
    assert answers == [302] * 10 + [429]


def test_without_the_work_a_network_has_three(client: Visitor):
    answers = [
        client.post("/login/link/", {"email": f"x{n}@example.org", "altcha": ""}).status_code
        for n in range(4)
    ]
    assert answers == [302] * 3 + [429]


def test_without_redis_nobody_asks_and_nobody_guesses(client: Visitor, alice: Person, inbox: Inbox):
    ask(client, alice.email)
    link, code = inbox.link_to(alice.email), code_to(inbox, alice.email)
    solution = client.solution("login-mail")
    environment.redis.kill()
    try:
        answers = [
            client.post("/login/link/", {"email": alice.email, "altcha": solution}),
            type_code(client, code),
            client.get("/login/link/"),
            client.get("/login/code/"),
            client.get(link),
        ]
    finally:
        environment.redis.start()
    assert [answer.status_code for answer in answers] == [503, 503, 200, 200, 200]
    assert MailedLogin.objects.get().guesses == 0
    assert type_code(client, code).status_code == 302


# --- the mail ---


def test_a_mail_sent_again_carries_the_same_and_the_database_holds_neither(
    client: Visitor, alice: Person, inbox: Inbox
):
    ask(client, alice.email)
    link, code = inbox.link_to(alice.email), code_to(inbox, alice.email)
    OutboxMessage.objects.filter(kind="mailed_login").update(status="pending", sent_at=None)
    del mail.outbox[:]
    assert (inbox.link_to(alice.email), code_to(inbox, alice.email)) == (link, code)

    everything = str(list(MailedLogin.objects.values())) + str(list(OutboxMessage.objects.values()))
    assert link.split("/")[-2] not in everything
    assert code not in everything


def test_a_mail_that_is_late_is_not_sent(client: Visitor, alice: Person, inbox: Inbox, clock: Any):
    before = len(mailed(inbox, alice.email))
    mailed_login.request(alice.email, language="en", caller=Caller(ip="192.0.2.1"))
    clock.shift(timedelta(minutes=11))
    assert len(mailed(inbox, alice.email)) == before
