from django import forms

from accounts.forms.fields import PasswordField


class ReauthForm(forms.Form):
    password = PasswordField(label="Your password")
    password.widget.attrs["autofocus"] = True
