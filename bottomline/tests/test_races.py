"""Many at once: over real HTTP, against several web processes, on both databases."""

import threading
import time
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest

from bottomline.tests.browser import Page, Visitor
from bottomline.tests.servers import link_in, text_of, wait_until
from bottomline.tests.stack import Member, Stack
from conftest import PASSWORD

pytestmark = pytest.mark.stack

MANY = 50


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Four web processes: what one of them locks for itself stops no other."""
    folder = tmp_path_factory.mktemp("races")
    with Stack(folder, database=request.param, web_processes=4).up() as stack:
        yield stack


@pytest.mark.asvs("15.4.2")
def test_of_fifty_people_with_one_invite_one_gets_in(stack: Stack):
    link, before = stack.issue_invite(), members(stack)

    pages = at_once(
        stack,
        [sign_up(link, f"one{n}@example.org", f"one-invite-{n}") for n in range(MANY)],
    )

    statuses = Counter(page.status for page in pages)
    assert statuses[200] == 1, statuses
    assert statuses[410] == MANY - 1, statuses
    assert all("This invite can’t be used" in page.text for page in pages if page.status == 410)
    assert members(stack) == before + 1
    assert redemptions(stack, link) == 1
    assert_no_faults(stack)


@pytest.mark.asvs("15.4.2")
def test_an_invite_for_three_lets_in_three(stack: Stack):
    link, before = stack.issue_invite("--uses", "3"), members(stack)

    pages = at_once(
        stack, [sign_up(link, f"three{n}@example.org", f"three-uses-{n}") for n in range(20)]
    )

    assert Counter(page.status for page in pages) == {200: 3, 410: 17}
    assert members(stack) == before + 3


@pytest.mark.asvs("15.4.2")
def test_fifty_invites_for_one_address_make_one_member_and_spend_one(stack: Stack):
    email, links, before = "everybody@example.org", stack.issue_invites(MANY), members(stack)

    pages = at_once(stack, [sign_up(link, email, f"every-{n}") for n, link in enumerate(links)])

    assert Counter(page.status for page in pages) == {200: MANY}, "known or not, the same answer"
    assert members(stack) == before + 1
    assert sum(redemptions(stack, link) for link in links) == 1
    assert_no_faults(stack)

    # The one account is of one piece: the link that works greets who has it.
    [(username, tokens)] = stack.sql(
        "SELECT username, count(accounts_token.id) FROM accounts_user "
        "JOIN accounts_token ON user_id = accounts_user.id WHERE email = %s GROUP BY username",
        email,
    )
    assert tokens == 1
    wait_until(lambda: mails_done(stack), seconds=60, what="every mail is sent or moot")
    works = [m for m in stack.mail.mails_to(email) if stack.visitor().get(link_in(m)).status == 200]
    assert len(works) == 1
    assert f"Hello {username}," in text_of(works[0])


@pytest.mark.asvs("15.4.2")
def test_of_two_people_who_want_one_name_one_gets_it_and_one_is_told(stack: Stack):
    links = stack.issue_invites(16)
    for round_, (first, second) in enumerate(zip(links[::2], links[1::2], strict=True)):
        pages = at_once(
            stack,
            [
                sign_up(first, f"early{round_}@example.org", f"Wanted-{round_}x"),
                # To the eye the same name.
                sign_up(second, f"late{round_}@example.org", f"wanted_{round_}X"),
            ],
        )

        assert Counter(page.status for page in pages) == {200: 1, 422: 1}
        [told] = [page.text for page in pages if page.status == 422]
        assert "Somebody has that name" in told
        assert redemptions(stack, first) + redemptions(stack, second) == 1, "the other keeps theirs"
    assert_no_faults(stack)


@pytest.mark.asvs("15.4.2")
def test_a_confirmation_pressed_twice_at_once_confirms_once(stack: Stack):
    links = stack.issue_invites(5)
    for n, link in enumerate(links):
        email, browser = f"twice{n}@example.org", stack.visitor()
        assert browser.sign_up(link, email, f"twice-{n}", PASSWORD).status == 200
        confirmation = link_in(stack.mail.wait_for(email))

        token = browser.get(confirmation).hidden["confirmation"]
        press = press_button(token)
        pages = at_once(stack, [press, press])

        assert sorted(page.status for page in pages) == [302, 410]
        assert browser.log_in(email, PASSWORD).status == 302
    assert_no_faults(stack)


@pytest.mark.asvs("15.4.2")
@pytest.mark.parametrize("stack", ["postgres"], indirect=True)  # SQLite locks no rows
def test_signing_up_again_while_the_owner_confirms_does_not_change_the_password(stack: Stack):
    """Whoever signs up with an address just then must not replace what its owner confirms."""
    email, owner = "owner@example.org", stack.visitor()
    assert owner.sign_up(stack.issue_invite(), email, "the-owner", PASSWORD).status == 200
    invite, pages = stack.issue_invite(), []
    thief = stack.visitor()
    thief.get(invite)

    with psycopg.connect(stack.direct_database_url) as confirming:
        # What confirming does to the row, held for a moment before it commits.
        confirming.execute(
            "UPDATE accounts_user SET email_confirmed_at = now() WHERE email = %s", [email]
        )
        signing_up = threading.Thread(
            target=lambda: pages.append(
                thief.sign_up(invite, email, "the-thief", "a stranger's own pass phrase")
            )
        )
        signing_up.start()
        wait_until(
            lambda: stack.sql("SELECT 1 FROM pg_locks WHERE NOT granted"),
            seconds=10,
            what="the sign-up waits for the row",
        )
        confirming.commit()
    signing_up.join()

    assert pages[0].status == 200, "the answer tells nobody that the address is known"
    assert stack.visitor().log_in(email, "a stranger's own pass phrase").status == 422
    assert owner.log_in(email, PASSWORD).status == 302
    assert owner.get("/session/").json()["user"]["username"] == "the-owner"
    assert redemptions(stack, invite) == 0


@pytest.mark.asvs("15.4.2")
@pytest.mark.asvs("15.4.3")
@pytest.mark.parametrize("stack", ["postgres"], indirect=True)  # SQLite locks no rows
def test_a_confirmation_and_a_new_sign_up_never_wait_for_each_other(stack: Stack):
    email, owner, pages = "crossed@example.org", stack.visitor(), []
    assert owner.sign_up(stack.issue_invite(), email, "crossed", PASSWORD).status == 200
    button = owner.get(link_in(stack.mail.wait_for(email))).hidden

    with psycopg.connect(stack.direct_database_url) as signing_up:
        # What signing up again does, in its order, and the owner presses the button in between.
        signing_up.execute("SELECT 1 FROM accounts_user WHERE email = %s FOR UPDATE", [email])
        confirming = threading.Thread(
            target=lambda: pages.append(owner.post("/confirm_account/", button))
        )
        confirming.start()
        wait_until(lambda: stack.sql("SELECT 1 FROM pg_locks WHERE NOT granted"), seconds=10)
        signing_up.execute("DELETE FROM accounts_token WHERE sent_to = %s", [email])
        signing_up.commit()
    confirming.join()

    assert pages[0].status == 410, "its link was replaced by a newer one"


@pytest.mark.asvs("15.4.2")
def test_confirming_while_others_sign_up_with_the_address_is_never_a_fault(stack: Stack):
    """Both touch the user and the token; in opposite order they would wait for each other."""
    links = stack.issue_invites(24)
    for n in range(6):
        email, browser = f"busy{n}@example.org", stack.visitor()
        assert browser.sign_up(links[4 * n], email, f"busy-{n}", PASSWORD).status == 200
        token = browser.get(link_in(stack.mail.wait_for(email))).hidden["confirmation"]

        others = [sign_up(links[4 * n + k], email, f"busy-{n}-{k}") for k in (1, 2, 3)]
        pages = at_once(stack, [*others, press_button(token)])

        assert [page.status for page in pages[:3]] == [200, 200, 200]
        assert pages[3].status in {302, 410}
        assert members_with(stack, email) == 1
    assert_no_faults(stack)


@pytest.mark.asvs("7.4.1")
def test_a_session_ended_while_it_is_in_use_stays_ended(stack: Stack):
    member = stack.member("in-use")
    cookies = dict(member.browser.cookies)

    def use(browser: Visitor) -> Page:
        browser.cookies = dict(cookies)
        return browser.get("/account/")

    def leave(browser: Visitor) -> Page:
        browser.cookies = dict(cookies)
        return browser.post("/logout/")

    pages = at_once(stack, [use] * 10 + [leave] + [use] * 10)
    assert {page.status for page in pages} <= {200, 302}

    stolen = stack.visitor()
    stolen.cookies = dict(cookies)
    assert stolen.get("/session/").status == 401
    assert_no_faults(stack)


@pytest.mark.asvs("15.4.2")
def test_of_two_members_who_confirm_one_address_one_has_it(stack: Stack):
    for round_ in range(4):
        new = f"wanted-by-two-{round_}@example.org"
        one, other = (stack.member(f"mover-{round_}-{n}") for n in (1, 2))
        links = [move_to(stack, member, new) for member in (one, other)]

        pages = at_once(stack, [press_link(link) for link in links])

        assert sorted(page.status for page in pages) == [302, 410]
        assert members_with(stack, new) == 1
        late = other if pages[0].status == 302 else one
        assert members_with(stack, late.email) == 1, "the other stays where they were"
    assert_no_faults(stack)


@pytest.mark.asvs("15.4.2")
def test_two_members_who_want_each_others_addresses_keep_their_own(stack: Stack):
    """Both look at the other's row; if they locked it, they would wait for each other."""
    one, other = stack.member("swap-1"), stack.member("swap-2")
    left = f"{one.username}.left@example.org"
    links = [move_to(stack, one, left)]
    assert stack.visitor().post(links[0]).status == 302
    one.email = left
    assert one.browser.log_in(left, one.password).status == 302
    for member, theirs in ((one, other.email), (other, left)):
        assert member.browser.post("/email/change/", {"email": theirs}).status == 302
    tokens = [change_token(stack, name) for name in (other.email, left)]

    pages = at_once(stack, [press_link(f"/email/confirm/{token}/") for token in tokens])

    assert [page.status for page in pages] == [410, 410]
    assert members_with(stack, left) == members_with(stack, other.email) == 1
    assert_no_faults(stack)


