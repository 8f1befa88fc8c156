from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form binds to: even an empty POST is an attempt, and its mistakes are shown."""
    return request.POST if request.method == "POST" else None


def render_form(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page of a form: 200; 422 with its mistakes; 429 where a ChallengeForm lacks the work."""
    form = context["form"]
    retry_after = getattr(form, "retry_after", None)
    status = 429 if retry_after else 422 if form.is_bound else 200
    response = render(request, template, context, status=status)
    if retry_after:
        response["Retry-After"] = str(retry_after)
    return response
