from django import forms

from accounts.forms.fields import PasswordField


class LoginForm(forms.Form):
    """Shape only: whether it opens an account is the service's to say, in one sentence for all."""

    email = forms.CharField(
        label="Email address",
        max_length=320,
        error_messages={"required": "Enter your email address."},
        widget=forms.EmailInput(
            attrs={
                "autocomplete": "username",
                "autocapitalize": "none",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )
    password = PasswordField()
    remember = forms.BooleanField(label="Keep me logged in on this device", required=False)
