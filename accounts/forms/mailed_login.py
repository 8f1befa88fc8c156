import re
import unicodedata

from django import forms

from accounts import limits
from accounts.forms.fields import EmailField
from accounts.models.mailed_login import CODE_LENGTH
from bottomline.captcha.forms import CaptchaForm


class AskForMailForm(CaptchaForm):
    door = "login-mail"
    otherwise = limits.LOGIN_MAIL_WITHOUT_WORK

    email = EmailField()


class RememberForm(forms.Form):
    remember = forms.BooleanField(label="Keep me logged in on this device", required=False)


class MailedCodeForm(forms.Form):
    """Eight digits, however they were typed or pasted: in groups, with dashes, or full width."""

    code = forms.CharField(
        label="Code",
        help_text="Eight digits, from the mail.",
        max_length=40,
        error_messages={"required": "Type the eight digits from the mail."},
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )

    def clean_code(self) -> str:
        typed = unicodedata.normalize("NFKC", self.cleaned_data["code"])
        code = re.sub(r"[\s\-\u2010-\u2015\u2212.]", "", typed)
        if not re.fullmatch(rf"[0-9]{{{CODE_LENGTH}}}", code):
            raise forms.ValidationError(
                "The code has eight digits, like 1234 5678. Copy it from the mail."
            )
        return code


class LoginCodeForm(MailedCodeForm, RememberForm):
    field_order = ("code", "remember")