@pytest.mark.asvs("15.4.2")
def test_a_sign_up_and_a_change_to_one_address_never_both_have_it(stack: Stack):
    invites = stack.issue_invites(4)
    for round_ in range(4):
        new, member = f"contested-{round_}@example.org", stack.member(f"contester-{round_}")
        link, invite = move_to(stack, member, new), invites[round_]

        pages = at_once(stack, [press_link(link), sign_up(invite, new, f"newcomer-{round_}")])

        # What the mailbox said counts; what somebody typed at the door, whenever, does not.
        assert [page.status for page in pages] == [302, 200]
        assert stack.sql("SELECT username FROM accounts_user WHERE email = %s", new) == [
            (member.username,)
        ]
        assert redemptions(stack, invite) == 0
    assert_no_faults(stack)


@pytest.mark.asvs("15.4.2")
def test_an_address_that_is_being_left_is_nobody_elses(stack: Stack):
    for round_ in range(4):
        member = stack.member(f"leaver-{round_}")
        link = move_to(stack, member, f"left-for-{round_}@example.org")
        links = stack.issue_invites(3)

        pages = at_once(
            stack,
            [
                *(
                    sign_up(each, member.email, f"heir-{round_}-{n}")
                    for n, each in enumerate(links)
                ),
                press_link(link),
            ],
        )

        assert [page.status for page in pages] == [200, 200, 200, 302]
        assert members_with(stack, member.email) == 0
        assert sum(redemptions(stack, each) for each in links) == 0
    assert_no_faults(stack)


