"""What people meet in a real browser: Chromium, against everything running."""

import itertools
from collections.abc import Callable

import pytest
from playwright.sync_api import Error, Page, expect

from bottomline.tests.chromium import (
    DESK,
    PASSWORD,
    PHONE,
    Door,
    Watch,
    html_of,
    is_logged_in,
    link_in,
    log_in,
)

pytestmark = pytest.mark.stack

Browse = Callable[..., Page]
numbers = itertools.count()


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
    page.get_by_role("button", name="Log in").click()
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
    assert set(cookies) == {"session", "csrf", "device"}
    assert {name: cookie["sameSite"] for name, cookie in cookies.items()} == {
        "session": "Strict",
        "csrf": "Lax",
        "device": "Lax",
    }
    assert all(cookie["httpOnly"] for cookie in cookies.values())


# --- Forms ---


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
        assert types == ["password"]


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
        ("gracehopper1906!", "Good."),
        ("grace.hopper grace.hopper", "It contains your username"),
        (PASSWORD, "Very good."),
        ("", ""),
    ):
        password.fill(typed)
        expect(words).to_contain_text(said)
    assert any("grace.hopper" in request for request in sent)  # the name is asked for
    assert not any(word in request for word in ("tidal", "1906", "plum") for request in sent)


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

    for label, purpose in (("Email address", "username"), ("Password", "current-password")):
        expect(page.get_by_label(label, exact=True)).to_have_attribute("autocomplete", purpose)
    paste("Email address", ada.email)
    paste("Password", ada.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {ada.username}")


def test_a_pasted_invite_link_or_code_opens_the_invite(page: Page, door: Door):
    code = door.invite.rstrip("/").rpartition("/")[2]
    for pasted in (door.invite, f"  {code} ", f"Here it is: {door.invite}"):
        page.goto("/signup/")
        page.get_by_label("Invite link or code").fill(pasted)
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You have been invited")


@pytest.mark.asvs("3.2.2")
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
    expect(page.get_by_role("link", name="Invite somebody")).to_be_focused()
