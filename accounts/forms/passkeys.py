from django import forms
from django.core.exceptions import ValidationError

from accounts.ceremonies import LONGEST
from accounts.forms.mailed_login import RememberForm
from accounts.models.passkey import NAME_LENGTH
from accounts.texts import UnwelcomeText, one_line


class AnswerField(forms.CharField):
    """What a browser answers; `js/passkeys.js` puts it in."""

    def __init__(self) -> None:
        super().__init__(
            max_length=LONGEST,
            widget=forms.HiddenInput,
            error_messages={
                "required": "No passkey came along. Press the button and choose one.",
                "max_length": "That is more than a passkey says. Try once more.",
            },
        )


class PasskeyForm(forms.Form):
    """For proving one."""

    credential = AnswerField()


class PasskeyLoginForm(RememberForm, PasskeyForm):
    """For logging in with one."""


class PasskeyNameForm(forms.Form):
    """For calling one otherwise."""

    name = forms.CharField(
        label="Name",
        max_length=NAME_LENGTH,
        help_text="By which you tell it from others: your phone, your password manager.",
        error_messages={"required": "Give it a name."},
    )

    def clean_name(self) -> str:
        try:
            name = one_line(self.cleaned_data["name"])
        except UnwelcomeText as error:
            raise ValidationError(str(error)) from None
        return name[:NAME_LENGTH]  # composing can make it longer


class NewPasskeyForm(PasskeyNameForm, PasskeyForm):
    """For adding one."""
