from accounts.forms.fields import PasswordField
from accounts.forms.password_reset import NewPasswordForm


class ChangePasswordForm(NewPasswordForm):
    """The present password, and the new one twice."""

    current = PasswordField(
        label="Current password", error_messages={"required": "Enter the password you have now."}
    )
    field_order = ("current", "password", "repeated")
