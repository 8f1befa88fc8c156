"""What people meet in a real browser: Chromium, against everything running."""

import io
import itertools
import json
import re
import string
import time
from collections.abc import Callable
from html import escape, unescape
from random import Random
from zipfile import ZipFile

import pyotp
import pytest
from PIL import Image
from playwright.sync_api import Error, FilePayload, Locator, Page, Route, expect
from zxcvbn.matching import RANKED_DICTIONARIES

from accounts.tests.likely_passwords import likely_passwords
from bottomline.tests.chromium import (
    DESK,
    PASSWORD,
    PHONE,
    Door,
    Person,
    VirtualDevice,
    Watch,
    add_passkey,
    html_of,
    is_logged_in,
    link_in,
    log_in,
)
from bottomline.tests.provider import Account
from bottomline.tests.servers import text_of, wait_until

pytestmark = pytest.mark.stack

Browse = Callable[..., Page]
numbers = itertools.count()
NEW = "lantern walnut copper drift"


def changes(page: Page, selector: str, name: str) -> list[str]:
    """What a property becomes from now on; a page on its way out cannot be asked any more."""
    seen: list[str] = []
    heard = f"heard{next(numbers)}"

    def hear(value: str) -> None:
        seen.append(value)

    page.expose_function(heard, hear)
    page.locator(selector).first.evaluate(
        """(element, [heard, name]) => new MutationObserver(() => window[heard](element[name]))
           .observe(element, {attributeFilter: [name], childList: true})""",
        [heard, name],
    )
    return seen


# --- With an account elsewhere ---


def say_yes(page: Page, door: Door, account: Account, *, script: bool = True) -> None:
    """From the button on a page of ours to the provider, and back."""
    door.provider.account = account
    page.get_by_role("button", name="Continue with Google").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in to the door?")
    page.get_by_role("button", name=f"Yes, as {account.email}").click()
    if not script:
        expect(page.get_by_role("heading", level=1)).to_have_text("Back from Google")
        page.get_by_role("button", name="Go on").click()


@pytest.mark.asvs("7.6.2")
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_somebody_signs_up_with_google_and_comes_in_by_it_again(
    browse: Browse, door: Door, script: bool
):
    page, ada = browse(java_script_enabled=script), door.stranger()
    title, account = page.get_by_role("heading", level=1), Account(ada.username, ada.email)
    page.goto(door.invite)
    say_yes(page, door, account, script=script)
    expect(title).to_have_text("Choose your name")
    expect(page.get_by_text(ada.email)).to_be_visible()
    page.get_by_label("Username").fill(ada.username)
    page.get_by_role("button", name="Become a member").click()
    expect(title).to_have_text(f"Hello, {ada.username}")

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("status")).to_contain_text("You are logged out.")
    page.goto("/account/invites/")
    expect(page.get_by_text("As last time in this browser")).to_be_visible()
    page.get_by_label("Keep me logged in").check()
    say_yes(page, door, account, script=script)
    expect(title).to_have_text("Invites")
    [session] = [each for each in page.context.cookies() if each["name"] == "session"]
    assert (session["expires"] > time.time() + 13 * 24 * 3600) == script
    if script:  # which went on by itself, and is no page to come back to
        page.go_back()
        expect(title).not_to_have_text("Back from Google")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_member_links_google_and_unlinks_it(browse: Browse, door: Door, script: bool):
    page, ada = browse(java_script_enabled=script), door.member()
    account = Account(ada.username, f"{ada.username}@elsewhere.example")
    log_in(page, ada)
    page.goto("/account/security/")
    page.get_by_role("link", name="Google", exact=True).click()
    door.provider.account = account
    page.get_by_role("button", name="Link Google").click()
    page.get_by_role("button", name=f"Yes, as {account.email}").click()
    if not script:
        page.get_by_role("button", name="Go on").click()
    # The session's Strict cookie is there again after the way back from another site.
    expect(page.get_by_role("status")).to_contain_text("Google logs you in from now on.")
    expect(page.get_by_text(account.email)).to_be_visible()
    assert "Google was linked" in door.mail_to(ada, "Google was linked")["Subject"]

    page.get_by_role("button", name="Unlink Google").click()
    expect(page.get_by_role("status")).to_contain_text("Google logs you in no more.")
    assert is_logged_in(page)


@pytest.mark.asvs("10.1.2")
def test_a_page_elsewhere_that_sends_a_visitor_back_logs_them_in_as_nobody(
    browse: Browse, door: Door
):
    """Login CSRF: the return of the attacker's own try, opened in another browser."""
    page, mallory = browse(), door.stranger("mallory")
    begun = door.stack.visitor().post("/login/google/")
    [place] = re.findall(r'content="0; url=([^"]+)"', begun.text)
    back = door.provider.approve(unescape(place), Account(mallory.username, mallory.email))
    page.goto(door.neighbour.shows(f'<meta http-equiv="refresh" content="0; url={escape(back)}">'))
    expect(page.get_by_role("heading", level=1)).to_have_text("That did not work")
    assert not is_logged_in(page)


