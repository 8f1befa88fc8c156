"""Every page, light and dark, on a phone and on a desk: readable, operable, and what it should be.

With SHOTS=folder a picture of each is left there for people to look at.
"""

import json
import os
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pyotp
import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.acts import ACTS, Act
from bottomline.tests.chromium import (
    DESK,
    PHONE,
    Door,
    Person,
    VirtualDevice,
    Watch,
    add_passkey,
    enter,
    html_of,
    link_in,
)
from bottomline.tests.provider import Account
from bottomline.tests.servers import wait_until

pytestmark = pytest.mark.stack

# axe-core of Deque Systems, under the Mozilla Public License 2.0: see axe.LICENSE.
AXE = Path(__file__).with_name("axe.min.js").read_text()
SHOTS = os.environ.get("SHOTS")

RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    # Design, section 9: a contrast of 7:1 for text.
    "rules": {"target-size": {"enabled": True}, "color-contrast-enhanced": {"enabled": True}},
    "resultTypes": ["violations"],
    "preload": False,  # our style sheets are the page's own business
}
# What depends on colours and sizes; the rest is looked at once.
RULES_OF_LOOKS = {
    "runOnly": {
        "type": "rule",
        "values": ["color-contrast", "color-contrast-enhanced", "target-size"],
    },
    "resultTypes": ["violations"],
    "preload": False,
}
# Not for us to mend: a mail is no page with landmarks. In the admin the two boxes of a date and a
# time have their names beside them, not on them, and the name of the search is a magnifying glass.
EXCUSED = {
    "mail": {"landmark-one-main", "region"},
    "mail-email-moved-away": {"landmark-one-main", "region"},
    "mail-lost-factor": {"landmark-one-main", "region"},
    "mail-new-login": {"landmark-one-main", "region"},
    "admin-user": {"label"},
    "admin-events": {"label-title-only"},
}
# Colours follow the theme and sizes the width, so two looks show all four; SHOTS takes every one.
LOOKS: list[tuple[Any, Any]] = [("light", DESK), ("dark", PHONE)]
NARROWEST = {"width": 320, "height": 640}  # WCAG 1.4.10: 1280 pixels at a zoom of 400 %

Show = Callable[[Page, Door], None]
PAGES: dict[str, Show] = {}


def shows(name: str) -> Callable[[Show], Show]:
    def keep(show: Show) -> Show:
        PAGES[name] = show
        return show

    return keep


# --- Logged out ---

PLAIN = {
    "landing": "/",
    "enter-code": "/signup/",
    "resend": "/confirmation/resend/",
    "login": "/login/",
    "confirm-failed": "/invite/?confirmation=mangled",
    "forgot": "/password/forgot/",
    "forgot-sent": "/password/forgot/sent/",
    "login-link": "/login/link/",
    "login-code": "/login/code/",
    "login-passkey": "/login/passkey/",
    "410-login-link": f"/login/link/{'x' * 43}/",
    "410-reset": f"/password/reset/{'x' * 43}/",
    "404": "/nowhere/",
    "405": "/logout/",
    "email-confirm-dead": f"/email/confirm/{'x' * 43}/",
    "unlock-dead": f"/login/unlock/{'x' * 43}/",
    "lost-factor-dead": f"/account/security/factor/lost/{'x' * 43}/",
    "email-undo-dead": f"/email/undo/{'x' * 43}/",
    "410-invite": f"/invite/{'x' * 43}/",
}
for name, path in PLAIN.items():
    PAGES[name] = lambda page, door, path=path: page.goto(path)


@shows("enter-code-errors")
def enter_code_errors(page: Page, door: Door) -> None:
    page.goto("/signup/")
    page.get_by_role("button", name="Continue").click()


@shows("welcome")
def welcome(page: Page, door: Door) -> None:
    page.goto(door.invite)
    page.get_by_label("Username").fill("brand.new")
    page.get_by_label("Password", exact=True).fill("tidal lantern")
    expect(page.get_by_text("That name is free.")).to_be_visible()
    expect(page.get_by_text("2 more characters, at least.")).to_be_visible()


@shows("welcome-errors")
def welcome_errors(page: Page, door: Door) -> None:
    page.goto(door.invite)
    page.get_by_label("Email address").fill("ada at example")
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("alert")).to_be_focused()


@shows("welcome-one-address")
def welcome_one_address(page: Page, door: Door) -> None:
    page.goto(door.stack.issue_invite("--email", "somebody.in.particular@example.org"))
    expect(page.get_by_text("This invite is for one address")).to_be_visible()
    assert "somebody.in.particular" not in page.content()


@shows("check-email")
def check_email(page: Page, door: Door) -> None:
    ada = door.stranger("somebody.with.a.long.name")
    page.goto(door.invite)
    page.get_by_label("Email address").fill(ada.email)
    page.get_by_label("Username").fill(ada.username)
    page.get_by_label("Password", exact=True).fill(ada.password)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")


@shows("resend-requested")
def resend_requested(page: Page, door: Door) -> None:
    page.goto("/confirmation/resend/")
    page.get_by_label("Email address").fill("nobody@example.org")
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")


@shows("confirm")
def confirm(page: Page, door: Door) -> None:
    page.goto(_confirmation_link(door))


@shows("login-confirmed")
def login_confirmed(page: Page, door: Door) -> None:
    page.goto(_confirmation_link(door))
    page.get_by_role("button", name="Confirm my address").click()


@shows("login-errors")
def login_errors(page: Page, door: Door) -> None:
    page.goto("/login/")
    page.get_by_label("Email address").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill("not her password at all")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("alert")).to_be_focused()


@shows("forgot-errors")
def forgot_errors(page: Page, door: Door) -> None:
    page.goto("/password/forgot/")
    page.get_by_label("Email address").fill("ada at example")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("alert")).to_be_focused()


