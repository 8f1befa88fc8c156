from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.cookies import keep_mailed_login, kept_by, own_secret
from accounts.decorators import credentials, form_page, post_only, secret_code
from accounts.errors import BadCode, BadPasskey, TooManyProofs, WrongCode, WrongPassword
from accounts.forms import FactorForm, MailedCodeForm, PasskeyForm, ReauthForm
from accounts.redirects import next_url, redirect_with_next, requested_next
from accounts.requests import MemberRequest
from accounts.services import mailed_login, passkey_proofs, reauth
from bottomline.caller import caller_of
from bottomline.forms import posted, render_form

# What is typed, by what it proves.
FORMS: dict[str, tuple[type[forms.Form], str]] = {
    reauth.PASSKEY: (PasskeyForm, "credential"),
    reauth.PASSWORD: (ReauthForm, "password"),
    reauth.APP: (FactorForm, "code"),
    reauth.MAIL: (MailedCodeForm, "code"),
}


@form_page
@credentials
@secret_code
def prove(request: MemberRequest) -> HttpResponse:
    """Asks once more for what only the member knows or has; then back to what they were doing."""
    proofs = reauth.list_proofs(request.user)
    if not proofs:
        return render(request, "accounts/reauth/nothing.html")
    asked = request.POST.get("by") or request.GET.get("by", "")
    by = asked if asked in proofs else proofs[0]
    form_of, field = FORMS[by]
    form = form_of(posted(request))
    if form.is_valid():
        try:
            reauth.prove(
                request.user,
                by,
                form.cleaned_data[field],
                request.session,
                caller=caller_of(request),
                browser=own_secret(request) if by == reauth.PASSKEY else kept_by(request),
            )
        except (BadPasskey, WrongPassword, WrongCode, BadCode) as refusal:
            form.add_error(field, refusal.message)
        except TooManyProofs as refusal:
            messages.error(request, refusal.message)
            return redirect("accounts:login")
        else:
            return redirect(next_url(request))
    context = {
        "form": form,
        "field": form[field],
        "by": by,
        "others": [proof for proof in proofs if proof != by],
        "is_mailed": bool(kept_by(request)),
        "next": requested_next(request),
    }
    if by == reauth.PASSKEY:
        context["passkey"] = passkey_proofs.ask_again(request.user, own_secret(request))
    return render_form(request, "accounts/reauth/prove.html", context)


@post_only
def send_code(request: MemberRequest) -> HttpResponse:
    """Mails a code to whoever has nothing else to prove it by, and back to where it is typed."""
    response = redirect_with_next("accounts:reauth", requested_next(request))
    if reauth.MAIL in reauth.list_proofs(request.user):
        browser = mailed_login.request(
            request.user.email, language=request.user.language, caller=caller_of(request)
        )
        if browser:  # or what was mailed before is still good
            keep_mailed_login(response, browser)
    return response
