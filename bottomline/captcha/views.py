from datetime import timedelta

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from bottomline.caller import caller_of
from bottomline.captcha.challenges import new_challenge
from bottomline.limits import Limit, spend

CHALLENGES_BY_NETWORK = Limit("challenge:network", 120, timedelta(hours=1))


@login_not_required
@require_safe
def challenge(request: HttpRequest, door: str) -> HttpResponse:
    """Another challenge, for a page that was open for longer than its own is good."""
    network = caller_of(request).network
    spend((CHALLENGES_BY_NETWORK, network))
    return JsonResponse(new_challenge(door, network))