@shows("429-forgot")
def forgot_without_the_work(page: Page, door: Door) -> None:
    visitor, asked = door.stack.visitor(ip="127.0.0.1"), {"email": "nobody@example.org"}
    while visitor.post("/password/forgot/", asked).status != 429:
        pass
    page.goto("/password/forgot/")
    page.get_by_label("Email address").fill("nobody@example.org")
    page.locator("[name=altcha]").evaluate("field => field.remove()")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("alert")).to_contain_text("Turn on JavaScript")


@shows("reset")
def reset(page: Page, door: Door) -> None:
    page.goto(_reset_link(door))
    page.locator("[name=password]").fill("lanternwalnut1906")
    expect(page.get_by_text("Looks good.")).to_be_visible()


@shows("reset-errors")
def reset_errors(page: Page, door: Door) -> None:
    page.goto(_reset_link(door))
    page.locator("[name=password]").fill("Correct Horse Battery Staple")
    page.locator("[name=repeated]").fill("Correct Horse Battery Staple")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert")).to_be_focused()


@shows("423-locked")
def locked(page: Page, door: Door) -> None:
    ada = door.member()
    door.stack.python(
        "from datetime import timedelta; from django.utils import timezone;"
        "from accounts.models import User; User.objects.filter"
        f"(email='{ada.email}').update(blocked_until=timezone.now() + timedelta(hours=1))"
    )
    page.goto("/login/")
    page.get_by_label("Email address").fill(ada.email)
    page.get_by_label("Password", exact=True).fill(ada.password)
    page.get_by_role("button", name="Log in", exact=True).click()


@shows("403-csrf")
def forged(page: Page, door: Door) -> None:
    page.goto("/login/")
    page.context.clear_cookies()
    page.get_by_label("Email address").fill("ada@example.org")
    page.get_by_role("button", name="Log in", exact=True).click()


@shows("413")
def too_large(page: Page, door: Door) -> None:
    page.goto("/signup/")
    code = page.get_by_label("Invite link or code")
    code.evaluate("input => { input.maxLength = 100_000; input.value = 'x'.repeat(70_000) }")
    page.get_by_role("button", name="Continue").click()


@shows("429")
def too_often(page: Page, door: Door) -> None:
    while (answer := page.goto("/invite/guessed/")) and answer.status != 429:
        pass
    expect(page.get_by_role("heading", level=1)).to_have_text("Too many tries")


@shows("login-work")
def work(page: Page, door: Door) -> None:
    email = door.stranger().email
    for _ in range(3):
        door.stack.visitor().log_in(email, "not the password at all")
    page.goto("/login/")
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password", exact=True).fill("not the password at all")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("your password was not looked at yet")


@shows("429-login")
def paused(page: Page, door: Door) -> None:
    email = door.stranger().email
    _use_up_tries(door, email)
    page.goto("/login/")
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password", exact=True).fill("not the password at all")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_text("Is the account yours?")).to_be_visible()


def _use_up_tries(door: Door, email: str) -> None:
    visitor = door.stack.visitor()
    while "Too many tries" not in visitor.log_in(email, "not the password at all").text:
        pass


@shows("unlock")
def unlock(page: Page, door: Door) -> None:
    ada = door.member()
    _use_up_tries(door, ada.email)
    page.goto(link_in(door.mail_to(ada, "keeps trying")))


@shows("unlock-done")
def unlock_done(page: Page, door: Door) -> None:
    unlock(page, door)
    page.get_by_role("button", name="Let me log in here").click()
    expect(page.get_by_role("status")).to_contain_text("You can log in here now")


@shows("login-link-open")
def login_link(page: Page, door: Door) -> None:
    ada = door.member()
    page.goto("/login/link/")
    page.get_by_label("Email address").fill(ada.email)
    page.get_by_role("button", name="Send the mail").click()
    page.goto(link_in(door.mail_to(ada, "type this code")))
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in here?")


@shows("login-link-elsewhere")
def login_link_elsewhere(page: Page, door: Door) -> None:
    login_link(page, door)
    page.context.clear_cookies()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("You asked in another browser")


@shows("login-code-errors")
def login_code_errors(page: Page, door: Door) -> None:
    page.goto("/login/code/")
    page.get_by_label("Code").fill("1234")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_be_focused()


@shows("invite-by-mail")
def invite_by_mail(page: Page, door: Door) -> None:
    page.goto(door.invite)
    page.get_by_role("link", name="Sign up by mail").click()


@shows("join")
def join(page: Page, door: Door) -> None:
    eve = door.stranger()
    invite_by_mail(page, door)
    page.get_by_label("Email address").fill(eve.email)
    page.get_by_role("button", name="Send the mail").click()
    page.goto(link_in(door.mail_to(eve)))
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose your name")