# --- The whole journey ---


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_an_invited_person_becomes_a_member_and_invites_somebody(
    browse: Browse, door: Door, script: bool, viewport: dict
):
    page = browse(java_script_enabled=script, viewport=viewport)
    if script:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=door.url)
    ada = door.stranger()
    title = page.get_by_role("heading", level=1)

    page.goto(door.invite)
    expect(page.get_by_text("So glad you are coming.")).to_be_visible()
    page.get_by_label("Email address").fill(ada.email)
    page.get_by_label("Username").fill(ada.username)
    page.get_by_label("Password", exact=True).fill(ada.password)
    zone = "Europe/Lisbon" if script else ""
    expect(page.locator("input[name=time_zone]")).to_have_value(zone)
    page.get_by_role("button", name="Sign up").click()
    expect(title).to_have_text("Check your email")
    expect(page.get_by_text(ada.email)).to_be_visible()

    # Somewhere in a webmail.
    page.goto(door.neighbour.shows(html_of(door.mail_to(ada))))
    page.get_by_role("link", name="Confirm my address").click()
    expect(title).to_have_text("Confirm your address")
    expect(page.get_by_text(ada.username).first).to_be_visible()
    confirm = page.get_by_role("button", name="Confirm my address")
    said = changes(page, "button", "textContent") if script else []
    with door.slow():
        confirm.click(no_wait_after=True)
    expect(title).to_have_text("Log in")
    expect(page.get_by_role("status")).to_contain_text("Your address is confirmed.")
    assert said == (["Please wait…"] if script else [])

    page.get_by_label("Email address").fill(ada.email)
    page.get_by_label("Password", exact=True).fill(ada.password)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(title).to_have_text(f"Hello, {ada.username}")

    page.get_by_role("link", name="Invite somebody").click()
    expect(page.get_by_text("Nobody invited yet")).to_be_visible()
    page.get_by_label("Label").fill("Grace from work")
    page.get_by_label("A few words to them").fill("Come in, it is warm.")
    page.get_by_role("button", name="Make an invite").click()
    expect(page.get_by_role("status").first).to_contain_text("Your invite is ready.")
    expect(page.get_by_role("heading", name="Grace from work")).to_be_visible()
    link = page.get_by_label("Invite link").input_value()
    copy = page.get_by_role("button", name="Copy link")
    if script:
        copy.click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == link
    else:
        expect(copy).to_be_hidden()  # it could do nothing

    page.locator("summary", has_text="Revoke").click()
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_role("status").first).to_contain_text("The invite is revoked.")
    expect(page.get_by_text("Revoked", exact=True)).to_be_visible()

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("status")).to_contain_text("You are logged out.")
    assert not is_logged_in(page)
    page.goto(link)
    expect(title).to_have_text("This invite can’t be used")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_member_takes_their_data_leaves_and_comes_back(browse: Browse, door: Door, script: bool):
    page = browse(java_script_enabled=script)
    ada, title = door.member(), page.get_by_role("heading", level=1)
    log_in(page, ada)

    page.get_by_role("link", name="Take your data with you").click()
    page.get_by_role("button", name="Make my copy").click()
    expect(page.get_by_role("status")).to_contain_text("We are making your copy.")
    wait_until(lambda: door.mail_to(ada)["Subject"].endswith("is ready"), seconds=40)
    page.reload()
    with page.expect_download() as started:
        page.get_by_role("link", name="Download it").click()
    assert started.value.suggested_filename.startswith("bottomline-")
    with ZipFile(started.value.path()) as archive:
        assert json.loads(archive.read("profile.json"))["email"] == ada.email

    page.goto("/account/")
    page.get_by_role("link", name="Delete your account").click()
    page.get_by_label("Your username, to confirm").fill("somebody.else")
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("alert")).to_contain_text("nothing was deleted")
    page.get_by_label("Your username, to confirm").fill(ada.username.upper())
    page.get_by_role("button", name="Delete my account").click()
    expect(title).to_have_text("Your account is closed")
    assert not is_logged_in(page)
    page.reload()
    expect(page.get_by_text("You can come back until")).to_be_visible()
    wait_until(lambda: "will be deleted" in door.mail_to(ada)["Subject"], seconds=40)

    page.goto(door.neighbour.shows(html_of(door.mail_to(ada))))
    page.get_by_role("link", name="Log in and come back").click()
    # From another site the page comes twice: see login.html.
    expect(page.locator("meta[http-equiv=refresh]")).to_have_count(0)
    page.get_by_label("Email address").fill(ada.email)
    page.get_by_label("Password", exact=True).fill(ada.password)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(title).to_have_text(f"Hello, {ada.username}")
    expect(page.get_by_role("status")).to_contain_text("Welcome back. Your account stays.")


# --- Pictures ---


def photograph(kind: str, size: tuple[int, int]) -> FilePayload:
    """Grains that no format makes small, as a camera's."""
    file = io.BytesIO()
    Image.effect_noise(size, 120).convert("RGB").save(file, kind, quality=95)
    return {"name": "me.jpg", "mimeType": f"image/{kind.lower()}", "buffer": file.getvalue()}


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_member_sets_up_a_second_factor_and_logs_in_with_a_code(
    browse: Browse, door: Door, script: bool
):
    page = browse(java_script_enabled=script)
    ada, title = door.member(), page.get_by_role("heading", level=1)
    log_in(page, ada)

    page.goto("/account/security/")
    page.get_by_role("link", name="Second factor").click()
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    app = pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", ""))
    page.get_by_label("The six digits").fill("000000")
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("alert")).to_contain_text("not the code of this moment")
    page.get_by_label("The six digits").fill(app.now())
    page.get_by_role("button", name="Turn it on").click()
    expect(title).to_have_text("Your recovery codes")
    codes = page.locator("#codes li").all_inner_texts()
    assert len(codes) == 10
    page.get_by_role("button", name="I have kept them").click()
    expect(page.get_by_text("10 left")).to_be_visible()
    page.get_by_role("button", name="Log out").click()

    page.get_by_label("Email address").fill(ada.email)
    page.get_by_label("Password", exact=True).fill(ada.password)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(title).to_have_text("Your code")
    assert not is_logged_in(page)
    page.get_by_label("Code", exact=True).fill(app.at(int(time.time()) + 30))
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(title).to_have_text(f"Hello, {ada.username}")


# --- Passkeys, with the authenticator that Chromium has for tests ---


def test_a_passkey_logs_in_from_the_login_page_without_typing(browse: Browse, door: Door):
    page = browse(viewport=PHONE)
    device, ada = VirtualDevice(page), door.member()
    title = page.get_by_role("heading", level=1)
    log_in(page, ada)
    page.goto("/account/security/")
    page.get_by_role("link", name="Passkeys").click()
    expect(page.get_by_text("None yet.")).to_be_visible()
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_label("Name")).to_have_value(re.compile("Chrom"))
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("status").first).to_contain_text("Your passkey is added.")
    [kept] = device.passkeys
    assert (kept["rpId"], kept["isResidentCredential"]) == ("localhost", True)
    assert door.mail_to(ada, "A passkey was added")

    # The browser offers it at the field, and whoever takes it is in.
    device.wait()
    page.get_by_role("button", name="Log out").click()
    expect(title).to_have_text("Log in")
    expect(page.get_by_label("Email address")).to_have_attribute(
        "autocomplete", "username webauthn"
    )
    expect(page.get_by_role("button", name="Log in with a passkey")).to_be_visible()
    assert not is_logged_in(page)
    device.unlock()
    page.reload()
    expect(title).to_have_text(f"Hello, {ada.username}")
    assert is_logged_in(page)


def test_a_passkey_logs_in_by_the_button_and_stays_as_long_as_was_said(browse: Browse, door: Door):
    page = browse()
    device, ada = VirtualDevice(page), door.member()
    title = page.get_by_role("heading", level=1)
    log_in(page, ada)
    add_passkey(page)
    device.wait()
    page.get_by_role("button", name="Log out").click()
    page.goto("/account/invites/")
    expect(title).to_have_text("Log in")
    page.get_by_label("Keep me logged in").check()
    device.unlock()
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(title).to_have_text("Invites")
    [session] = [each for each in page.context.cookies() if each["name"] == "session"]
    assert session["expires"] > time.time() + 13 * 24 * 3600

    # Here the page leads with it from now on; and it has a page of its own.
    device.wait()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("As last time in this browser")).to_be_visible()
    page.goto("/login/passkey/")
    device.unlock()
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(title).to_have_text(f"Hello, {ada.username}")


