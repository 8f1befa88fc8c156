from accounts.forms.email_confirmation import ResendForm
from accounts.forms.fields import EmailField, PasswordField, UsernameField
from accounts.forms.login import LoginForm
from accounts.forms.password_reset import ForgotForm, NewPasswordForm

__all__ = [
    "EmailField",
    "ForgotForm",
    "LoginForm",
    "NewPasswordForm",
    "PasswordField",
    "ResendForm",
    "UsernameField",
]