@shows("503")
def away(page: Page, door: Door) -> None:
    page.goto("/login/")
    page.get_by_label("Email address").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill("some password or other")
    door.stack.redis.freeze()
    try:
        page.get_by_role("button", name="Log in", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Back in a moment")
    finally:
        door.stack.redis.thaw()


@shows("not-me")
def not_me(page: Page, door: Door) -> None:
    page.goto(_not_me_link(door))


@shows("not-me-done")
def not_me_done(page: Page, door: Door) -> None:
    not_me(page, door)
    page.get_by_role("button", name="Shut everybody out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Everybody is out")


@shows("410-not-me")
def not_me_unusable(page: Page, door: Door) -> None:
    page.goto(f"/account/not-me/{'x' * 43}/")


# --- Behind the door ---


@shows("account")
def account(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/account/")


@shows("password-change")
def password_change(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/password/change/")
    page.locator("[name=password]").fill("monkey-dragon-1234")
    expect(page.get_by_text("Long enough, but easy to guess.")).to_be_visible()


@shows("password-change-errors")
def password_change_errors(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/password/change/")
    page.get_by_label("Current password").fill("not her password at all")
    page.locator("[name=password]").fill("short")
    page.get_by_role("button", name="Change the password").click()


@shows("reauth")
def prove(page: Page, door: Door) -> None:
    ada = door.member()
    enter(page, ada)
    page.goto("/email/change/")
    page.get_by_label("New email address").fill(door.stranger().email)
    door.let_proofs_grow_old(ada)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it you?")


@shows("reauth-errors")
def prove_errors(page: Page, door: Door) -> None:
    prove(page, door)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_be_focused()


@shows("reauth-by-mail")
def prove_by_mail(page: Page, door: Door) -> None:
    password_set_first(page, door)
    page.goto("/reauth/")
    expect(page.get_by_role("button", name="Mail me a code")).to_be_visible()


@shows("reauth-mailed")
def prove_by_mailed_code(page: Page, door: Door) -> None:
    prove_by_mail(page, door)
    page.get_by_role("button", name="Mail me a code").click()
    page.get_by_label("Code").fill("1234")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("The code has eight digits").first).to_be_visible()


@shows("reauth-by-app")
def prove_by_app(page: Page, door: Door) -> None:
    second_factor_own(page, door)
    page.goto("/reauth/?by=app")
    expect(page.get_by_text("Use your password instead")).to_be_visible()


@shows("reauth-nothing")
def prove_by_nothing(page: Page, door: Door) -> None:
    olivia = door.member(staff=True)
    enter(page, olivia)
    door.stack.python(
        "from accounts.models import User;"
        f"them = User.objects.filter(email='{olivia.email}');"
        "them.update(password='!', second_factor_at=None)"
    )
    page.goto("/reauth/")
    expect(page.get_by_role("link", name="Set a password")).to_be_visible()


@shows("second-factor-set-up")
def second_factor_set_up(page: Page, door: Door) -> None:
    enter(page, door.member())
    page.goto("/account/security/factor/")
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()


@shows("second-factor-codes")
def second_factor_codes(page: Page, door: Door) -> None:
    second_factor_set_up(page, door)
    app = pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", ""))
    page.get_by_label("The six digits").fill(app.now())
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()


@shows("second-factor")
def second_factor_own(page: Page, door: Door) -> None:
    second_factor_codes(page, door)
    page.get_by_role("link", name="Second factor").click()
    expect(page.get_by_text("10 left")).to_be_visible()


@shows("second-factor-renew")
def second_factor_renew(page: Page, door: Door) -> None:
    second_factor_own(page, door)
    page.get_by_role("link", name="Make new codes").click()
    expect(page.get_by_label("Code", exact=True)).to_be_focused()


@shows("second-factor-off")
def second_factor_off(page: Page, door: Door) -> None:
    second_factor_own(page, door)
    page.get_by_role("link", name="Turn it off").click()
    expect(page.get_by_label("Code", exact=True)).to_be_focused()


@shows("login-verify-recovery")
def verify_recovery(page: Page, door: Door) -> None:
    _half_a_login(page, door.member())
    page.get_by_role("link", name="Type a recovery code").click()
    expect(page.get_by_label("Recovery code")).to_be_focused()


@shows("login-verify-errors")
def verify_errors(page: Page, door: Door) -> None:
    _half_a_login(page, door.member())
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_focused()


def _half_a_login(page: Page, ada: Person) -> None:
    """As far as the password goes, on an account with a second factor."""
    enter(page, ada)
    page.goto("/account/security/factor/")
    page.get_by_role("button", name="Set it up").click()
    app = pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", ""))
    page.get_by_label("The six digits").fill(app.now())
    page.get_by_role("button", name="Turn it on").click()
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Email address").fill(ada.email)
    page.get_by_label("Password", exact=True).fill(ada.password)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your code")


@shows("lost-factor")
def lost_factor(page: Page, door: Door) -> None:
    _half_a_login(page, door.member())
    page.get_by_role("link", name="I have neither").click()


@shows("lost-factor-errors")
def lost_factor_errors(page: Page, door: Door) -> None:
    lost_factor(page, door)
    page.get_by_label("What happened").fill("Under\u202ewater")
    page.get_by_role("button", name="Ask for it").click()
    expect(page.get_by_role("alert")).to_be_focused()


def _ask_for_the_end(page: Page, door: Door) -> Person:
    ada = door.member()
    _half_a_login(page, ada)
    page.get_by_role("link", name="I have neither").click()
    page.get_by_label("What happened").fill("The phone fell into the river.")
    page.get_by_role("button", name="Ask for it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You have asked for it")
    return ada


@shows("lost-factor-asked")
def lost_factor_asked(page: Page, door: Door) -> None:
    _ask_for_the_end(page, door)


@shows("lost-factor-call-off")
def lost_factor_call_off(page: Page, door: Door) -> None:
    page.goto(link_in(door.mail_to(_ask_for_the_end(page, door), "asked to end")))


@shows("lost-factor-called-off")
def lost_factor_called_off(page: Page, door: Door) -> None:
    lost_factor_call_off(page, door)
    page.get_by_role("button", name="Keep the second factor").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The second factor stays")


@shows("lost-factor-notice")
def lost_factor_notice(page: Page, door: Door) -> None:
    second_factor_codes(page, door)
    door.stack.python(
        "from django.utils import timezone; from accounts.models import User;"
        "from accounts.services import lost_factor; from bottomline.caller import Caller;"
        "user = User.objects.latest('second_factor_at');"
        "lost_factor.request(user, '', caller=Caller(ip='203.0.113.9'))"
    )
    page.goto("/account/")
    expect(page.get_by_role("button", name="Keep my second factor")).to_be_visible()


@shows("passkeys")
def passkeys(page: Page, door: Door) -> None:
    device = VirtualDevice(page)
    enter(page, door.member())
    add_passkey(page, "The laptop on the kitchen table")
    device.forget()
    add_passkey(page, "My phone")
    device.wait()


@shows("passkeys-none")
def passkeys_none(page: Page, door: Door) -> None:
    enter(page, door.member())
    page.goto("/account/security/passkeys/")


@shows("passkey-add-errors")
def passkey_add_errors(page: Page, door: Door) -> None:
    passkeys(page, door)
    page.get_by_role("button", name="Add a passkey").click()
    page.evaluate("document.querySelector('[name=credential]').value = '{}'")
    page.get_by_label("Name").fill("")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("alert").first).to_be_focused()


@shows("passkey-add")
def passkey_add(page: Page, door: Door) -> None:
    VirtualDevice(page, isUserVerified=False)
    enter(page, door.member())
    page.goto("/account/security/passkeys/")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("No passkey was chosen")


@shows("passkey-change")
def passkey_change(page: Page, door: Door) -> None:
    passkeys(page, door)
    page.get_by_role("link", name="My phone").click()
    expect(page.get_by_role("button", name="Remove it")).to_be_visible()


@shows("reauth-by-passkey")
def prove_by_passkey(page: Page, door: Door) -> None:
    passkeys(page, door)
    page.goto("/reauth/")
    expect(page.get_by_role("button", name="Use a passkey")).to_be_visible()


@shows("login-passkey-first")
def login_passkey_first(page: Page, door: Door) -> None:
    passkeys(page, door)
    page.get_by_role("button", name="Log out").click()
    page.context.add_cookies([{"name": "way", "value": "passkey", "url": door.url}])
    page.goto("/login/")
    expect(page.get_by_text("As last time in this browser")).to_be_visible()


@shows("login-passkey-errors")
def login_passkey_errors(page: Page, door: Door) -> None:
    page.goto("/login/passkey/")
    page.evaluate("document.querySelector('[name=credential]').value = '{}'")
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.get_by_role("alert").first).to_be_focused()


@shows("login-verify-passkey")
def login_verify_passkey(page: Page, door: Door) -> None:
    ada, device = door.member(), VirtualDevice(page)
    enter(page, ada)
    add_passkey(page)
    device.wait()
    page.goto("/account/security/factor/")
    page.get_by_role("button", name="Set it up").click()
    app = pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", ""))
    page.get_by_label("The six digits").fill(app.now())
    page.get_by_role("button", name="Turn it on").click()
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Email address").fill(ada.email)
    page.get_by_label("Password", exact=True).fill(ada.password)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("button", name="Use a passkey instead")).to_be_visible()