def test_a_passkey_stands_in_for_the_code_of_an_app(browse: Browse, door: Door):
    page = browse(viewport=PHONE)
    device, ada = VirtualDevice(page), door.member()
    title = page.get_by_role("heading", level=1)
    log_in(page, ada)
    add_passkey(page)
    page.goto("/account/security/factor/")
    page.get_by_role("button", name="Set it up").click()
    app = pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", ""))
    page.get_by_label("The six digits").fill(app.now())
    page.get_by_role("button", name="Turn it on").click()
    expect(title).to_have_text("Your recovery codes")
    device.wait()
    page.get_by_role("button", name="Log out").click()

    page.get_by_label("Email address").fill(ada.email)
    page.get_by_label("Password", exact=True).fill(ada.password)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(title).to_have_text("Your code")
    assert not is_logged_in(page)
    device.unlock()
    page.get_by_role("button", name="Use a passkey instead").click()
    expect(title).to_have_text(f"Hello, {ada.username}")


def test_a_passkey_proves_that_it_is_still_them(page: Page, door: Door):
    device, ada = VirtualDevice(page), door.member()
    log_in(page, ada)
    add_passkey(page)
    door.let_proofs_grow_old(ada)
    page.get_by_role("link", name="This laptop").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it you?")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Passkeys")
    page.get_by_role("link", name="This laptop").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("None yet.")).to_be_visible()
    # And the password manager is told, where it can be.
    wait_until(lambda: not device.passkeys, what="the passkey is gone from the device as well")


def test_what_goes_wrong_with_a_passkey_is_said_in_words(browse: Browse, door: Door):
    page = browse()
    device, ada = VirtualDevice(page), door.member()
    log_in(page, ada)
    add_passkey(page)
    alert = page.get_by_role("alert")

    # The same device once more.
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("button", name="Make the passkey").click()
    expect(alert).to_contain_text("has a passkey of your account already")

    # A wrong finger, and then the right one on the same page.
    device.refuse()
    page.get_by_role("button", name="Log out").click()
    button = page.get_by_role("button", name="Log in with a passkey")
    button.click()
    expect(alert).to_contain_text("No passkey was chosen, or it took too long.")
    expect(button).not_to_have_attribute("aria-disabled", "true")

    # One that we do not know any more: the server says so, on a page that works.
    door.stack.python("from accounts.models import Passkey; Passkey.objects.all().delete()")
    device.cdp.send(
        "WebAuthn.setUserVerified", {"authenticatorId": device.id, "isUserVerified": True}
    )
    button.click()
    expect(alert.first).to_contain_text("That passkey did not work")
    assert not is_logged_in(page)
    device.forget()  # or it would answer the next page by itself
    page.get_by_role("link", name="Log in with the password").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    log_in(page, ada)


def test_a_login_page_left_open_for_long_asks_for_another_challenge(browse: Browse, door: Door):
    page = browse()
    device, ada = VirtualDevice(page), door.member()
    log_in(page, ada)
    add_passkey(page)
    device.wait()
    page.get_by_role("button", name="Log out").click()
    asked: list[str] = []

    def unlock_and_go_on(route: Route) -> None:
        asked.append(route.request.method)
        device.unlock()  # which what was asked before does not notice
        route.continue_()

    page.clock.install()
    page.goto("/login/")
    page.route("**/login/passkey/", unlock_and_go_on)
    page.clock.fast_forward(400_000)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {ada.username}")
    assert asked == ["GET", "POST"]


def test_without_scripts_no_passkey_is_offered_and_the_pages_say_why(browse: Browse, door: Door):
    page = browse(java_script_enabled=False)
    page.goto("/login/")
    expect(page.get_by_role("button", name="Log in with a passkey")).to_be_hidden()
    page.goto("/login/passkey/")
    expect(page.get_by_text("Passkeys need JavaScript")).to_be_visible()
    expect(page.get_by_role("link", name="Log in with the password")).to_be_visible()
    log_in(page, door.member())
    page.goto("/account/security/passkeys/")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("Passkeys need JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Make the passkey")).to_be_hidden()


# --- Pictures of members ---


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_member_shows_a_picture_and_removes_it(browse: Browse, door: Door, script: bool):
    page = browse(java_script_enabled=script, viewport=PHONE)
    ada = door.member()
    log_in(page, ada)
    page.get_by_role("link", name="Profile").click()
    # A phone's pictures are larger than we take; a browser with scripts makes them small.
    chosen = photograph("JPEG", (3000, 2000) if script else (300, 200))
    assert (len(chosen["buffer"]) > 2 * 1024 * 1024) is script
    page.get_by_label("Choose a picture").set_input_files(chosen)
    preview = page.get_by_role("img", name="The picture you chose")
    expect(preview).to_have_count(int(script))
    page.get_by_role("button", name="Upload picture").click()

    expect(page.get_by_role("status").first).to_contain_text("Your new picture is in place.")
    if script:
        shown = page.get_by_role("img", name="Your picture")
        assert shown.evaluate("async image => (await image.decode(), image.naturalWidth)") == 256
    page.get_by_role("link", name="Look at your page").click()
    expect(page.locator("img.picture")).to_be_visible()

    page.get_by_role("link", name="Change your profile").click()
    page.get_by_role("button", name="Remove picture").click()
    expect(page.get_by_role("status").first).to_contain_text("Your picture is removed.")
    expect(page.locator("img.picture")).to_have_count(0)


