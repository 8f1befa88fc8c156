from django import forms

from accounts.forms.fields import EmailField


class ResendForm(forms.Form):
    email = EmailField()
