"""Every page, light and dark, on a phone and on a desk: readable, operable, and what it should be.

With SHOTS=folder a picture of each is left there for people to look at.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone
from playwright.sync_api import Page, expect

from bottomline.tests.chromium import DESK, PHONE, Door, Watch, html_of, link_in, log_in

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
# Not for us to mend: a mail is no page with landmarks, and the two boxes of a date and time in
# Django's admin have their names beside them, not on them.
EXCUSED = {"mail": {"landmark-one-main", "region"}, "admin-user": {"label"}}
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
    "404": "/nowhere/",
    "405": "/logout/",
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


@shows("resend-requested")
def resend_requested(page: Page, door: Door) -> None:
    page.goto("/confirmation/resend/")
    page.get_by_label("Email address").fill("nobody@example.org")
    page.get_by_role("button", name="Send it again").click()


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
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_focused()


@shows("423-locked")
def locked(page: Page, door: Door) -> None:
    ada = door.member()
    door.python(
        "from datetime import timedelta; from django.utils import timezone;"
        "from accounts.models import User; User.objects.filter"
        f"(email='{ada.email}').update(blocked_until=timezone.now() + timedelta(hours=1))"
    )
    page.goto("/login/")
    page.get_by_label("Email address").fill(ada.email)
    page.get_by_label("Password", exact=True).fill(ada.password)
    page.get_by_role("button", name="Log in").click()


@shows("403-csrf")
def forged(page: Page, door: Door) -> None:
    page.goto("/login/")
    page.context.clear_cookies()
    page.get_by_label("Email address").fill("ada@example.org")
    page.get_by_role("button", name="Log in").click()


@shows("413")
def too_large(page: Page, door: Door) -> None:
    page.goto("/signup/")
    code = page.get_by_label("Invite link or code")
    code.evaluate("input => { input.maxLength = 100_000; input.value = 'x'.repeat(70_000) }")
    page.get_by_role("button", name="Continue").click()


@shows("429")
def too_often(page: Page, door: Door) -> None:
    while page.request.get("/invite/guessed/").status != 429:
        pass
    page.goto("/invite/guessed/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Too many tries")


@shows("503")
def away(page: Page, door: Door) -> None:
    page.goto("/login/")
    page.get_by_label("Email address").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill("some password or other")
    door.stack.redis.freeze()
    try:
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Back in a moment")
    finally:
        door.stack.redis.thaw()


# --- Behind the door ---


@shows("account")
def account(page: Page, door: Door) -> None:
    log_in(page, door.regular())


@shows("already-member")
def already_member(page: Page, door: Door) -> None:
    log_in(page, door.regular())
    page.goto(door.invite)


@shows("403")
def forbidden(page: Page, door: Door) -> None:
    log_in(page, door.regular())
    page.goto("/admin/")


@shows("invites-empty")
def invites_empty(page: Page, door: Door) -> None:
    log_in(page, door.regular())
    page.goto("/account/invites/")


@shows("invites-errors")
def invites_errors(page: Page, door: Door) -> None:
    log_in(page, door.regular())
    page.goto("/account/invites/")
    page.get_by_label("For this email address only").fill("grace at example")
    page.get_by_label("How many people").fill("0")
    page.get_by_role("button", name="Make an invite").click()


@shows("invites-filled")
def invites_filled(page: Page, door: Door) -> None:
    ada = door.member()
    door.python(
        f"""
from datetime import timedelta
from django.utils import timezone
from accounts.models import User
from invites.models import Invite
ada, now = User.objects.get(email="{ada.email}"), timezone.now()
for n in range(25):
    Invite.objects.create(
        issuer=ada, created_at=now - timedelta(days=20, minutes=n),
        expires_at=now + timedelta(days=-1 if n % 7 == 3 else 7),
        revoked_at=now if n % 7 == 4 else None,
        label=["Grace from work", "", "The whole of the reading group from the old town"][n % 3],
        email="a.rather.long.address@subdomain.example.org" if n % 4 == 1 else "",
        max_uses=1 if n % 4 == 1 else 1 + n % 3,
    )
"""
    )
    log_in(page, ada)
    page.goto("/account/invites/")
    page.get_by_text("Make another").click()
    page.get_by_label("Label").fill("Made just now")
    page.get_by_role("button", name="Make an invite").click()
    expect(page.get_by_text("Page 1 of 2")).to_be_visible()


# --- The admin ---


@shows("admin")
def admin(page: Page, door: Door) -> None:
    log_in(page, door.regular(staff=True))
    page.get_by_role("link", name="Admin").click()


@shows("admin-users")
def admin_users(page: Page, door: Door) -> None:
    admin(page, door)
    page.goto("/admin/accounts/user/")


@shows("admin-user")
def admin_user(page: Page, door: Door) -> None:
    admin_users(page, door)
    page.locator("#result_list tbody th a").first.click()
    expect(page.get_by_text("Blocked until")).to_be_visible()


@shows("admin-invites")
def admin_invites(page: Page, door: Door) -> None:
    admin(page, door)
    page.goto("/admin/invites/invite/")


@shows("admin-invite-issued")
def admin_invite_issued(page: Page, door: Door) -> None:
    admin(page, door)
    page.goto("/admin/invites/invite/add/")
    page.get_by_label("Label").fill("From the owner")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("The link to pass on")).to_be_visible()


@shows("admin-invite-add-errors")
def admin_invite_add(page: Page, door: Door) -> None:
    admin(page, door)
    page.goto("/admin/invites/invite/add/")
    page.get_by_label("How many people").fill("0")
    page.get_by_role("button", name="Save", exact=True).click()


@shows("admin-outbox")
def admin_outbox(page: Page, door: Door) -> None:
    admin(page, door)
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


@shows("mailbox")
def mailbox(page: Page, door: Door) -> None:
    text = "Hello ada,\n\nOpen this page:\n\nhttp://localhost:8000/invite/?confirmation=" + "x" * 43
    mail = {"id": 1, "subject": "Confirm your address", "to": "ada@example.org", "text": text}
    _show_template(page, "dev/mailbox.html", mails=[{**mail, "sent_at": timezone.now()}] * 2)


@shows("mail")
def mail(page: Page, door: Door) -> None:
    page.goto(door.neighbour.shows(html_of(door.mail_to(door.regular()))))


# --- The promise ---


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_for_everybody(page: Page, door: Door, watch: Watch, name: str):
    page.emulate_media(reduced_motion="reduce")
    PAGES[name](page, door)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    page.evaluate(AXE)

    found = _violations(page, name, RULES)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for size in (PHONE, DESK):
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


def _confirmation_link(door: Door) -> str:
    ada, visitor = door.stranger(), door.stack.visitor()
    visitor.sign_up(door.invite, ada.email, ada.username, ada.password)
    return link_in(door.mail_to(ada))


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
