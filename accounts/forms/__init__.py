from accounts.forms.fields import EmailField, PasswordField, UsernameField
from accounts.forms.login import LoginForm
from accounts.forms.password_reset import ForgotForm, NewPasswordForm
from accounts.forms.resend import ResendForm

__all__ = [
    "EmailField",
    "ForgotForm",
    "LoginForm",
    "NewPasswordForm",
    "PasswordField",
    "ResendForm",
    "UsernameField",
]