def test_a_file_that_is_no_picture_is_not_shown_and_the_server_says_why(page: Page, door: Door):
    log_in(page, door.member())
    page.goto("/account/profile/")
    choose = page.get_by_label("Choose a picture")
    choose.set_input_files(photograph("PNG", (90, 60)))
    preview = page.get_by_role("img", name="The picture you chose")
    expect(preview).to_be_visible()
    choose.set_input_files({"name": "me.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(preview).to_have_count(0)
    page.get_by_role("button", name="Upload picture").click()

    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("That is not a picture we can read.")


@pytest.mark.asvs("1.3.5")
def test_a_script_in_a_bio_is_words(page: Page, door: Door):
    ada = door.member()
    log_in(page, ada)
    page.goto("/account/profile/")
    words = "<script>document.title = 'mine'</script>\n<img src=x onerror=alert(1)>"
    page.get_by_label("About you").fill(words)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Look at your page").click()

    expect(page.locator(".person__bio")).to_have_text(words.replace("\n", ""))
    expect(page).to_have_title(f"{ada.username} · The Bottom Line")


# --- Sessions ---


@pytest.mark.asvs("7.5.2")
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_one_browser_ends_another_which_is_out_on_its_next_click(
    browse: Browse, door: Door, script: bool
):
    ada, here, there = door.member(), *(browse(java_script_enabled=script) for _ in range(2))
    log_in(here, ada)
    log_in(there, ada)
    here.goto("/account/security/")
    here.get_by_role("link", name="Sessions").click()
    expect(here.get_by_text("This one", exact=True)).to_have_count(1)
    here.get_by_role("button", name="End it").click()
    expect(here.get_by_role("status").first).to_contain_text("That session is ended.")
    expect(here.get_by_text("You are logged in nowhere else.")).to_be_visible()

    there.get_by_role("link", name="Invites").click()
    expect(there.get_by_role("heading", level=1)).to_have_text("Log in")
    assert is_logged_in(here)


def test_one_browser_ends_all_others_after_proving_who_it_is(browse: Browse, door: Door):
    ada, here, there = door.member(), browse(), browse()
    log_in(here, ada)
    log_in(there, ada)
    door.let_proofs_grow_old(ada)
    here.goto("/account/sessions/")
    here.get_by_role("button", name="End all other sessions").click()
    expect(here.get_by_role("heading", level=1)).to_have_text("Is it you?")
    here.get_by_label("Your password", exact=True).fill(ada.password)
    here.get_by_role("button", name="Go on").click()
    here.get_by_role("button", name="End all other sessions").click()
    expect(here.get_by_role("status").first).to_contain_text("logged out everywhere but here")

    there.get_by_role("link", name="Invites").click()
    expect(there.get_by_role("heading", level=1)).to_have_text("Log in")
    assert is_logged_in(here)


@pytest.mark.asvs("7.5.1")
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_who_is_asked_for_the_password_in_the_middle_comes_back_to_what_was_typed(
    browse: Browse, door: Door, script: bool
):
    ada, page = door.member(), browse(java_script_enabled=script, viewport=PHONE)
    title = page.get_by_role("heading", level=1)
    log_in(page, ada)
    page.goto("/email/change/")
    page.get_by_label("New email address").fill("ada.byron@example.org")
    door.let_proofs_grow_old(ada)
    page.get_by_role("button", name="Send the link").click()
    expect(title).to_have_text("Is it you?")
    page.get_by_label("Your password", exact=True).fill("not her password at all")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("not your password")
    page.get_by_label("Your password", exact=True).fill(ada.password)
    page.get_by_role("button", name="Go on").click()

    expect(title).to_have_text("Change your email address")
    expect(page.get_by_text("Waiting for confirmation")).to_have_count(0)
    expect(page.get_by_label("New email address")).to_have_value("ada.byron@example.org")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("status")).to_contain_text("The link is on its way.")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_member_changes_the_username_and_the_old_page_leads_to_the_new(
    browse: Browse, door: Door, script: bool
):
    ada, new = door.member(), door.stranger("countess")
    page = browse(java_script_enabled=script, viewport=PHONE)
    log_in(page, ada)
    page.get_by_role("link", name="Profile").click()
    page.get_by_role("link", name="Change username").click()
    page.get_by_label("New username").fill("admin")
    page.get_by_role("button", name="Change username").click()
    expect(page.get_by_role("alert")).to_contain_text("kept for the site itself")
    expect(page.get_by_label("New username")).to_have_value("admin")
    page.get_by_label("New username").fill(new.username)
    page.get_by_role("button", name="Change username").click()
    expect(page.get_by_role("status")).to_contain_text("You have a new username.")

    other = browse(java_script_enabled=script)
    log_in(other, door.regular())
    other.goto(f"/people/{ada.username}/")
    expect(other).to_have_url(f"{door.url}/people/{new.username}/")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_member_mails_an_invite_and_whoever_gets_it_declines(
    browse: Browse, door: Door, script: bool
):
    page, grace = browse(java_script_enabled=script, viewport=PHONE), door.stranger("grace")
    log_in(page, door.member())
    page.goto("/account/invites/")
    page.get_by_label("For this email address only").fill(grace.email)
    page.get_by_label("Mail it to them").check()
    page.get_by_label("Label").fill("Grace from work")
    page.get_by_label("Good for how many days").fill("2")
    page.get_by_role("button", name="Make an invite").click()
    expect(page.get_by_role("status").first).to_contain_text("we are writing to them")
    link = page.get_by_label("Invite link").input_value()

    guest = browse(java_script_enabled=script, viewport=PHONE)
    title = guest.get_by_role("heading", level=1)
    mail = door.neighbour.shows(html_of(door.mail_to(grace)))
    guest.goto(mail)
    guest.get_by_role("link", name="See the invite").click()
    expect(title).to_contain_text("has invited you")
    assert guest.url == link

    page.get_by_role("button", name="Extend to 7 days").click()
    expect(page.get_by_role("status").first).to_contain_text("7 days from now, under the same link")
    assert page.get_by_label("Invite link").input_value() == link
    expect(page.get_by_text("Opened", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Send it again")).to_be_visible()

    guest.goto(mail)
    guest.get_by_role("link", name="decline it").click()
    expect(title).to_have_text("Decline the invite?")
    guest.get_by_label("Never mail invites to this address again").check()
    guest.get_by_role("button", name="No, thank you").click()
    expect(title).to_have_text("You declined the invite")
    guest.goto(link)
    expect(title).to_have_text("This invite can’t be used")

    page.reload()
    expect(page.get_by_text("Declined", exact=True)).to_be_visible()
    expect(page.get_by_label("Invite link")).to_have_count(0)
    expect(page.get_by_text("You can invite 5 more people")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_an_account_moves_to_another_address_and_back_from_two_webmails(
    browse: Browse, door: Door, script: bool
):
    """The links are clicked on another site, so the Strict cookie of the session stays behind."""
    page, new_mailbox, old_mailbox = (browse(java_script_enabled=script) for _ in range(3))
    ada, new = door.member(), door.stranger("new.ada")
    title = page.get_by_role("heading", level=1)
    log_in(page, ada)
    page.get_by_role("link", name="Security").click()
    page.get_by_role("link", name="Email address").click()
    expect(title).to_have_text("Change your email address")
    page.get_by_label("New email address").fill(new.email)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_text("Waiting for confirmation")).to_be_visible()
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_role("status").first).to_contain_text("The same link is on its way")

    new_mailbox.goto(door.neighbour.shows(html_of(door.mail_to(new))))
    new_mailbox.get_by_role("link", name="Confirm the new address").click()
    expect(new_mailbox.get_by_text(ada.username).first).to_be_visible()
    expect(new_mailbox.get_by_text("a***@example.org")).to_be_visible()
    assert is_logged_in(page), "opening it changes nothing"
    new_mailbox.get_by_role("button", name="Change the address").click()
    expect(new_mailbox.get_by_role("status")).to_contain_text("Your address is changed.")
    assert not is_logged_in(page)
    assert not is_logged_in(new_mailbox)
    moved = Person(ada.username)
    moved.email = new.email
    log_in(new_mailbox, moved)

    old_mailbox.goto(door.neighbour.shows(html_of(door.mail_to(ada, "was changed"))))
    old_mailbox.get_by_role("link", name="Undo the change").click()
    expect(old_mailbox.get_by_text("n***@example.org")).to_be_visible()
    old_mailbox.get_by_role("button", name="Undo the change").click()
    expect(old_mailbox.get_by_role("status")).to_contain_text("everybody is logged out")
    assert not is_logged_in(new_mailbox)

    old_mailbox.goto(door.neighbour.shows(html_of(door.mail_to(ada, "/password/reset/"))))
    old_mailbox.get_by_role("link", name="Choose a new password").click()
    ada.password = "quite another lamp 7 river"
    old_mailbox.get_by_label("New password", exact=True).fill(ada.password)
    old_mailbox.get_by_label("New password, once more").fill(ada.password)
    old_mailbox.get_by_role("button", name="Change the password").click()
    expect(old_mailbox.get_by_role("status")).to_contain_text("Your password is changed.")
    log_in(old_mailbox, ada)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_an_owner_shuts_an_intruder_out_from_a_webmail(browse: Browse, door: Door, script: bool):
    ada, owner, intruder = door.member(), *(browse(java_script_enabled=script) for _ in range(2))
    log_in(owner, ada)
    log_in(intruder, ada)
    title = owner.get_by_role("heading", level=1)

    # The session cookie does not come along from there, and is not needed.
    owner.goto(door.neighbour.shows(html_of(door.mail_to(ada, "A new login"))))
    owner.get_by_role("link", name="this wasn’t me").click()
    expect(title).to_have_text("Was it not you?")
    expect(owner.get_by_text(ada.username)).to_be_visible()
    assert is_logged_in(intruder), "looking changes nothing"
    owner.get_by_role("button", name="Shut everybody out").click()
    expect(title).to_have_text("Everybody is out")

    intruder.get_by_role("link", name="Invites").click()
    expect(intruder.get_by_role("heading", level=1)).to_have_text("Log in")
    intruder.get_by_label("Email address").fill(ada.email)
    intruder.get_by_label("Password", exact=True).fill(ada.password)
    intruder.get_by_role("button", name="Log in", exact=True).click()
    expect(intruder.get_by_role("alert")).to_be_visible()

    owner.goto(door.neighbour.shows(html_of(door.mail_to(ada, "Choose a new password"))))
    owner.get_by_role("link", name="Choose a new password").first.click()
    ada.password = "lantern walnut copper drift"
    owner.get_by_label("New password", exact=True).fill(ada.password)
    owner.get_by_label("New password, once more").fill(ada.password)
    owner.get_by_role("button", name="Change the password").click()
    expect(title).to_have_text("Log in")
    log_in(owner, ada)
    owner.get_by_role("link", name="Security").click()
    owner.get_by_role("link", name="Activity").click()
    expect(owner.get_by_text("“This wasn’t me”").first).to_be_visible()


# --- What other sites may do ---


@pytest.mark.asvs("3.3.2")
def test_a_link_on_another_site_logs_nobody_out(page: Page, door: Door):
    ada = door.member()
    log_in(page, ada)
    title = page.get_by_role("heading", level=1)
    for path, shown in (
        ("/login/", f"Hello, {ada.username}"),
        ("/", "The Bottom Line"),
        (door.invite.removeprefix(door.url), "You have been invited"),
        ("/invite/?confirmation=mangled", "This link doesn’t work"),
    ):
        page.goto(door.neighbour.shows(f'<a href="{door.url}{path}">x</a>'))
        page.get_by_role("link").click()
        expect(title).to_have_text(shown)

        assert is_logged_in(page), path
        page.goto("/account/")
        expect(title).to_have_text(f"Hello, {ada.username}")


def test_a_link_on_another_site_takes_a_member_where_it_says(page: Page, door: Door):
    log_in(page, door.member())
    page.goto(door.neighbour.shows(f'<a href="{door.url}/account/invites/">x</a>'))
    page.get_by_role("link").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Invites")


@pytest.mark.asvs("3.5.1")
@pytest.mark.parametrize("path", ["/logout/", "/login/", "/account/invites/", "/confirm_account/"])
def test_a_form_on_another_site_does_nothing(page: Page, door: Door, path: str):
    ada, mallory = door.member(), door.member("mallory")
    log_in(page, ada)
    fields = {"email": mallory.email, "password": mallory.password, "uses": "1", "days": "7"}
    inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
    page.goto(
        door.neighbour.shows(f'<form method="post" action="{door.url}{path}">{inputs}<button>x')
    )
    with page.expect_response(door.url + path) as answer:
        page.get_by_role("button").click()

    assert answer.value.status == 403
    expect(page.get_by_role("heading", level=1)).to_have_text("Please try that once more")
    assert page.request.get("/session/").json()["user"]["username"] == ada.username
    page.goto("/account/invites/")
    expect(page.get_by_text("Nobody invited yet")).to_be_visible()


def refusals(door: Door) -> int:
    """How many requests the server has refused because another site made the browser send them."""
    return door.stack.log("web").count("cross_site.refused")


@pytest.mark.asvs("3.5.8")
@pytest.mark.parametrize(
    "element",
    [
        '<img src="{}">',
        '<script src="{}"></script>',
        '<link rel="stylesheet" href="{}">',
        '<object data="{}"></object>',
        '<iframe src="{}"></iframe>',
        '<video src="{}"></video>',
    ],
)
def test_no_page_of_ours_is_part_of_another_site(
    page: Page, door: Door, watch: Watch, element: str
):
    ada, before = door.member(), refusals(door)
    log_in(page, ada)
    with watch.off():
        page.goto(door.neighbour.shows(element.format(f"{door.url}/people/{ada.username}/")))

        wait_until(lambda: refusals(door) == before + 1, what="the server refuses")


@pytest.mark.asvs("3.5.1")
@pytest.mark.asvs("3.5.2")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("mode", ["cors", "no-cors"])
def test_a_script_on_another_site_learns_nothing_and_changes_nothing(
    page: Page, door: Door, watch: Watch, method: str, mode: str
):
    """Not even whether somebody is a member: whatever it asks for, it hears the same."""
    ada, before = door.member(), refusals(door)
    log_in(page, ada)
    with watch.off():
        page.goto(door.neighbour.shows("<!DOCTYPE html><title>Elsewhere</title>"))
        paths = [f"/people/{ada.username}/", "/people/nobody/", "/logout/"]
        heard = [
            page.evaluate(
                """([url, method, mode]) => fetch(url, {method, mode, credentials: "include"})
                   .then(answer => answer.type + answer.status, error => error.message)""",
                [door.url + path, method, mode],
            )
            for path in paths
        ]

    assert set(heard) == {"Failed to fetch"}
    assert refusals(door) == before + len(paths)
    assert is_logged_in(page)


@pytest.mark.asvs("3.4.6")
@pytest.mark.parametrize(
    "path", ["/login/", "/account/", "/admin/", "/nowhere/", "/static/css/base.css"]
)
def test_no_page_can_be_framed(page: Page, door: Door, watch: Watch, path: str):
    with watch.off():
        page.goto(door.neighbour.shows(f'<iframe src="{door.url}{path}"></iframe>'))
        frame = page.frames[1]
        expect(page.frame_locator("iframe").get_by_role("heading", level=1)).to_have_count(0)

    assert not frame.url.startswith(door.url)


@pytest.mark.asvs("3.5.3")
@pytest.mark.asvs("7.6.2")
def test_a_page_elsewhere_that_opens_the_mailed_link_by_itself_confirms_nothing(
    page: Page, door: Door, watch: Watch
):
    ada, visitor = door.stranger(), door.stack.visitor()
    visitor.sign_up(door.invite, ada.email, ada.username, ada.password)
    link = link_in(door.mail_to(ada))
    with watch.off():
        page.goto(
            door.neighbour.shows(
                f'<img src="{link}"><iframe src="{link}"></iframe><script src="{link}"></script>'
            )
        )
        page.goto(door.neighbour.shows(f'<meta http-equiv="refresh" content="0;url={link}">'))
        page.wait_for_url(link)

    assert not is_logged_in(page)
    assert visitor.log_in(ada.email, ada.password).status == 422
    page.get_by_role("button", name="Confirm my address").click()
    expect(page.get_by_role("status")).to_contain_text("Your address is confirmed.")


@pytest.mark.asvs("3.4.5")
def test_no_other_site_and_no_asset_learns_the_address_of_a_page_with_a_token(
    page: Page, door: Door
):
    ada, visitor = door.stranger(), door.stack.visitor()
    visitor.sign_up(door.invite, ada.email, ada.username, ada.password)
    told: list[str] = []
    page.on("request", lambda request: told.append(request.headers.get("referer", "")))

    for link in (door.invite, link_in(door.mail_to(ada))):
        page.goto(link)
        page.get_by_role("link", name="Get help").click()
        expect(page).to_have_title("Elsewhere")
        assert door.neighbour.referers["/help/"] in {"", f"{door.url}/"}
    assert len(told) > 10
    assert set(told) <= {"", f"{door.url}/"}


# --- What stays behind ---


@pytest.mark.asvs("14.3.1")
def test_after_logging_out_the_back_button_shows_nothing_of_the_account(
    browse: Browse, door: Door, watch: Watch
):
    ada, page = door.member(), browse()
    log_in(page, ada)
    page.get_by_role("link", name="Invites").first.click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("status")).to_contain_text("You are logged out.")

    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    assert ada.username not in page.content()

    # Nor from what the browser may have kept, when we cannot be asked.
    with watch.off():
        page.context.set_offline(True)
        with pytest.raises(Error, match="ERR_INTERNET_DISCONNECTED"):
            page.go_back()
        expect(page.locator("body")).not_to_contain_text(ada.username)


@pytest.mark.asvs("14.3.3")
def test_the_browser_keeps_nothing_but_cookies_that_no_script_can_read(page: Page, door: Door):
    log_in(page, door.member())
    page.goto("/account/invites/")
    page.get_by_label("Label").fill("Somebody")
    page.get_by_role("button", name="Make an invite").click()
    expect(page.get_by_role("heading", name="Somebody")).to_be_visible()

    kept = page.evaluate(
        """async () => [document.cookie, localStorage.length, sessionStorage.length,
           (await indexedDB.databases()).length, (await caches.keys()).length,
           (await navigator.serviceWorker.getRegistrations()).length]"""
    )
    assert kept == ["", 0, 0, 0, 0, 0]
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert set(cookies) == {"session", "csrf", "device", "way"}
    assert {name: cookie["sameSite"] for name, cookie in cookies.items()} == {
        "session": "Strict",
        "csrf": "Lax",
        "device": "Lax",
        "way": "Lax",
    }
    assert all(cookie["httpOnly"] for cookie in cookies.values())


# --- Forms ---


@pytest.mark.asvs("6.2.6")
def test_a_password_can_be_shown_and_hidden_and_leaves_hidden(page: Page, door: Door):
    for path, label in (("/login/", "Log in"), (door.invite, "Sign up")):
        page.goto(path)
        password = page.get_by_label("Password", exact=True)
        password.fill("somebody looks over my shoulder")
        expect(password).to_have_attribute("type", "password")
        page.get_by_role("button", name="Show password").click()
        expect(password).to_have_attribute("type", "text")
        page.get_by_role("button", name="Hide password").click()
        expect(password).to_have_attribute("type", "password")

        page.get_by_role("button", name="Show password").click()
        types = changes(page, "[name=password]", "type")
        page.get_by_role("button", name=label, exact=True).click()
        expect(page.get_by_role("alert")).to_be_focused()
        # Sent once more when the browser has done its work: hidden is what it is each time.
        assert set(types) == {"password"}


def test_the_strength_meter_speaks_and_sends_the_password_nowhere(page: Page, door: Door):
    page.goto(door.invite)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.url} {request.post_data}"))
    words = page.locator(".strength__words[aria-live=polite]")
    page.get_by_label("Username").fill("grace.hopper")
    password = page.get_by_label("Password", exact=True)
    for typed, said in (
        ("tidal", "10 more characters, at least."),
        ("tidal lantern", "2 more characters, at least."),
        ("abcdefghijklmnop", "Long enough, but easy to guess. Part of it is a run"),
        ("gracehopper1906!", "It contains your username"),
        ("grace.hopper grace.hopper", "It contains your username"),
        ("monkey-dragon-1234", "is among the first things a guesser tries"),
        ("lanternwalnut1906", "Looks good."),
        (PASSWORD, "Looks very good."),
        ("", ""),
    ):
        password.fill(typed)
        expect(words).to_contain_text(said)
    assert any("grace.hopper" in request for request in sent)  # the name is asked for
    assert not any(word in request for word in ("tidal", "1906", "plum") for request in sent)


