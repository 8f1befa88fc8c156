from accounts.forms.closing import CloseForm
from accounts.forms.email_change import EmailChangeForm
from accounts.forms.email_confirmation import ResendForm
from accounts.forms.fields import EmailField, PasswordField, UsernameField
from accounts.forms.login import LoginForm
from accounts.forms.mailed_login import AskForMailForm, LoginCodeForm, RememberForm
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
    "NewPasswordForm",
    "PasswordField",
    "PictureForm",
    "ProfileForm",
    "ReauthForm",
    "RememberForm",
    "ResendForm",
    "UsernameField",
    "UsernameForm",
    "VerifyForm",
]