@shows("password-set-first")
def password_set_first(page: Page, door: Door) -> None:
    ada = door.member()
    enter(page, ada)
    door.stack.python(
        "from accounts.models import User;"
        f"User.objects.filter(email='{ada.email}').update(password='!')"
    )
    page.goto("/password/change/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Set a password")


@shows("delete")
def delete(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/account/delete/")


@shows("delete-errors")
def delete_errors(page: Page, door: Door) -> None:
    delete(page, door)
    page.get_by_label("Your username, to confirm").fill("somebody else")
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("alert")).to_be_focused()


@shows("delete-last-owner")
def delete_last_owner(page: Page, door: Door) -> None:
    olivia = door.regular(staff=True)
    door.stack.python(
        "from accounts.models import User;"
        f"User.objects.exclude(email='{olivia.email}').update(is_superuser=False)"
    )
    enter(page, olivia)
    page.goto("/account/delete/")
    expect(page.get_by_text("You are the only owner")).to_be_visible()


@shows("closed")
def closed(page: Page, door: Door) -> None:
    ada = door.member()
    enter(page, ada)
    page.goto("/account/delete/")
    page.get_by_label("Your username, to confirm").fill(ada.username)
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account is closed")


@shows("503-delete")
def delete_away(page: Page, door: Door) -> None:
    delete(page, door)
    page.get_by_label("Your username, to confirm").fill(door.regular().username)
    door.stack.redis.freeze()
    try:
        page.get_by_role("button", name="Delete my account").click()
        title = page.get_by_role("heading", level=1)
        expect(title).to_have_text("Deleting is not possible now")
    finally:
        door.stack.redis.thaw()