def test_the_strength_meter_seldom_says_other_than_the_server(page: Page, door: Door):
    """It never discourages what the server takes, and knows much of what the server refuses."""
    page.goto(door.invite)
    judge = """async (passwords) => {
        const {judge} = await import(document.querySelector('script[src*="js/strength"]').src);
        return passwords.map((password) => judge(password, [], 15).level);
    }"""
    chance = Random(7)
    likely = chance.sample(likely_passwords(), 1000)
    assert sum(level > 2 for level in page.evaluate(judge, likely)) < 300

    words = [word for word in RANKED_DICTIONARIES["english_wikipedia"] if len(word) > 3][:8000]
    made = [" ".join(chance.sample(words, 4)) for _ in range(100)]
    made += ["".join(chance.choices(string.digits, k=20)) for _ in range(50)]
    made += ["".join(chance.choices(string.printable[:95], k=16)) for _ in range(50)]
    levels = zip(page.evaluate(judge, made), made, strict=True)
    assert [password for level, password in levels if level < 3] == []


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_forgotten_password_is_replaced_and_then_changed(
    browse: Browse, door: Door, script: bool
):
    ada, page = door.member(), browse(java_script_enabled=script, viewport=PHONE)
    title = page.get_by_role("heading", level=1)
    page.goto("/login/")
    page.get_by_role("link", name="I forgot my password").click()
    page.get_by_label("Email address").fill(ada.email)
    page.get_by_role("button", name="Send the link").click()
    expect(title).to_have_text("Check your email")
    page.reload()
    expect(title).to_have_text("Check your email")

    # Somewhere in a webmail.
    mail = door.stack.mail.wait_for(ada.email, 2)
    page.goto(door.neighbour.shows(html_of(mail)))
    page.get_by_role("link", name="Choose a new password").click()
    expect(title).to_have_text("Choose a new password")
    expect(page.get_by_text(ada.username).first).to_be_visible()
    new, repeated = page.locator("[name=password]"), page.locator("[name=repeated]")
    new.fill("correct horse battery staple")
    repeated.fill("correct horse battery staple")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert")).to_contain_text("Many people think of that password")
    new.fill(NEW)
    repeated.fill(NEW)
    page.get_by_role("button", name="Change the password").click()
    expect(title).to_have_text("Log in")
    expect(page.get_by_role("status")).to_contain_text("Your password is changed.")
    assert not is_logged_in(page)
    assert len(door.stack.mail.mails_to(ada.email)) <= 3, "loading the answer again sends nothing"

    ada.password = NEW
    log_in(page, ada)
    page.get_by_role("link", name="Security").first.click()
    page.get_by_role("link", name="Password").click()
    expect(title).to_have_text("Change your password")
    page.get_by_label("Current password").fill("not this one at all")
    new.fill(PASSWORD)
    repeated.fill(PASSWORD)
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert")).to_contain_text("That is not your password")
    page.get_by_label("Current password").fill(NEW)
    new.fill(PASSWORD)
    repeated.fill(PASSWORD)
    page.get_by_role("button", name="Change the password").click()
    expect(title).to_have_text("Security")
    expect(page.get_by_role("status")).to_contain_text("Your password is changed.")
    assert is_logged_in(page)


