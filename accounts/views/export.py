from uuid import UUID

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from accounts.decorators import form_page, fresh_proof, page
from accounts.errors import ExportTooSoon
from accounts.requests import MemberRequest
from accounts.services import export
from bottomline.caller import caller_of

HERE = "/account/export/"


@form_page
def mine(request: MemberRequest) -> HttpResponseBase:
    """What a copy of one's data holds, how far it is, and the button that asks for one."""
    return _ask(request) if request.method == "POST" else _show(request)


@page
@fresh_proof(back=HERE)
def download(request: MemberRequest, export_id: UUID) -> HttpResponseBase:
    found = export.find(request.user, export_id)
    if found is None:
        raise Http404
    try:
        file = export.open_file(found, caller=caller_of(request))
    except FileNotFoundError:
        return render(request, "accounts/export/gone.html", status=410)
    name = f"bottomline-{found.requested_at:%Y-%m-%d}.zip"
    return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")


@fresh_proof(back=HERE)
def _ask(request: MemberRequest) -> HttpResponse:
    try:
        export.request(request.user, caller=caller_of(request))
    except ExportTooSoon as refusal:
        response = _show(request, status=429)
        response["Retry-After"] = str(int((refusal.until - timezone.now()).total_seconds()) + 1)
        return response
    messages.success(
        request, "We are making your copy. You get a mail when it can be downloaded here."
    )
    return redirect("accounts:export")


def _show(request: MemberRequest, *, status: int = 200) -> HttpResponse:
    context = {"export": export.find_latest(request.user)}
    return render(request, "accounts/export/mine.html", context, status=status)
