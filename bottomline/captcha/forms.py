"""Forms that are shown with a challenge."""

import json
from typing import Any, ClassVar

from django import forms
from django.utils.datastructures import MultiValueDict

from bottomline.caller import Caller
from bottomline.captcha import challenges
from bottomline.errors import CaptchaMissing
from bottomline.limits import Limit


class ChallengeForm(forms.Form):
    """A form that can be shown with a challenge.

    `components/captcha.html` shows it, and its solution comes back beside the fields;
    `bottomline.forms.render_form` answers with the page.
    """

    door: ClassVar[str]  # what a challenge is good for: one name for each form

    def __init__(self, data: MultiValueDict | None = None, *, caller: Caller) -> None:
        super().__init__(data)
        self.caller = caller
        self.retry_after: int | None = None

    @property
    def challenge(self) -> str:
        return json.dumps(challenges.new_challenge(self.door, self.caller.network))

    @property
    def challenge_life(self) -> int:
        return int(challenges.LIFE.total_seconds())

    @property
    def solution(self) -> str:
        return self.data.get("altcha", "")

    def refuse(self, refusal: CaptchaMissing) -> None:
        """Say that the work is missing, and how long to wait without it."""
        self.add_error(None, refusal.message)
        self.retry_after = refusal.retry_after


class CaptchaForm(ChallengeForm):
    """A form that costs the browser work, once everything else in it is right."""

    otherwise: ClassVar[Limit]  # what may be sent without the work

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        # A mistake in a field costs nobody a solution.
        if not self.errors:
            try:
                challenges.require(
                    self.solution, door=self.door, caller=self.caller, otherwise=self.otherwise
                )
            except CaptchaMissing as refusal:
                self.refuse(refusal)
        return cleaned
