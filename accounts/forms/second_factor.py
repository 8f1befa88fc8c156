from typing import Any

from django import forms
from django.http import QueryDict

from accounts.models.second_factor import CODE_LENGTH

CODE_TYPED = 2 * CODE_LENGTH  # with what people put between


class CodeField(forms.CharField):
    """A code of an app or a recovery code: spaces, hyphens and small letters are forgiven."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=CODE_TYPED,
            error_messages={"required": "Type the code."},
            widget=forms.TextInput(
                attrs={
                    "autocomplete": "one-time-code",
                    "autocapitalize": "characters",
                    "spellcheck": "false",
                }
            ),
            **kwargs,
        )

    def clean(self, value: Any) -> str:
        return "".join(super().clean(value).replace("-", "").split()).upper()


class AppCodeForm(forms.Form):
    """For the first code of an app."""

    code = CodeField(label="The six digits the app shows")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["inputmode"] = "numeric"


class FactorForm(forms.Form):
    """For a code before a change."""

    code = CodeField(
        label="Code", help_text="The six digits your app shows now, or a recovery code."
    )
    code.widget.attrs["autofocus"] = True


class VerifyForm(FactorForm):
    """For the code at a login: either kind is taken, and the page asks for one of them."""

    trust = forms.BooleanField(label="Do not ask for a code in this browser", required=False)

    def __init__(self, data: QueryDict | None = None, *, by_recovery: bool = False) -> None:
        super().__init__(data)
        self.by_recovery, code = by_recovery, self.fields["code"]
        if by_recovery:
            code.label, code.help_text = "Recovery code", "One that you have not used yet."
        else:
            code.help_text = "Six digits, from the app."
            code.widget.attrs["inputmode"] = "numeric"  # phones show the digits alone
