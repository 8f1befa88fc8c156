"""Who may enter a page, said above it."""

from collections.abc import Callable
from functools import wraps
from time import sleep
from typing import Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import hashers, provider, resume
from accounts.errors import ProofTooOld, ProviderAway
from accounts.redirects import next_url, redirect_with_next
from accounts.requests import MemberRequest
from accounts.services import reauth
from bottomline import refusals
from bottomline.caller import caller_of
from bottomline.errors import TooManyAttempts
from bottomline.middleware import over_limit
from bottomline.responses import View

page = require_http_methods(["GET", "HEAD"])
form_page = require_http_methods(["GET", "HEAD", "POST"])
post_only = require_http_methods(["POST"])

for_everyone = login_not_required

# For pages whose form carries a code, or what a passkey answers: hidden in reports, as passwords.
secret_code = sensitive_post_parameters("code", "credential", "state")


def with_passkeys(view: View) -> View:
    """For pages that are there where browsers make passkeys for this site."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not settings.HAS_PASSKEYS:
            raise Http404
        return view(request, *args, **kwargs)

    return wrapper


def with_google(view: View) -> View:
    """For pages that are there only with a provider, and say so where it does not answer."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not provider.is_offered():
            raise Http404
        try:
            return view(request, *args, **kwargs)
        except ProviderAway:
            response = render(request, "accounts/google/away.html", status=503)
            response["Retry-After"] = "60"
            return response

    return wrapper


# Seconds that whoever is over a limit keeps a place at the door for nothing. A refusal costs two
# milliseconds, and a crowd that asks again at once would have half of a core for them.
BREATHER: Final = 0.02


def credentials(view: View) -> View:
    """For pages whose form carries a password: admitted by the bulkhead, hidden in reports."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        with hashers.admission(caller_of(request).network):
            try:
                return view(request, *args, **kwargs)
            except TooManyAttempts as error:
                # Written while admitted, for it costs more than the finding: a crowd that is over
                # a limit is to be refused a few at a time as well, and not as fast as we can.
                response = over_limit(request, error)
                sleep(BREATHER)
                return response

    return sensitive_post_parameters("code", "credential", "current", "password", "repeated")(
        wrapper
    )


def fresh_proof(back: str = "") -> Callable[[View], View]:
    """For what matters: asks who they are first, if that was proved over ten minutes ago.

    Afterwards they are back on the page (or at `back`, for an address that is no page) with what
    they had typed, and press the button again: nothing is replayed.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapper(request: MemberRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            try:
                reauth.require(caller_of(request))
                return view(request, *args, **kwargs)
            except ProofTooOld as refusal:
                refusals.note(request, "access.refused", reason=refusal.reason)
                if request.method == "POST" and not back:
                    resume.keep(request)
                return redirect_with_next("accounts:reauth", back or request.path)

        return wrapper

    return decorate


def anonymous_only(view: View) -> View:
    """For visitors; a member is taken on to where they were going."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if request.user.is_authenticated:
            return redirect(next_url(request))
        return view(request, *args, **kwargs)

    return login_not_required(wrapper)


def link_page(view: View) -> View:
    """For pages whose address holds a token: it stays out of every Referer.

    Not no-referrer, which makes browsers send `Origin: null` with the form, and Django refuse it.
    """

    @wraps(view)
    def wrapper(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "strict-origin"
        return response

    return wrapper
