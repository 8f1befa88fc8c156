from django import forms

from accounts.forms.fields import EmailField


class EmailChangeForm(forms.Form):
    # Not their user name yet: a password manager would fill in the present one.
    email = EmailField(label="New email address", autocomplete="email")