@pytest.mark.asvs("15.4.2")
def test_a_confirmation_and_an_undo_at_once_leave_the_account_with_its_owner(stack: Stack):
    for round_ in range(4):
        member = stack.member(f"undoer-{round_}")
        link = move_to(stack, member, f"taken-{round_}@example.org")
        undo = undo_link(stack, member.email)

        pages = at_once(stack, [press_link(undo), press_link(link), press_link(undo)])

        assert sorted([pages[0].status, pages[2].status]) == [302, 410]
        assert pages[1].status in {302, 410}
        assert members_with(stack, member.email) == 1
        assert member.browser.get("/session/").status == 401
    assert_no_faults(stack)


@pytest.mark.asvs("15.4.2")
def test_a_change_confirmed_and_begun_anew_at_once_goes_one_way(stack: Stack):
    for round_ in range(4):
        first, second = (f"way-{n}-{round_}@example.org" for n in (1, 2))
        member = stack.member(f"wavering-{round_}")
        link = move_to(stack, member, first)
        cookies = dict(member.browser.cookies)

        def ask(browser: Visitor, new: str = second, cookies: dict[str, str] = cookies) -> Page:
            browser.cookies = dict(cookies)
            return browser.post("/email/change/", {"email": new})

        pages = at_once(stack, [press_link(link), press_link(link), ask, ask])

        assert sorted(page.status for page in pages[:2]) in ([302, 410], [410, 410])
        assert {page.status for page in pages[2:]} == {302}
        moved = 302 in {page.status for page in pages[:2]}
        assert members_with(stack, first if moved else member.email) == 1
        [(open_changes,)] = stack.sql(
            "SELECT count(*) FROM accounts_emailchange JOIN accounts_user ON user_id = "
            "accounts_user.id WHERE username = %s AND confirmed_at IS NULL AND ended_at IS NULL",
            member.username,
        )
        assert open_changes == (0 if moved else 1)
    assert_no_faults(stack)


