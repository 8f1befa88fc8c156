from django import forms


class CloseForm(forms.Form):
    """Shape only: whether that is the name is the service's to say."""

    username = forms.CharField(
        label="Your username, to confirm",
        max_length=100,
        error_messages={"required": "Type your username to confirm."},
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
