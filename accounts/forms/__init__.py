from accounts.forms.fields import EmailField, PasswordField, UsernameField
from accounts.forms.login import LoginForm
from accounts.forms.resend import ResendForm

__all__ = ["EmailField", "LoginForm", "PasswordField", "ResendForm", "UsernameField"]
