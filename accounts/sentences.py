"""What to say of an event: a sentence each, for whom it concerns."""

from dataclasses import dataclass

from django.conf import settings

from accounts.models import Event

LOGINS, CHANGES = "logins", "changes"
GROUPS = (LOGINS, CHANGES)


@dataclass(frozen=True)
class Sentence:
    text: str
    group: str = ""
    is_failure: bool = False


# How somebody proved who they are, as it follows on "Logged in".
FIRST = {
    "password": "with the password",
    "link": "by a link in your mail",
    "code": "with a code from your mail",
    "passkey": "with a passkey",
    "google": f"with {settings.GOOGLE_NAME}",
}
SECOND = {
    "": "",
    "totp": " and a code from the app",
    "recovery": " and a recovery code",
    "trusted": ", in a browser that is asked for no code",
    "passkey": " and a passkey",
}

# By kind, and by kind and one of its details where that says more. A kind that is missing here is
# shown under its own name; a test finds it.
SENTENCES = {
    "signup.done": Sentence("You signed up.", CHANGES),
    "signup.known_address": Sentence("Somebody used an invite with your address."),
    "email_confirmation.requested": Sentence("Somebody asked for a link to confirm your address."),
    "email_confirmation.requested_by_staff": Sentence(
        "Staff had the link to confirm your address sent again."
    ),
    "email_confirmation.done": Sentence("Your address was confirmed.", CHANGES),
    "login.completed": Sentence("Logged in.", LOGINS),
    **{
        f"login.completed:{way}{'+' if factor else ''}{factor}": Sentence(
            f"Logged in {first}{second}.", LOGINS
        )
        for way, first in FIRST.items()
        for factor, second in SECOND.items()
    },
    "login.refused": Sentence("A login was refused.", LOGINS, is_failure=True),
    "login.refused:bad_credentials": Sentence(
        "A login with a wrong password.", LOGINS, is_failure=True
    ),
    "login.refused:bad_code": Sentence(
        "A login with a wrong code, where one was mailed to you.", LOGINS, is_failure=True
    ),
    "login.refused:bad_passkey": Sentence(
        "A login with a passkey that did not fit.", LOGINS, is_failure=True
    ),
    "login.refused:unconfirmed": Sentence(
        "A login before your address was confirmed.", LOGINS, is_failure=True
    ),
    "login.refused:blocked": Sentence(
        "A login while the account was blocked.", LOGINS, is_failure=True
    ),
    "login.refused:closed": Sentence(
        "A login after the account was closed for good.", LOGINS, is_failure=True
    ),
    "login.refused:wrong_code": Sentence(
        "A login that was right but for the code asked for last.", LOGINS, is_failure=True
    ),
    "login.paused": Sentence(
        "Logins in new browsers were paused: there were too many tries.", LOGINS, is_failure=True
    ),
    "login.unlocked": Sentence("A new browser was let in by a link in your mail.", LOGINS),
    "login_mail.requested": Sentence("Somebody asked for a mail to log in with."),
    "logout.done": Sentence("Logged out.", LOGINS),
    "reauth.done": Sentence("Typed the password before a change.", LOGINS),
    "reauth.done:passkey": Sentence("Used a passkey before a change.", LOGINS),
    "reauth.done:app": Sentence("Typed a code from the app before a change.", LOGINS),
    "reauth.done:mail": Sentence("Typed a code from your mail before a change.", LOGINS),
    "reauth.refused": Sentence("A wrong password before a change.", LOGINS, is_failure=True),
    "reauth.refused:bad_code": Sentence(
        "A wrong code from your mail before a change.", LOGINS, is_failure=True
    ),
    "reauth.refused:bad_passkey": Sentence(
        "A passkey that did not fit before a change.", LOGINS, is_failure=True
    ),
    "reauth.refused:wrong_code": Sentence("A wrong code before a change.", LOGINS, is_failure=True),
    "reauth.refused:too_many_proofs": Sentence(
        "A session was ended after too many wrong passwords.", LOGINS, is_failure=True
    ),
    "session.ended": Sentence("A session was ended from another one.", LOGINS),
    "session.others_ended": Sentence("All other sessions were ended.", LOGINS),
    "sessions.ended_by_staff": Sentence("All your sessions were ended by staff.", LOGINS),
    "password_reset.requested": Sentence("Somebody asked for a link to choose a new password."),
    "password_reset.requested_by_staff": Sentence(
        "Staff had a link to choose a new password sent to you."
    ),
    "password_reset.done": Sentence("A new password was chosen by a link in your mail.", CHANGES),
    "password.changed": Sentence("The password was changed.", CHANGES),
    "second_factor.enabled": Sentence("A second factor was set up: an app for codes.", CHANGES),
    "second_factor.disabled": Sentence("The second factor was turned off.", CHANGES),
    "recovery_code.used": Sentence("A recovery code was used.", CHANGES),
    "recovery_codes.renewed": Sentence(
        "New recovery codes were made; the old ones are dead.", CHANGES
    ),
    "second_factor.ended_by_operator": Sentence(
        "The second factor was ended by those who run the site.", CHANGES
    ),
    "factor_reset.requested": Sentence(
        "Somebody who has no app and no recovery code asked to end the second factor.", CHANGES
    ),
    "factor_reset.approved": Sentence("Staff agreed to end the second factor.", CHANGES),
    "factor_reset.refused": Sentence("Staff refused to end the second factor.", CHANGES),
    "factor_reset.called_off": Sentence("The end of the second factor was called off.", CHANGES),
    "factor_reset.lapsed": Sentence(
        "The second factor stays: nobody of staff agreed to end it in time.", CHANGES
    ),
    "factor_reset.done": Sentence(
        "The second factor was ended, as somebody who lost it had asked.", CHANGES
    ),
    "identity.linked": Sentence(
        f"{settings.GOOGLE_NAME} was linked: an account there logs in here.", CHANGES
    ),
    "identity.unlinked": Sentence(
        f"{settings.GOOGLE_NAME} was unlinked, and logs nobody in any more.", CHANGES
    ),
    "browser.trusted": Sentence("No code is asked for in a browser any more.", CHANGES),
    "browser.distrusted": Sentence("A code is asked for in a browser again.", CHANGES),
    "passkey.added": Sentence("A passkey was added.", CHANGES),
    "passkey.removed": Sentence("A passkey was removed.", CHANGES),
    "passkey.copied": Sentence(
        "A passkey was refused: there may be a copy of it.", LOGINS, is_failure=True
    ),
    "account.disowned": Sentence(
        "“This wasn’t me”: everybody was logged out, and the password stopped working.", CHANGES
    ),
    "email_change.requested": Sentence("A new email address was asked for.", CHANGES),
    "email_change.cancelled": Sentence("The change of the email address was called off.", CHANGES),
    "email_change.sent_again": Sentence("The link to a new email address was sent again.", CHANGES),
    "email_change.done": Sentence("The email address was changed.", CHANGES),
    "email_change.undone": Sentence("The change of the email address was undone.", CHANGES),
    "username.changed": Sentence("The username was changed.", CHANGES),
    "profile.changed": Sentence("The profile was changed.", CHANGES),
    "picture.changed": Sentence("The picture was changed.", CHANGES),
    "picture.removed": Sentence("The picture was removed.", CHANGES),
    "picture.removed_by_staff": Sentence("The picture was removed by staff.", CHANGES),
    "picture.refused": Sentence("A picture was refused.", CHANGES),
    "invite.issued": Sentence("An invite was made.", CHANGES),
    "invite.mailed": Sentence("An invite was mailed.", CHANGES),
    "invite.extended": Sentence("An invite was given more time.", CHANGES),
    "invite.revoked": Sentence("An invite was revoked.", CHANGES),
    "invite.declined": Sentence("An invite of yours was declined."),
    "invites.frozen": Sentence("Staff paused inviting for you and your guests.", CHANGES),
    "invites.thawed": Sentence("You may invite again.", CHANGES),
    "account.blocked": Sentence("The account was blocked by staff.", CHANGES),
    "account.unblocked": Sentence("The account is no longer blocked.", CHANGES),
    "account.standing_changed": Sentence("Staff changed what you may do here.", CHANGES),
    "account.closed": Sentence("The account was closed, to be deleted.", CHANGES),
    "account.closed_by_staff": Sentence("The account was closed by staff, to be deleted.", CHANGES),
    "account.kept": Sentence("You came back, and the account stays.", CHANGES),
    "account.kept:mailbox": Sentence("The account stays, as your mailbox said.", CHANGES),
    "account.erased": Sentence("The account was erased.", CHANGES),
    "export.requested": Sentence("A copy of your data was asked for.", CHANGES),
    "export.downloaded": Sentence("A copy of your data was downloaded.", CHANGES),
    "mail.sent": Sentence("We sent you a mail."),
    "mail.sent:confirm_email": Sentence("We mailed you the link to confirm your address."),
    "mail.sent:reset_password": Sentence("We mailed you a link to choose a new password."),
    "mail.sent:mailed_login": Sentence("We mailed you a link and a code to log in with."),
    "mail.sent:join_by_mail": Sentence("We mailed you a link and a code to sign up with."),
    "mail.sent:login_paused": Sentence("We told you by mail that somebody keeps trying to log in."),
    "mail.sent:password_changed": Sentence("We told you by mail that the password was changed."),
    "mail.sent:confirm_new_email": Sentence("We mailed a link to the new email address."),
    "mail.sent:email_change_requested": Sentence("We told the old address of the change by mail."),
    "mail.sent:email_moved_away": Sentence("We told the old address by mail that it was changed."),
    "mail.sent:email_changed": Sentence("We told the new address by mail that it was changed."),
    "mail.sent:email_restored": Sentence("We mailed you a link to choose a new password."),
    "mail.sent:email_taken_back": Sentence("We told the new address by mail that it was undone."),
    "mail.sent:address_wanted": Sentence(
        "We told you by mail that somebody wanted to use your address."
    ),
    "mail.sent:address_held": Sentence(
        "We told somebody who signed up with your old address that it is not free yet."
    ),
    "mail.sent:second_factor_on": Sentence("We told you by mail that a second factor was set up."),
    "mail.sent:second_factor_off": Sentence(
        "We told you by mail that the second factor was turned off."
    ),
    "mail.sent:recovery_code_used": Sentence("We told you by mail that a recovery code was used."),
    "mail.sent:new_recovery_codes": Sentence(
        "We told you by mail that new recovery codes were made."
    ),
    "mail.sent:factor_reset_requested": Sentence(
        "We told you by mail that somebody asked to end the second factor."
    ),
    "mail.sent:factor_reset_soon": Sentence(
        "We reminded you by mail that the second factor is about to end."
    ),
    "mail.sent:factor_reset_waits": Sentence(
        "We told you by mail that somebody lost their second factor and waits for staff."
    ),
    "mail.sent:factor_reset_over": Sentence("We told you by mail that the second factor stays."),
    "mail.sent:factor_reset_done": Sentence(
        "We told you by mail that the second factor was ended."
    ),
    "mail.sent:second_factor_refused": Sentence(
        "We told you by mail that somebody proved your first factor, and typed a wrong code."
    ),
    "mail.sent:passkey_added": Sentence("We told you by mail that a passkey was added."),
    "mail.sent:passkey_removed": Sentence("We told you by mail that a passkey was removed."),
    "mail.sent:passkey_copied": Sentence(
        "We told you by mail that there may be a copy of a passkey."
    ),
    "mail.sent:identity_linked": Sentence(
        f"We told you by mail that {settings.GOOGLE_NAME} was linked."
    ),
    "mail.sent:identity_unlinked": Sentence(
        f"We told you by mail that {settings.GOOGLE_NAME} was unlinked."
    ),
    "mail.sent:sessions_ended": Sentence("We told you by mail that all other sessions were ended."),
    "mail.sent:new_login": Sentence("We told you by mail of a login that was unusual."),
    "mail.sent:account_closing": Sentence(
        "We told you by mail until when you can still come back."
    ),
    "mail.sent:account_kept": Sentence("We told you by mail that the account stays."),
    "mail.sent:export_ready": Sentence("We told you by mail that the copy of your data is ready."),
    "mail.sent:guest_joined": Sentence("We told you by mail that somebody joined on your invite."),
    "mail.sent:already_member": Sentence(
        "We told you by mail that somebody used an invite with your address."
    ),
}


def sentence_of(event: Event) -> Sentence:
    """What to say of an event, whatever it is."""
    for detail in event.details.values():
        if f"{event.kind}:{detail}" in SENTENCES:
            return SENTENCES[f"{event.kind}:{detail}"]
    if event.kind in SENTENCES:
        return SENTENCES[event.kind]
    what, _, how = event.kind.replace("_", " ").partition(".")
    return Sentence(f"{what.capitalize()}: {how}.")


def proof_in_words(method: str) -> str:
    """How somebody proved who they are; nothing for a way we have no words for."""
    way, _, factor = method.partition("+")
    return FIRST.get(way, "") + SECOND.get(factor, "") if way in FIRST else ""


def kinds_of(group: str) -> set[str]:
    """The kinds of events that have a sentence in that group."""
    return {key.partition(":")[0] for key, said in SENTENCES.items() if said.group == group}
