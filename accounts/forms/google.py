from django import forms


class ReturnForm(forms.Form):
    """What a provider sends a browser back with (RFC 6749, 4.1.2; RFC 9207). Shape only."""

    code = forms.CharField(required=False, max_length=2048, widget=forms.HiddenInput)
    state = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)
    iss = forms.CharField(required=False, max_length=255, widget=forms.HiddenInput)
    error = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)
