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
from bottomline.tests.stack import Stack
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
def test_signing_up_again_while_the_owner_confirms_does_not_change_the_password(stack: Stack):
    """Whoever signs up with an address just then must not replace what its owner confirms."""
    if stack.database != "postgres":
        pytest.skip("On SQLite a transaction waits for the one before it to end.")
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
def test_a_confirmation_and_a_new_sign_up_never_wait_for_each_other(stack: Stack):
    if stack.database != "postgres":
        pytest.skip("On SQLite there are no row locks to be taken in the wrong order.")
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


Act = Callable[[Visitor], Page]


def sign_up(link: str, email: str, username: str) -> Act:
    return lambda visitor: visitor.sign_up(link, email, username, PASSWORD)


def press_button(token: str) -> Act:
    return lambda visitor: visitor.post("/confirm_account/", {"confirmation": token})


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
