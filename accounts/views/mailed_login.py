from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language_from_request

from accounts.cookies import forget_google, forget_mailed_login, keep_mailed_login, kept_by
from accounts.decorators import anonymous_only, for_everyone, form_page, link_page, secret_code
from accounts.errors import BadCode, BadCredentials, OtherBrowser, TokenUnusable
from accounts.forms import AskForMailForm, LoginCodeForm, RememberForm
from accounts.models import MailedLogin
from accounts.redirects import next_url, redirect_with_next, requested_next
from accounts.services import mailed_login
from accounts.views.finish import finish
from bottomline.caller import caller_of
from bottomline.forms import posted, render_form
from bottomline.sessions.request import Request


@form_page
@anonymous_only
def ask(request: HttpRequest) -> HttpResponse:
    caller = caller_of(request)
    form = AskForMailForm(posted(request), caller=caller)
    if form.is_valid():
        kept = mailed_login.request(
            form.cleaned_data["email"],
            language=get_language_from_request(request),
            caller=caller,
            browser=kept_by(request),
        )
        return on_its_way(request, kept)
    context = {"form": form, "next": requested_next(request)}
    return render_form(request, "accounts/mailed_login/ask.html", context)


def on_its_way(request: HttpRequest, browser: str) -> HttpResponse:
    """On to the one answer for every address, where the code is typed; loading it sends nothing."""
    response = redirect_with_next("accounts:login_code", requested_next(request))
    if browser:  # or what was mailed before is still good
        keep_mailed_login(response, browser)
    return response


@form_page
@secret_code
@anonymous_only
def type_code(request: Request) -> HttpResponse:
    form = LoginCodeForm(posted(request))
    if form.is_valid():
        try:
            asked = mailed_login.use_code(
                form.cleaned_data["code"], kept_by(request), caller=caller_of(request)
            )
            return _enter(request, asked, form, method="code")
        except (BadCode, BadCredentials):
            form.add_error("code", BadCode.message)
    context = {"form": form, "next": requested_next(request)}
    return render_form(request, "accounts/mailed_login/code.html", context)


@form_page
@for_everyone
@link_page
def open_link(request: Request, token: str) -> HttpResponse:
    """Where the mailed link lands. A button, because mail scanners open links."""
    caller, browser = caller_of(request), kept_by(request)
    form = RememberForm(posted(request))
    try:
        if not form.is_valid():
            asked = mailed_login.open_link(token, browser, caller=caller)
            context = {"form": form, "email": asked.sent_to}
            return render(request, "accounts/mailed_login/link.html", context)
        asked = mailed_login.use_link(token, browser, caller=caller)
        return _enter(request, asked, form, method="link")
    except OtherBrowser:
        status = 403 if form.is_bound else 200
        return render(request, "accounts/mailed_login/other_browser.html", status=status)
    except (TokenUnusable, BadCredentials):
        return render(request, "accounts/mailed_login/unusable.html", status=410)


def _enter(
    request: Request, asked: MailedLogin, form: RememberForm, *, method: str
) -> HttpResponse:
    """Log in whoever has proved the mailbox, or have them choose a name to sign up with."""
    user = mailed_login.owner_of(asked)
    if user is None:
        to_join = redirect("invites:join")
        forget_google(to_join)  # or that page would go by what was proved there
        return to_join
    response = finish(
        request,
        user,
        method=method,
        caller=caller_of(request),
        remember=form.cleaned_data["remember"],
        next_url=next_url(request),
    )
    forget_mailed_login(response)
    return response