def codes_to(door: Door, email: str) -> list[str]:
    texts = [text_of(mail) for mail in door.stack.mail.mails_to(email)]
    return [code for text in texts for code in re.findall(r"^\d{4} \d{4}\b", text, re.MULTILINE)]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_member_logs_in_by_mail_from_a_webmail_and_by_its_code(
    browse: Browse, door: Door, script: bool
):
    ada, page = door.member(), browse(java_script_enabled=script, viewport=PHONE)
    title = page.get_by_role("heading", level=1)
    page.goto("/login/")
    page.get_by_role("link", name="Log in by mail").click()
    page.get_by_label("Email address").fill(ada.email)
    page.get_by_role("button", name="Send the mail").click()
    expect(title).to_have_text("Check your email")

    # Another browser first, such as the mail program's own; then a webmail in this one.
    mail = door.stack.mail.wait_for(ada.email, 2)
    elsewhere = browse(java_script_enabled=script)
    elsewhere.goto(door.neighbour.shows(html_of(mail)))
    elsewhere.get_by_role("link", name="Log in", exact=True).click()
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("You asked in another browser")
    page.goto(door.neighbour.shows(html_of(mail)))
    page.get_by_role("link", name="Log in", exact=True).click()
    expect(title).to_have_text("Log in here?")
    assert not is_logged_in(page)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(title).to_have_text(f"Hello, {ada.username}")
    page.get_by_role("button", name="Log out").click()

    # The login page leads with it now; and the code will do as well.
    page.get_by_role("link", name="Log in by mail", exact=True).click()
    page.get_by_label("Email address").fill(ada.email)
    page.get_by_role("button", name="Send the mail").click()
    codes = wait_until(lambda: codes_to(door, ada.email)[1:], what="the second code")
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Go on").click()
    expect(title).to_have_text(f"Hello, {ada.username}")
    assert is_logged_in(page)


