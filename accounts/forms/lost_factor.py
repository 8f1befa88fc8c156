from django import forms

from accounts.forms.fields import clean_prose
from accounts.models.factor_reset import NOTE_LENGTH


class LostFactorForm(forms.Form):
    """For who has neither the app nor a recovery code."""

    note = forms.CharField(
        label="What happened",
        required=False,
        strip=False,
        help_text=f"Staff read it when they decide. Up to {NOTE_LENGTH} characters.",
        widget=forms.Textarea(attrs={"rows": 4, "maxlength": NOTE_LENGTH}),
    )

    def clean_note(self) -> str:
        return clean_prose(self.cleaned_data["note"], NOTE_LENGTH)
