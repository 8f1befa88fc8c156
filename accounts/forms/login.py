from django import forms
from django.conf import settings
from django.utils.datastructures import MultiValueDict

from accounts.forms.fields import PasswordField
from accounts.services.login import DOOR
from bottomline.caller import Caller
from bottomline.captcha.forms import ChallengeForm


class LoginForm(ChallengeForm):
    """Shape only: whether it opens an account is the service's to say, in one sentence for all."""

    door = DOOR

    email = forms.CharField(
        label="Email address",
        max_length=320,
        error_messages={"required": "Enter your email address."},
        widget=forms.EmailInput(
            attrs={
                # Browsers offer passkeys at this field: see static/js/passkeys.js.
                "autocomplete": "username webauthn" if settings.HAS_PASSKEYS else "username",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
    )
    password = PasswordField()
    remember = forms.BooleanField(label="Keep me logged in on this device", required=False)

    def __init__(
        self, data: MultiValueDict | None = None, *, caller: Caller, is_led: bool = False
    ) -> None:
        super().__init__(data, caller=caller)
        # Where another way leads, the keyboard of a phone would cover it.
        self.fields["email"].widget.attrs["autofocus"] = not is_led
        # Shown with a challenge, and then with a mistake in a field: there it is again.
        self.wants_work = "altcha" in self.data