def test_the_username_field_says_whether_a_name_is_free(page: Page, door: Door):
    ada = door.member()
    page.goto(door.invite)
    username = page.get_by_label("Username")
    said = page.locator(".field__live")

    username.press_sequentially("brand.new.name", delay=10)
    expect(said).to_have_text("That name is free.")
    username.fill(ada.username.upper())
    expect(said).to_contain_text("Somebody has that name")
    username.fill("admin")
    expect(said).to_contain_text("kept for the site itself")
    username.fill("1st")
    expect(said).to_contain_text("Start with a letter.")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_form_with_mistakes_says_so_in_focus_and_keeps_what_was_typed(
    browse: Browse, door: Door, script: bool
):
    page = browse(java_script_enabled=script)
    page.goto(door.invite)
    page.get_by_label("Email address").fill("ada at example")
    page.get_by_label("Username").fill("ada lovelace")
    page.get_by_label("Password", exact=True).fill("too short")
    with page.expect_response(door.invite) as answer:
        page.get_by_role("button", name="Sign up").click()

    assert answer.value.status == 422
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(page).to_have_title("Error: You have been invited · The Bottom Line")
    expect(page.get_by_label("Email address")).to_have_value("ada at example")
    expect(page.get_by_label("Username")).to_have_value("ada lovelace")
    expect(page.get_by_label("Password", exact=True)).to_have_value("")
    email = page.get_by_label("Email address")
    expect(email).to_have_attribute("aria-invalid", "true")
    expect(email).to_have_accessible_error_message("")
    summary.get_by_role("link", name="Email address").click()
    expect(email).to_be_focused()


def test_pressing_confirm_twice_ends_on_the_login_page_with_success(page: Page, door: Door):
    ada, visitor = door.stranger(), door.stack.visitor()
    visitor.sign_up(door.invite, ada.email, ada.username, ada.password)
    page.goto(link_in(door.mail_to(ada)))
    with door.slow():
        page.get_by_role("button", name="Confirm my address").dblclick(no_wait_after=True)

    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    expect(page.get_by_role("status")).to_contain_text("Your address is confirmed.")


def test_going_back_to_a_form_that_was_sent_finds_it_usable(page: Page, door: Door):
    page.goto("/confirmation/resend/")
    page.get_by_label("Email address").fill("nobody@example.org")
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")

    page.go_back()
    page.get_by_label("Email address").fill("somebody@example.org")
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")


@pytest.mark.asvs("6.2.7")
def test_password_managers_know_the_fields_and_pasting_works(page: Page, door: Door):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=door.url)

    def paste(label: str, text: str) -> None:
        page.evaluate("text => navigator.clipboard.writeText(text)", text)
        page.get_by_label(label, exact=True).press("ControlOrMeta+v")
        expect(page.get_by_label(label, exact=True)).to_have_value(text)

    ada = door.stranger()
    page.goto(door.invite)
    for label, purpose in (
        ("Email address", "username"),
        ("Username", "nickname"),
        ("Password", "new-password"),
    ):
        expect(page.get_by_label(label, exact=True)).to_have_attribute("autocomplete", purpose)
    paste("Email address", ada.email)
    paste("Username", ada.username)
    paste("Password", ada.password)
    page.get_by_role("button", name="Sign up").click()
    page.goto(link_in(door.mail_to(ada)))
    page.get_by_role("button", name="Confirm my address").click()

    for label, purpose in (
        ("Email address", "username webauthn"),
        ("Password", "current-password"),
    ):
        expect(page.get_by_label(label, exact=True)).to_have_attribute("autocomplete", purpose)
    paste("Email address", ada.email)
    paste("Password", ada.password)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {ada.username}")


