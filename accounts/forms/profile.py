"""What a member says of themselves. Every field is named: nothing else of the row can be posted."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from accounts.forms.fields import DECOMPOSED, clean_prose, require_length
from accounts.models.user import BIO_LENGTH, DISPLAY_NAME_LENGTH
from accounts.texts import UnwelcomeText, one_line
from bottomline.pictures.squares import MOST_BYTES

REGIONS = {
    "Africa",
    "America",
    "Antarctica",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
}


@cache
def time_zones() -> list[tuple[str, Any]]:
    """The zones there are, by region, as a list to choose from."""
    regions: dict[str, list[tuple[str, str]]] = {}
    for zone in sorted(available_timezones()):
        region, _, place = zone.partition("/")
        if region in REGIONS:
            regions.setdefault(region, []).append((zone, place.replace("_", " ")))
    return [("UTC", "UTC"), *regions.items()]


class GuessedTimeZone(forms.ChoiceField):
    """The zone that the browser says it is in, or UTC: nobody is asked, so nobody is corrected."""

    def __init__(self) -> None:
        widget = forms.HiddenInput(attrs={"data-time-zone": ""})  # see static/js/localtime.js
        super().__init__(required=False, choices=time_zones, widget=widget)

    def clean(self, value: Any) -> str:
        return value if self.valid_value(value) else settings.TIME_ZONE


class ProfileForm(forms.Form):
    display_name = forms.CharField(
        label="Name",
        help_text="What other members call you.",
        error_messages={"required": "Enter a name, even a short one."},
        widget=forms.TextInput(attrs={"autocomplete": "name", "maxlength": DISPLAY_NAME_LENGTH}),
    )
    bio = forms.CharField(
        label="About you",
        required=False,
        strip=False,
        help_text=f"Up to {BIO_LENGTH} characters that other members can read.",
        widget=forms.Textarea(attrs={"rows": 5, "maxlength": BIO_LENGTH}),
    )
    language = forms.ChoiceField(label="Language of our mails", choices=settings.LANGUAGES)
    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=time_zones,
        help_text="For the times in our mails and in your activity.",
    )

    def clean_display_name(self) -> str:
        require_length(self.cleaned_data["display_name"], DISPLAY_NAME_LENGTH, DECOMPOSED)
        try:
            name = one_line(self.cleaned_data["display_name"])
        except UnwelcomeText as error:
            raise ValidationError(str(error)) from None
        require_length(name, DISPLAY_NAME_LENGTH)  # composing can make it longer
        return name

    def clean_bio(self) -> str:
        return clean_prose(self.cleaned_data["bio"], BIO_LENGTH)


class PictureForm(forms.Form):
    """A file, as its bytes. What it is called and what it claims to be is nobody's business."""

    picture = forms.FileField(
        label="Choose a picture",
        help_text="PNG, JPEG or WebP, up to 2 MB. We keep the middle of it, as a square, and "
        "nothing that was hidden in the file.",
        error_messages={
            "required": "Choose a file first.",
            "empty": "That file is empty. Choose another.",
            "missing": "Choose a file first.",
            "invalid": "Choose a file first.",
        },
        widget=forms.FileInput(
            attrs={"accept": "image/png,image/jpeg,image/webp", "data-picture": ""}
        ),
    )

    def clean_picture(self) -> bytes:
        upload: UploadedFile = self.cleaned_data["picture"]
        content = upload.read(MOST_BYTES + 1)  # counted, whatever it says of its own size
        if len(content) > MOST_BYTES:
            raise ValidationError("That file is larger than 2 MB. Choose a smaller one.")
        return content