@shows("export")
def export(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/account/export/")
    expect(page.get_by_role("button", name="Make my copy")).to_be_visible()


@shows("export-asked")
def export_asked(page: Page, door: Door) -> None:
    enter(page, door.member())
    page.goto("/account/export/")
    door.stack.worker.freeze()
    try:
        page.get_by_role("button", name="Make my copy").click()
        expect(page.get_by_role("status")).to_contain_text("We are making your copy.")
    finally:
        door.stack.worker.thaw()


@shows("export-ready")
def export_ready(page: Page, door: Door) -> None:
    ada = door.member()
    enter(page, ada)
    page.goto("/account/export/")
    page.get_by_role("button", name="Make my copy").click()
    wait_until(lambda: door.mail_to(ada)["Subject"].endswith("is ready"), seconds=40)
    page.goto("/account/export/")
    expect(page.get_by_role("link", name="Download it")).to_be_visible()


@shows("already-member")
def already_member(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto(door.invite)


@shows("403")
def forbidden(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/admin/")


@shows("profile")
def own_profile(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/account/profile/")


@shows("profile-filled")
def profile_filled(page: Page, door: Door) -> None:
    enter(page, _somebody(door))
    page.goto("/account/profile/")
    expect(page.get_by_role("button", name="Remove picture")).to_be_visible()


@shows("profile-errors")
def profile_errors(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/account/profile/")
    page.get_by_label("Name", exact=True).fill("")
    page.get_by_label("About you").fill("Turned \u202earound")
    page.get_by_role("button", name="Save").click()


@shows("profile-picture-refused")
def picture_refused(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/account/profile/")
    page.get_by_label("Choose a picture").set_input_files(
        {"name": "me.png", "mimeType": "image/png", "buffer": b"<svg/>"}
    )
    page.get_by_role("button", name="Upload picture").click()
    expect(page.get_by_role("alert")).to_contain_text("not a picture we can read")


@shows("username")
def change_username(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/account/profile/username/")
    page.get_by_label("New username").fill("brand.new.name")
    expect(page.get_by_text("That name is free.")).to_be_visible()


@shows("username-errors")
def username_errors(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/account/profile/username/")
    page.get_by_label("New username").fill("admin")
    page.get_by_role("button", name="Change username").click()


@shows("username-not-yet")
def username_not_yet(page: Page, door: Door) -> None:
    enter(page, door.member())
    page.goto("/account/profile/username/")
    page.get_by_label("New username").fill(door.stranger("countess").username)
    page.get_by_role("button", name="Change username").click()
    expect(page.get_by_role("status")).to_contain_text("You have a new username.")
    page.goto("/account/profile/username/")


@shows("person")
def somebodys_page(page: Page, door: Door) -> None:
    somebody = _somebody(door, "Augusta Ada King, Countess of Lovelace")
    enter(page, door.regular())
    page.goto(f"/people/{somebody.username}/")
    expect(page.get_by_text("Analytical Engine")).to_be_visible()


@shows("person-bare")
def bare_page(page: Page, door: Door) -> None:
    ada = door.regular()
    enter(page, ada)
    page.goto(f"/people/{ada.username}/")


@shows("person-lineage")
def person_lineage(page: Page, door: Door) -> None:
    _grow_branch(door)
    enter(page, door.regular())
    page.goto("/people/branch-0/")
    page.get_by_role("link", name="root-of-it").click()
    expect(page.get_by_text("Brought in 5 people")).to_be_visible()


@shows("invites-empty")
def invites_empty(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/account/invites/")


@shows("invites-errors")
def invites_errors(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/account/invites/")
    page.get_by_label("For this email address only").fill("grace at example")
    page.get_by_label("How many people").fill("0")
    page.get_by_role("button", name="Make an invite").click()


@shows("invites-filled")
def invites_filled(page: Page, door: Door) -> None:
    ada = door.member()
    door.stack.python(
        f"""
from datetime import timedelta
from django.utils import timezone
from accounts.models import User
from invites.models import Invite, Redemption
ada, now = User.objects.get(email="{ada.email}"), timezone.now()
for n in range(25):
    mailed = n % 4 == 1
    Invite.objects.create(
        issuer=ada, created_at=now - timedelta(days=20, minutes=n),
        expires_at=now + timedelta(days=-1 if n % 7 == 3 else 4),
        revoked_at=now if n % 7 == 4 else None,
        declined_at=now if n == 9 else None,
        opened_at=now - timedelta(days=3) if n % 3 == 2 else None,
        mailed_at=now - timedelta(days=9) if mailed else None,
        label=["Grace from work", "", "The whole of the reading group from the old town"][n % 3],
        note="" if n % 5 else "So glad you are coming, the kettle is on.",
        email="a.rather.long.address@subdomain.example.org" if mailed else "",
        max_uses=1 if mailed else 1 + n % 3,
    )
for n, invite in enumerate(Invite.objects.filter(issuer=ada, max_uses=3, label__gt="")[:2]):
    for user in User.objects.exclude(pk=ada.pk).filter(redemption__isnull=False)[n:n+1]:
        Redemption.objects.filter(user=user).update(invite=invite)
"""
    )
    enter(page, ada)
    page.goto("/account/invites/")
    expect(page.get_by_text("Page 1 of 2")).to_be_visible()


@shows("security")
def security(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/account/security/")


# --- With Google ---


def _link_google(page: Page, door: Door) -> None:
    ada = door.member()
    enter(page, ada)
    door.provider.account = Account(ada.username, ada.email)
    page.goto("/account/security/google/")
    page.get_by_role("button", name="Link Google").click()
    page.get_by_role("button", name=f"Yes, as {ada.email}").click()
    expect(page.get_by_role("status")).to_be_visible()


@shows("google")
def google(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/account/security/google/")


@shows("google-linked")
def google_linked(page: Page, door: Door) -> None:
    _link_google(page, door)


@shows("security-google-linked")
def security_google_linked(page: Page, door: Door) -> None:
    _link_google(page, door)
    page.goto("/account/security/")


@shows("google-leave")
def google_leave(page: Page, door: Door) -> None:
    page.route(f"{door.provider.issuer}/**", lambda route: route.fulfill(status=204))
    page.goto("/login/")
    page.get_by_role("button", name="Continue with Google").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("On to Google")


@shows("google-back")
def google_back(page: Page, door: Door) -> None:
    # Without the script that goes on at once.
    nothing = {"body": "", "content_type": "text/javascript"}
    page.route("**/js/continue*.js", lambda route: route.fulfill(**nothing))
    page.goto("/login/google/callback/?code=x&state=x")


@shows("410-google")
def google_failed(page: Page, door: Door) -> None:
    page.goto("/login/google/callback/?code=x&state=x")
    expect(page.get_by_role("heading", level=1)).to_have_text("That did not work")


@shows("403-google")
def google_not_linked(page: Page, door: Door) -> None:
    eve = door.stranger()
    door.provider.account = Account(eve.username, eve.email)
    page.goto("/login/")
    page.get_by_role("button", name="Continue with Google").click()
    page.get_by_role("button", name=f"Yes, as {eve.email}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Google opens no account here")


@shows("login-google-last")
def login_google_last(page: Page, door: Door) -> None:
    there = {"name": "way", "value": "google", "url": door.url}
    page.context.add_cookies([there])
    page.goto("/login/")
    expect(page.get_by_text("As last time in this browser")).to_be_visible()


@shows("503-google")
def google_away(page: Page, door: Door) -> None:
    _show_template(page, "accounts/google/away.html", google="Google")


@shows("410-join")
def join_too_late(page: Page, door: Door) -> None:
    page.goto("/signup/join/")


@shows("sessions")
def sessions(page: Page, door: Door) -> None:
    ada = door.member()
    for agent in ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "x"):
        elsewhere = door.stack.visitor()
        elsewhere.headers["User-Agent"] = agent
        elsewhere.log_in(ada.email, ada.password, remember="on")
    enter(page, ada)
    page.goto("/account/sessions/")
    expect(page.get_by_role("button", name="End it")).to_have_count(2)


@shows("sessions-only-this")
def sessions_only_this(page: Page, door: Door) -> None:
    enter(page, door.member())
    page.goto("/account/sessions/")


@shows("activity")
def activity(page: Page, door: Door) -> None:
    ada = door.member()
    door.stack.python(
        f"""
from datetime import timedelta
import time_machine
from django.utils import timezone
from accounts.events import record
from accounts.models import User
from bottomline.caller import Caller
ada = User.objects.get(email="{ada.email}")
# The days are told apart: none of what follows is to run into the next.
now = timezone.now().replace(hour=9)
agent = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
phone, stranger = Caller("203.0.113.9", agent), Caller("2001:db8:1234:5678::9", "x")
for days in (9, 6, 3):
    with time_machine.travel(now - timedelta(days=days), tick=False) as clock:
        for _ in range(7):
            clock.shift(60)
            record("login.refused", caller=stranger, user=ada, reason="bad_credentials")
        record("login.completed", caller=phone, user=ada, method="password")
        clock.shift(600)
        record("password.changed", caller=phone, user=ada)
        for n in range(3):
            clock.shift(3600)
            record("invite.issued", caller=phone, user=ada)
"""
    )
    enter(page, ada)
    page.goto("/account/activity/")
    page.get_by_role("link", name="Older").click()
    page.get_by_role("link", name="Newest").click()
    expect(page.get_by_text("7 times").first).to_be_visible()


@shows("activity-empty")
def activity_empty(page: Page, door: Door) -> None:
    ada = door.member()
    enter(page, ada)
    door.stack.python(
        "from accounts.models import Event, User; Event.objects.filter"
        f"(user_id=User.objects.get(email='{ada.email}').pk).delete()"
    )
    page.goto("/account/activity/?only=changes")


@shows("invites-form")
def invites_form(page: Page, door: Door) -> None:
    enter(page, door.member())
    for label in ("The first one", "Made just now"):
        page.goto("/account/invites/")
        if label != "The first one":
            page.get_by_text("Make another").click()
        page.get_by_label("Label").fill(label)
        page.get_by_role("button", name="Make an invite").click()
    page.get_by_text("Make another").click()
    expect(page.get_by_text("3 more people")).to_be_visible()


@shows("invites-paused")
def invites_paused(page: Page, door: Door) -> None:
    ada = door.member()
    door.stack.python(
        f"""
from accounts.models import User
from invites.models import Freeze
from invites.services import issue
ada = User.objects.get(email="{ada.email}")
issue(issuer=ada, label="Grace from work")
Freeze.objects.create(root=ada, reason="Spam")
"""
    )
    enter(page, ada)
    page.goto("/account/invites/")
    expect(page.get_by_text("Inviting is paused for you.")).to_be_visible()


@shows("decline")
def decline(page: Page, door: Door) -> None:
    page.goto(door.stack.issue_invite("--email", "somebody.in.particular@example.org"))
    page.get_by_role("link", name="No, thank you").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Decline the invite?")


@shows("declined")
def declined(page: Page, door: Door) -> None:
    decline(page, door)
    page.get_by_role("button", name="No, thank you").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You declined the invite")


@shows("email-change")
def email_change(page: Page, door: Door) -> None:
    enter(page, door.regular())
    page.goto("/email/change/")


@shows("email-change-errors")
def email_change_errors(page: Page, door: Door) -> None:
    email_change(page, door)
    page.get_by_label("New email address").fill("grace at example")
    page.get_by_role("button", name="Send the link").click()


@shows("email-change-pending")
def email_change_pending(page: Page, door: Door) -> None:
    _moving(page, door)


@shows("security-email-pending")
def security_email_pending(page: Page, door: Door) -> None:
    _moving(page, door)
    page.goto("/account/security/")


@shows("email-confirm")
def email_confirm(page: Page, door: Door) -> None:
    _, new = _moving(page, door)
    page.goto(link_in(door.mail_to(new)))


@shows("email-confirm-taken")
def email_confirm_taken(page: Page, door: Door) -> None:
    _, new = _moving(page, door)
    page.goto(link_in(door.mail_to(new)))
    door.stack.python(
        "from django.utils import timezone; from accounts.models import User;"
        f"User.objects.create(email='{new.email}', username='{new.username}',"
        f"username_key='{new.username}', email_confirmed_at=timezone.now())"
    )
    page.get_by_role("button", name="Change the address").click()
    expect(page.get_by_text("Another account has this address")).to_be_visible()


@shows("email-stop")
def email_stop(page: Page, door: Door) -> None:
    ada, _ = _moving(page, door)
    page.goto(link_in(door.mail_to(ada, "/email/undo/")))


@shows("email-undo")
def email_undo(page: Page, door: Door) -> None:
    ada, _ = _moved(page, door)
    page.goto(link_in(door.mail_to(ada, "was changed")))


@shows("email-undone")
def email_undone(page: Page, door: Door) -> None:
    email_undo(page, door)
    page.get_by_role("button", name="Undo the change").click()
    expect(page.get_by_role("status")).to_contain_text("everybody is logged out")


# --- The admin ---


@shows("admin")
def admin(page: Page, door: Door) -> None:
    enter(page, door.regular(staff=True))
    page.goto("/admin/")


@shows("admin-dashboard")
def admin_dashboard(page: Page, door: Door) -> None:
    door.stack.python(
        """
from datetime import timedelta
from uuid import uuid4
import time_machine
from django.utils import timezone
from accounts.events import record
from bottomline.caller import Caller
from bottomline.outbox.models import OutboxMessage
from invites.models import Invite
here, now = Caller("203.0.113.9"), timezone.now()
for week in range(12):
    with time_machine.travel(now - timedelta(weeks=week), tick=False):
        made = [Invite.objects.create(expires_at=timezone.now() + timedelta(days=7),
            opened_at=timezone.now() if n % 3 else None) for n in range(3 + week * 7 % 11)]
        for n, _ in enumerate(made):
            for kind in ("signup.done", "email_confirmation.done")[: n % 3]:
                record(kind, caller=here, user=uuid4())
            for _ in range(14 - week):
                record("login.completed", caller=here, user=uuid4(), method="password")
            record("login.refused", caller=here, user=uuid4(), reason="bad_credentials")
OutboxMessage.objects.create(kind="new_login", subject="nobody", status="dead")
"""
    )
    admin(page, door)
    expect(page.get_by_role("heading", name="How people come in")).to_be_visible()


def _ask(page: Page, door: Door, act: Act) -> None:
    ada = door.regular()
    enter(page, door.regular(staff=True))
    page.goto(f"/admin/accounts/user/?q={ada.username}")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("button", name=act.label).click()
    expect(page.get_by_role("link", name="Do nothing")).to_be_visible()


for act in ACTS:
    PAGES[f"admin-act-{act.name}"] = lambda page, door, act=act: _ask(page, door, act)


@shows("admin-users-told")
def admin_users_told(page: Page, door: Door) -> None:
    admin_users(page, door)
    page.get_by_role("checkbox").first.check()
    page.locator("select[name=action]").select_option("unblock")
    page.get_by_role("button", name="Go", exact=True).click()
    page.get_by_role("button", name="Unblock").click()
    expect(page.get_by_text("Not blocked, so there was nothing to lift.").first).to_be_visible()


@shows("admin-users")
def admin_users(page: Page, door: Door) -> None:
    enter(page, door.regular(staff=True))
    page.goto("/admin/accounts/user/")


@shows("admin-user")
def admin_user(page: Page, door: Door) -> None:
    admin_users(page, door)
    page.locator("#result_list tbody th a").first.click()
    expect(page.get_by_text("Blocked until")).to_be_visible()


@shows("admin-factor-reset")
def admin_factor_reset(page: Page, door: Door) -> None:
    ada = _ask_for_the_end(page, door)
    enter(page, door.regular(staff=True))
    page.goto("/admin/accounts/factorreset/")
    page.get_by_role("link", name=ada.username).click()
    expect(page.get_by_role("button", name="Approve")).to_be_visible()


@shows("admin-invites")
def admin_invites(page: Page, door: Door) -> None:
    enter(page, door.regular(staff=True))
    page.goto("/admin/invites/invite/")


@shows("admin-invite-issued")
def admin_invite_issued(page: Page, door: Door) -> None:
    enter(page, door.regular(staff=True))
    page.goto("/admin/invites/invite/add/")
    page.get_by_label("Label").fill("From the owner")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("The link to pass on")).to_be_visible()


@shows("admin-invite-add-errors")
def admin_invite_add(page: Page, door: Door) -> None:
    enter(page, door.regular(staff=True))
    page.goto("/admin/invites/invite/add/")
    page.get_by_label("How many people").fill("0")
    page.get_by_role("button", name="Save", exact=True).click()


@shows("admin-branch")
def admin_branch(page: Page, door: Door) -> None:
    _grow_branch(door)
    enter(page, door.regular(staff=True))
    page.goto("/admin/accounts/user/?q=root-of-it")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("link", name="Who invited whom").click()
    expect(page.get_by_role("heading", name="people below")).to_be_visible()


@shows("admin-branch-frozen")
def admin_branch_frozen(page: Page, door: Door) -> None:
    admin_branch(page, door)
    page.get_by_label("Reason").fill("A ring of spammers")
    page.get_by_role("button", name="Freeze the branch").click()
    expect(page.get_by_text("Inviting is frozen here")).to_be_visible()


@shows("admin-branch-revoke")
def admin_branch_revoke(page: Page, door: Door) -> None:
    admin_branch(page, door)
    page.get_by_role("link", name="Look through the").click()
    expect(page.get_by_role("button", name="Revoke those chosen")).to_be_visible()


@shows("admin-freezes")
def admin_freezes(page: Page, door: Door) -> None:
    admin_branch_frozen(page, door)
    page.goto("/admin/invites/freeze/")


@shows("admin-events")
def admin_events(page: Page, door: Door) -> None:
    """More than one page of them, so that there are links to the others."""
    enter(page, door.regular(staff=True))
    door.stack.python(
        "from accounts.events import SYSTEM, record\n"
        "for _ in range(201): record('login.refused', caller=SYSTEM, reason='bad_credentials')"
    )
    page.goto("/admin/accounts/event/")
    expect(page.locator(".paginator a").first).to_be_visible()


@shows("admin-event")
def admin_event(page: Page, door: Door) -> None:
    admin_events(page, door)
    page.locator("#result_list tbody th a").first.click()


@shows("admin-outbox")
def admin_outbox(page: Page, door: Door) -> None:
    enter(page, door.regular(staff=True))
    page.goto("/admin/outbox/outboxmessage/")


# --- What cannot be had from a running server ---


@shows("400")
def bad_request(page: Page, door: Door) -> None:
    _show_template(page, "400.html")


@shows("410")
def gone(page: Page, door: Door) -> None:
    _show_template(page, "410.html")


@shows("500")
def broken(page: Page, door: Door) -> None:
    _show_template(page, "500.html")


@shows("export-gone")
def export_gone(page: Page, door: Door) -> None:
    _show_template(page, "accounts/export/gone.html")


@shows("mailbox")
def mailbox(page: Page, door: Door) -> None:
    text = "Hello ada,\n\nOpen this page:\n\nhttp://localhost:8000/invite/?confirmation=" + "x" * 43
    mail = {"id": 1, "subject": "Confirm your address", "to": "ada@example.org", "text": text}
    _show_template(page, "dev/mailbox.html", mails=[{**mail, "sent_at": timezone.now()}] * 2)


@shows("mail-new-login")
def mail_new_login(page: Page, door: Door) -> None:
    page.goto(door.neighbour.shows(html_of(door.mail_about_a_login(door.member()))))


@shows("mail-lost-factor")
def mail_lost_factor(page: Page, door: Door) -> None:
    ada = _ask_for_the_end(page, door)
    page.goto(door.neighbour.shows(html_of(door.mail_to(ada, "asked to end"))))


@shows("mail")
def mail(page: Page, door: Door) -> None:
    page.goto(door.neighbour.shows(html_of(door.mail_to(door.regular()))))


@shows("mail-email-moved-away")
def mail_of_a_move(page: Page, door: Door) -> None:
    ada, _ = _moved(page, door)
    page.goto(door.neighbour.shows(html_of(door.mail_to(ada, "was changed"))))


# --- The promise ---


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_for_everybody(page: Page, door: Door, watch: Watch, name: str):
    page.emulate_media(reduced_motion="reduce")
    PAGES[name](page, door)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    page.evaluate(AXE)

    found = _violations(page, name, RULES)
    for scheme, size in LOOKS if not SHOTS else product(("light", "dark"), (PHONE, DESK)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        page.evaluate("Promise.all(document.getAnimations().map(each => each.finished))")
        look = f"{scheme}, {size['width']} pixels: "
        found += [look + violation for violation in _violations(page, name, RULES_OF_LOOKS)]
        found += [look + "too wide"] if _is_too_wide(page) else []
        _picture(page, watch, f"{name}-{scheme}-{size['width']}")
    page.set_viewport_size(NARROWEST)
    if _is_too_wide(page) and not name.startswith("admin"):
        found.append("wider than 320 pixels")
    assert not found, "\n".join(found)


def _violations(page: Page, name: str, rules: dict[str, Any]) -> list[str]:
    result = page.evaluate(f"axe.run(document, {json.dumps(rules)})")
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['failureSummary']}"
        for rule in result["violations"]
        for node in rule["nodes"]
        if rule["id"] not in EXCUSED.get(name, ())
    ]


def _is_too_wide(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


def _picture(page: Page, watch: Watch, name: str) -> None:
    if SHOTS:
        with watch.off():  # Playwright's own style for taking pictures is refused, as it should be
            page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def _somebody(door: Door, name: str = "") -> Person:
    """A member who says a lot of themselves."""
    ada = door.member()
    door.stack.python(
        f"""
import io
from PIL import Image
from accounts.models import User
from accounts.services import profile
from bottomline.caller import Caller
ada, here, file = User.objects.get(email="{ada.email}"), Caller(ip="192.0.2.1"), io.BytesIO()
Image.linear_gradient("L").convert("RGB").save(file, "PNG")
profile.set_picture(ada, file.getvalue(), caller=here)
profile.update(
    ada, display_name="{name or ada.username}", language="en", time_zone="Europe/London",
    caller=here, bio="I write about the Analytical Engine, which weaves algebraic patterns just "
    "as the Jacquard loom weaves flowers and leaves.\\n\\nLondon, and at Ockham in summer.",
)
"""
    )
    return ada


def _confirmation_link(door: Door) -> str:
    ada, visitor = door.stranger(), door.stack.visitor()
    visitor.sign_up(door.invite, ada.email, ada.username, ada.password)
    return link_in(door.mail_to(ada))


def _grow_branch(door: Door) -> None:
    """Some members who came in by each other, with open invites; always the same ones."""
    door.stack.python(
        """
from django.utils import timezone
from accounts.models import User
from invites.models import Freeze, Redemption
from invites.services import issue
def member(name, inviter=None):
    user = User(email=name + "@example.org", display_name=name, email_confirmed_at=timezone.now())
    user.name(name)
    user.save()
    Redemption.objects.create(user=user, invite=issue(issuer=inviter))
    return user
Freeze.objects.all().delete()
if not User.objects.filter(username="root-of-it").exists():
    root = inviter = member("root-of-it")
    for n in range(4):
        inviter = member(f"branch-{n}", inviter)
        member(f"twig-{n}", root)
        issue(issuer=inviter, email=f"somebody.{n}@example.org", label="Somebody from the old town")
"""
    )


def _reset_link(door: Door) -> str:
    ada = door.member()
    door.stack.visitor().post("/password/forgot/", {"email": ada.email})
    return link_in(door.stack.mail.wait_for(ada.email, 2))


def _moving(page: Page, door: Door) -> tuple[Person, Person]:
    """Somebody who has asked for another address, and that address."""
    ada, new = door.member(), door.stranger("ada.lovelace.countess")
    enter(page, ada)
    page.goto("/email/change/")
    page.get_by_label("New email address").fill(new.email)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_text("The link is on its way.")).to_be_visible()
    return ada, new


def _moved(page: Page, door: Door) -> tuple[Person, Person]:
    ada, new = _moving(page, door)
    page.goto(link_in(door.mail_to(new)))
    page.get_by_role("button", name="Change the address").click()
    expect(page.get_by_role("status")).to_contain_text("Your address is changed.")
    return ada, new


def _not_me_link(door: Door) -> str:
    return link_in(door.mail_about_a_login(door.member()))


def _show_template(page: Page, template: str, **context: Any) -> None:
    """A page as the server would answer it, under the same policy."""
    page.route(
        "**/rendered/",
        lambda route: route.fulfill(
            content_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": settings.CONTENT_SECURITY_POLICY},
            body=render_to_string(template, context),
        ),
    )
    page.goto("/rendered/")
