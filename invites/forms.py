import re
from datetime import timedelta
from typing import Any

from django import forms

from accounts.forms import EmailField, PasswordField, UsernameField
from bottomline import tokens
from invites.models import LABEL_LENGTH, LIFETIME, MOST_USES, NOTE_LENGTH

TOKEN = re.compile(rf"[\w-]{{{tokens.LENGTH}}}")
MOST_DAYS = 90


class SignUpForm(forms.Form):
    """Shape only: whether the address or the name is taken is the service's question."""

    email = EmailField()
    username = UsernameField()
    password = PasswordField(new=True)


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


def _number_between(least: int, most: int) -> dict[str, str]:
    words = f"Enter a number from {least} to {most}."
    return dict.fromkeys(("required", "invalid", "min_value", "max_value"), words)


class InviteForm(forms.Form):
    """What a member may say about an invite."""

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
        help_text="Shown on the page the link opens.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    uses = forms.IntegerField(
        initial=1,
        min_value=1,
        max_value=MOST_USES,
        label="How many people may use it",
        error_messages=_number_between(1, MOST_USES),
    )
    days = forms.IntegerField(
        initial=LIFETIME.days,
        min_value=1,
        max_value=MOST_DAYS,
        label="Good for how many days",
        error_messages=_number_between(1, MOST_DAYS),
    )

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
