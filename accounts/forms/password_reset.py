from typing import Any

from django import forms

from accounts import limits
from accounts.forms.fields import EmailField, PasswordField
from bottomline.captcha.forms import CaptchaForm


class ForgotForm(CaptchaForm):
    door = "forgot"
    otherwise = limits.PASSWORD_RESET_WITHOUT_WORK

    email = EmailField()


class NewPasswordForm(forms.Form):
    """Typed twice, because nobody sees it (OWASP Forgot Password)."""

    password = PasswordField(new=True, label="New password")
    repeated = PasswordField(
        label="New password, once more",
        autocomplete="new-password",
        error_messages={"required": "Type the new password once more."},
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "password" in cleaned and cleaned["password"] != cleaned.get("repeated"):
            self.add_error("repeated", "That is not the same password. Type it once more.")
        return cleaned
