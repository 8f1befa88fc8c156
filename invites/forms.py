import re
from datetime import timedelta
from typing import Any

from django import forms

from accounts.forms import EmailField, GuessedTimeZone, PasswordField, UsernameField
from accounts.texts import UnwelcomeText, one_line
from bottomline import tokens
from bottomline.captcha.forms import CaptchaForm
from invites import limits
from invites.models import LABEL_LENGTH, LIFETIME, MOST_USES, NOTE_LENGTH, REASON_LENGTH
from invites.words import names_a_site

TOKEN = re.compile(rf"[\w-]{{{tokens.LENGTH}}}")
MOST_DAYS = 90
MOST_USES_BY_MEMBER = 10
MOST_DAYS_BY_MEMBER = 30


class SignUpForm(CaptchaForm):
    """Shape only: whether the address or the name is taken is the service's question."""

    door = "signup"
    otherwise = limits.SIGNUP_WITHOUT_WORK

    email = EmailField()
    username = UsernameField()
    password = PasswordField(new=True)
    time_zone = GuessedTimeZone()
    # Nobody sees it, so only a program fills it in.
    website = forms.CharField(
        required=False,
        label="Leave this empty",
        widget=forms.TextInput(attrs={"tabindex": "-1", "autocomplete": "off"}),
    )


class JoinForm(forms.Form):
    username = UsernameField()
    time_zone = GuessedTimeZone()


class CodeForm(forms.Form):
    """An invite code, or the whole link it was in, however it was pasted."""

    code = forms.CharField(
        label="Invite link or code",
        max_length=2000,
        error_messages={"required": "Paste the link or the code you were sent."},
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )

    def clean_code(self) -> str:
        pasted = re.sub(r"\s+", "", self.cleaned_data["code"])
        found = TOKEN.search(pasted.partition("/invite/")[2] or pasted)
        if not found:
            raise forms.ValidationError(
                "That is not an invite code. It has 43 characters: letters, digits, - and _. Copy "
                "it, or the whole link, from the message you were sent."
            )
        return found[0]


def _number(label: str, *, initial: int, most: int) -> forms.IntegerField:
    words = f"Enter a number from 1 to {most}."
    return forms.IntegerField(
        label=label,
        initial=initial,
        min_value=1,
        max_value=most,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), words),
    )


def _readable(text: str) -> str:
    try:
        return one_line(" ".join(text.split())) if text else ""
    except UnwelcomeText as refusal:
        raise forms.ValidationError(str(refusal)) from None


class InviteForm(forms.Form):
    """What staff may say about an invite."""

    email = EmailField(
        autocomplete="off",
        required=False,
        label="For this email address only",
        help_text="Leave empty for a link that works for whoever you give it to.",
    )
    label = forms.CharField(
        required=False,
        max_length=LABEL_LENGTH,
        help_text="For your own eyes, to remember who it was for.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    note = forms.CharField(
        required=False,
        max_length=NOTE_LENGTH,
        label="A few words to them",
        help_text="Shown on the page the link opens, and in the mail. No web addresses.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    uses = _number("How many people may use it", initial=1, most=MOST_USES)
    days = _number("Good for how many days", initial=LIFETIME.days, most=MOST_DAYS)

    def clean_label(self) -> str:
        return _readable(self.cleaned_data["label"])

    def clean_note(self) -> str:
        note = _readable(self.cleaned_data["note"])
        if names_a_site(note):
            raise forms.ValidationError(
                "Leave out web and mail addresses. If it is not one, put a space after the dot."
            )
        return note

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("email") and cleaned.get("uses", 1) != 1:
            self.add_error("uses", "An invite for one address is for one person: set this to 1.")
        return cleaned

    def to_invite(self) -> dict[str, Any]:
        """The arguments of services.issue."""
        arguments = dict(self.cleaned_data)
        arguments["lifetime"] = timedelta(days=arguments.pop("days"))
        return arguments


class MemberInviteForm(InviteForm):
    """The same within a member's bounds; how many they have left is the service's question."""

    uses = _number("How many people may use it", initial=1, most=MOST_USES_BY_MEMBER)
    days = _number("Good for how many days", initial=LIFETIME.days, most=MOST_DAYS_BY_MEMBER)
    mail = forms.BooleanField(
        required=False,
        label="Mail it to them",
        help_text="We write to that address, in your name. You can also pass the link on yourself.",
    )
    field_order = ["email", "mail"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("mail") and cleaned.get("email") == "":
            self.add_error("email", "Enter the address to mail it to.")
        return cleaned


class FreezeForm(forms.Form):
    reason = forms.CharField(
        max_length=REASON_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": "Say why: staff read it here, the members do not."},
    )


class DeclineForm(forms.Form):
    block = forms.BooleanField(
        required=False,
        label="Never mail invites to this address again",
        help_text="From nobody here. Whoever sent this one is not told.",
    )
