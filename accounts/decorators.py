"""Who may enter a page, said above it."""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import hashers
from accounts.redirects import next_url

View = Callable[..., HttpResponse]

page = require_http_methods(["GET", "HEAD"])
form_page = require_http_methods(["GET", "HEAD", "POST"])
post_only = require_http_methods(["POST"])

for_everyone = login_not_required


def credentials(view: View) -> View:
    """For pages whose form carries a password: admitted by the bulkhead, hidden in reports."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        with hashers.admission():
            return view(request, *args, **kwargs)

    return sensitive_post_parameters("password", "repeated")(wrapper)


def anonymous_only(view: View) -> View:
    """For visitors; a member is taken on to where they were going."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.user.is_authenticated:
            return redirect(next_url(request))
        return view(request, *args, **kwargs)

    return login_not_required(wrapper)


def link_page(view: View) -> View:
    """For pages whose address holds a token: it stays out of every Referer.

    Not no-referrer, which makes browsers send `Origin: null` with the form, and Django refuse it.
    """

    @wraps(view)
    def wrapper(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "strict-origin"
        return response

    return wrapper
