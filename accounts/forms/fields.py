"""The fields people meet more than once: the same rule, words and attributes everywhere."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from accounts.addresses import (
    EMAIL_LENGTH,
    USERNAME_MAX,
    InvalidAddress,
    InvalidUsername,
    canonical_email,
    require_username,
)
from accounts.password_validation import MAX_LENGTH, LengthValidator
from accounts.texts import UnwelcomeText, several_lines

# To compose a text takes the square of its length in marks, seconds for what a request may hold.
# One letter with its marks is seldom more than this many characters.
DECOMPOSED = 4


class EmailField(forms.CharField):
    """An address, as its one canonical spelling."""

    def __init__(self, *, autocomplete: str = "username", **kwargs: Any) -> None:
        widget = forms.EmailInput(
            attrs={
                "autocomplete": autocomplete,
                "autocapitalize": "none",
                "spellcheck": "false",
                "maxlength": EMAIL_LENGTH,
            }
        )
        kwargs.setdefault("label", "Email address")
        kwargs.setdefault(
            "error_messages", {"required": "Enter your email address, like ada@example.org."}
        )
        super().__init__(widget=widget, **kwargs)

    def clean(self, value: Any) -> str:
        value = super().clean(value)
        if not value:
            return ""
        try:
            return canonical_email(value)
        except InvalidAddress:
            raise ValidationError(
                "That is not an email address we can write to. Check it for a typing mistake; it "
                "looks like ada@example.org."
            ) from None


class UsernameField(forms.CharField):
    """A name to be known by."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(
            attrs={
                "autocomplete": "nickname",
                "autocapitalize": "none",
                "spellcheck": "false",
                "maxlength": USERNAME_MAX,
                "data-username-check": "/signup/username/",
            }
        )
        kwargs.setdefault("label", "Username")
        super().__init__(
            help_text="What other members see. Letters, digits, and single . - _ between them, "
            "beginning with a letter.",
            error_messages={"required": "Choose a username."},
            widget=widget,
            **kwargs,
        )

    def clean(self, value: Any) -> str:
        try:
            return require_username(super().clean(value))
        except InvalidUsername as error:
            raise ValidationError(str(error)) from None


class PasswordField(forms.CharField):
    """A password, to the letter: nothing is trimmed, folded or cut (ASVS 6.2.8)."""

    def __init__(
        self, *, new: bool = False, autocomplete: str = "current-password", **kwargs: Any
    ) -> None:
        shortest = settings.PASSWORD_MIN_LENGTH
        attrs = {"autocomplete": autocomplete, "data-reveal": ""}
        if new:
            attrs |= {
                "autocomplete": "new-password",
                "data-strength": "",
                # Apple's and others' password managers make one that fits.
                "passwordrules": f"minlength: {shortest}; maxlength: {MAX_LENGTH};",
                "data-minlength": str(shortest),
            }
            kwargs.setdefault(
                "help_text",
                f"At least {shortest} characters. A few unrelated words are "
                "easy to remember and hard to guess.",
            )
            # Its length shows with the other fields' mistakes; the rest the service judges.
            kwargs.setdefault("validators", [LengthValidator().validate])
        kwargs.setdefault("label", "Password")
        kwargs.setdefault("error_messages", {"required": "Enter a password."})
        super().__init__(strip=False, widget=forms.PasswordInput(attrs=attrs), **kwargs)


def clean_prose(raw: str, longest: int) -> str:
    """What somebody wrote in several lines, as it is kept."""
    require_length(raw, longest, DECOMPOSED)
    try:
        text = several_lines(raw)
    except UnwelcomeText as error:
        raise ValidationError(str(error)) from None
    require_length(text, longest)
    return text


def require_length(text: str, longest: int, times: int = 1) -> None:
    if len(text) > times * longest:
        raise ValidationError(
            f"That is {len(text)} characters long. Use {longest} at most.",
        )
