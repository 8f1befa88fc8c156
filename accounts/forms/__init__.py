from accounts.forms.closing import CloseForm
from accounts.forms.email_change import EmailChangeForm
from accounts.forms.email_confirmation import ResendForm
from accounts.forms.fields import EmailField, PasswordField, UsernameField
from accounts.forms.google import ReturnForm
from accounts.forms.login import LoginForm
from accounts.forms.lost_factor import LostFactorForm
from accounts.forms.mailed_login import AskForMailForm, LoginCodeForm, MailedCodeForm, RememberForm
from accounts.forms.passkeys import (
    NewPasskeyForm,
    PasskeyForm,
    PasskeyLoginForm,
    PasskeyNameForm,
)
from accounts.forms.password_change import ChangePasswordForm
from accounts.forms.password_reset import ForgotForm, NewPasswordForm
from accounts.forms.profile import GuessedTimeZone, PictureForm, ProfileForm
from accounts.forms.reauth import ReauthForm
from accounts.forms.second_factor import AppCodeForm, FactorForm, VerifyForm
from accounts.forms.usernames import UsernameForm

__all__ = [
    "AppCodeForm",
    "AskForMailForm",
    "ChangePasswordForm",
    "CloseForm",
    "EmailChangeForm",
    "EmailField",
    "FactorForm",
    "ForgotForm",
    "GuessedTimeZone",
    "LoginCodeForm",
    "LoginForm",
    "LostFactorForm",
    "MailedCodeForm",
    "NewPasskeyForm",
    "NewPasswordForm",
    "PasskeyForm",
    "PasskeyLoginForm",
    "PasskeyNameForm",
    "PasswordField",
    "PictureForm",
    "ProfileForm",
    "ReauthForm",
    "RememberForm",
    "ResendForm",
    "ReturnForm",
    "UsernameField",
    "UsernameForm",
    "VerifyForm",
]
