from django import forms

from accounts.forms.fields import UsernameField


class UsernameForm(forms.Form):
    username = UsernameField(label="New username")