Act = Callable[[Visitor], Page]


def sign_up(link: str, email: str, username: str) -> Act:
    return lambda visitor: visitor.sign_up(link, email, username, PASSWORD)


def press_button(token: str) -> Act:
    return lambda visitor: visitor.post("/confirm_account/", {"confirmation": token})


def press_link(link: str) -> Act:
    return lambda visitor: visitor.post(link)


def move_to(stack: Stack, member: Member, new: str) -> str:
    """Ask for another address; returns the link that was mailed there."""
    before = len(stack.mail.mails_to(new))
    assert member.browser.post("/email/change/", {"email": new}).status == 302
    return link_in(stack.mail.wait_for(new, before + 1))


def undo_link(stack: Stack, email: str) -> str:
    def links() -> list[str]:
        found = [link_in(mail) for mail in stack.mail.mails_to(email)]
        return [link for link in found if "/email/undo/" in link]

    return wait_until(links, seconds=40, what=f"a link to undo for {email}")[-1]


def change_token(stack: Stack, new: str) -> str:
    """What a link would carry, had one been sent to an address that somebody else has."""
    code = (
        "from accounts.models import EmailChange\n"
        f"print(EmailChange.objects.get(new_email={new!r}, confirmed_at=None).confirm_token)"
    )
    return stack.python(code)


def at_once(stack: Stack, acts: list[Act]) -> list[Page]:
    """Everybody acts in the same moment, each from a browser and an address of their own."""
    gate = threading.Barrier(len(acts))

    def act(one: Act) -> Page:
        visitor = stack.visitor()
        visitor.get("/login/")
        gate.wait(60)
        page = one(visitor)
        # On two cores a storm of hashing may be told to come back, and people do.
        while page.status == 503:
            time.sleep(int(page.headers["Retry-After"]))
            page = one(visitor)
        return page

    with ThreadPoolExecutor(len(acts)) as people:
        return list(people.map(act, acts))


def members(stack: Stack) -> int:
    return stack.sql("SELECT count(*) FROM accounts_user")[0][0]


def members_with(stack: Stack, email: str) -> int:
    return stack.sql("SELECT count(*) FROM accounts_user WHERE email = %s", email)[0][0]


def redemptions(stack: Stack, link: str) -> int:
    """How many came in on an invite; its link begins with the name of its row."""
    name = UUID(bytes=urlsafe_b64decode(link.split("/")[-2] + "=")[:16])
    return stack.sql(
        "SELECT count(*) FROM invites_redemption JOIN invites_invite "
        "ON invite_id = invites_invite.id WHERE public_id = %s",
        name if stack.database == "postgres" else name.hex,
    )[0][0]


def mails_done(stack: Stack) -> bool:
    return stack.sql("SELECT count(*) FROM outbox_outboxmessage WHERE status = 'pending'") == [(0,)]


def assert_no_faults(stack: Stack) -> None:
    log = stack.log("web")
    for fault in ("Traceback", "Internal Server Error", "database.away", "redis.away"):
        assert fault not in log, log[log.index(fault) - 200 :][:2000]