def test_a_pasted_invite_link_or_code_opens_the_invite(page: Page, door: Door):
    code = door.invite.rstrip("/").rpartition("/")[2]
    for pasted in (door.invite, f"  {code} ", f"Here it is: {door.invite}"):
        page.goto("/signup/")
        page.get_by_label("Invite link or code").fill(pasted)
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You have been invited")


@pytest.mark.asvs("3.2.2")
@pytest.mark.asvs("1.1.2")
def test_what_people_type_is_shown_to_the_letter_and_runs_nowhere(
    page: Page, browse: Browse, door: Door
):
    hostile = "<img src=x onerror=alert(1)>'\"&lt;"
    log_in(page, door.member())
    page.goto("/account/invites/")
    page.get_by_label("Label").fill(hostile)
    page.get_by_label("A few words to them").fill(hostile)
    page.get_by_role("button", name="Make an invite").click()
    expect(page.get_by_role("heading", level=3)).to_have_text(hostile)

    guest = browse()
    guest.goto(page.get_by_label("Invite link").input_value())
    expect(guest.locator("blockquote")).to_have_text(hostile)
    guest.get_by_label("Username").fill(hostile)
    expect(guest.locator(".field__live")).not_to_be_empty()
    assert guest.locator("img").count() == page.locator("img").count() == 0


def test_everything_can_be_done_from_the_keyboard(page: Page, door: Door):
    ada = door.member()
    page.goto("/login/")
    expect(page.get_by_label("Email address")).to_be_focused()
    page.keyboard.type(ada.email)
    page.keyboard.press("Tab")
    page.keyboard.type(ada.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {ada.username}")

    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Look at your page")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Invite somebody")).to_be_focused()


# --- Proof of work ---


def ask_for_a_link(page: Page, email: str = "nobody@example.org") -> None:
    page.get_by_label("Email address").fill(email)
    page.get_by_role("button", name="Send the link").click()


def requests_to(page: Page, path: str) -> list[str]:
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url) if path in request.url else None)
    return seen


@pytest.mark.asvs("2.4.1")
def test_a_browser_does_the_work_and_nobody_notices(page: Page):
    """Four times, of which three would have been taken without it."""
    for _ in range(4):
        page.goto("/password/forgot/")
        field = page.locator("[name=altcha]")
        expect(field).to_have_value("")
        page.get_by_label("Email address").fill("nobody@example.org")
        expect(field).not_to_have_value("")
        page.get_by_role("button", name="Send the link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")


def test_who_is_faster_than_the_work_is_told_and_need_not_press_again(page: Page):
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/captcha-worker*.js", hold)
    page.goto("/password/forgot/")
    ask_for_a_link(page)
    waiting = page.get_by_role("button", name="One moment…")
    expect(waiting).to_have_attribute("aria-disabled", "true")
    expect(page.locator("[aria-live]")).to_have_text("One moment…")
    waiting.click(force=True)  # a second time does nothing
    [route] = held
    route.continue_()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")


def test_a_page_left_open_for_long_asks_for_another_challenge(page: Page):
    page.clock.install()
    page.goto("/password/forgot/")
    asked = requests_to(page, "/challenge/forgot/")
    page.clock.fast_forward(110_000)
    ask_for_a_link(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")
    assert len(asked) == 1


def test_a_page_that_comes_back_works_again(page: Page):
    for _ in range(4):
        page.goto("/password/forgot/")
        ask_for_a_link(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")
        page.go_back()
        ask_for_a_link(page, "somebody@example.org")
        expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")


def test_where_the_work_cannot_be_done_the_form_goes_without(page: Page, watch: Watch):
    page.route("**/captcha-worker*.js", lambda route: route.abort())
    page.goto("/password/forgot/")
    with watch.off():
        ask_for_a_link(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_without_scripts_a_few_are_taken_and_then_the_page_says_what_to_do(
    browse: Browse, viewport: dict
):
    page = browse(java_script_enabled=False, viewport=viewport)
    for _ in range(3):
        page.goto("/password/forgot/")
        ask_for_a_link(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("Check your email")
    page.goto("/password/forgot/")
    ask_for_a_link(page)
    expect(page.get_by_role("alert")).to_contain_text("Turn on JavaScript")
    expect(page.get_by_role("alert")).to_contain_text("wait")
    expect(page.get_by_label("Email address")).to_have_value("nobody@example.org")


def test_nobody_meets_the_field_that_is_there_for_programs(page: Page, door: Door):
    page.goto(door.invite)
    trap = page.locator("[name=website]")
    box = trap.bounding_box()
    assert trap.evaluate("field => getComputedStyle(field).display") != "none"
    expect(page.get_by_role("textbox", name="Leave this empty")).to_have_count(0)
    assert trap.evaluate("field => field.parentElement.getBoundingClientRect().width <= 1"), box
    for _ in range(12):
        page.keyboard.press("Tab")
        expect(trap).not_to_be_focused()


def try_to_log_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("Email address").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()


def fail_until(page: Page, email: str, seen: Locator) -> int:
    """How often it took; a window that ends meanwhile makes that more."""
    for tries in range(1, 9):
        try_to_log_in(page, email, "not the password at all")
        expect(page.get_by_label("Password", exact=True)).to_have_value("")  # a page has come
        if seen.count():
            return tries
    raise AssertionError("it never showed")


@pytest.mark.asvs("6.3.1")
def test_who_keeps_failing_to_log_in_works_for_the_next_try_and_does_not_notice(
    page: Page, browse: Browse, door: Door
):
    ada = door.member()
    page.goto("/login/")
    assert fail_until(page, ada.email, page.locator("[name=altcha]")) >= 3
    expect(page.get_by_role("alert")).to_contain_text("don’t match an account")
    try_to_log_in(page, ada.email, ada.password)
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {ada.username}")

    # Elsewhere, where the page that is asked for first cannot know of it.
    page = browse()
    page.goto("/login/")
    expect(page.locator("[name=altcha]")).to_have_count(0)
    try_to_log_in(page, ada.email, ada.password)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("your password was not looked at yet")
    expect(alert).to_be_focused()
    expect(page.get_by_label("Email address")).to_have_value(ada.email)
    page.get_by_label("Password", exact=True).fill(ada.password)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {ada.username}")


def test_without_scripts_who_keeps_failing_to_log_in_is_told_to_wait(browse: Browse, door: Door):
    page = browse(java_script_enabled=False)
    email = door.stranger().email
    page.goto("/login/")
    assert fail_until(page, email, page.get_by_text("Without JavaScript, wait")) >= 4
    expect(page.get_by_label("Email address")).to_have_value(email)
