"""What somebody had typed when they were asked to prove who they are.

It is shown to them again when they come back, and never acted on by itself.
"""

from typing import Any

from django.http import QueryDict

from bottomline.sessions.request import Request

KEY = "typed"
MOST = 2000  # characters; a session is to stay small
SECRET = ("password", "current", "repeated", "code", "credential", "csrf")


def keep(request: Request) -> None:
    """Keep what was posted, but no proof of anything, for when the page is shown again."""
    fields = {
        name: request.POST.getlist(name)
        for name in request.POST
        if not any(word in name for word in SECRET)
    }
    if sum(len(text) for name in fields for text in (name, *fields[name])) <= MOST:
        request.session[KEY] = {"path": request.path, "fields": fields}


def take(request: Request) -> dict[str, Any]:
    """What was typed on this page, as a form's initial values; once."""
    kept = request.session.get(KEY)
    if request.method != "GET" or not kept or kept["path"] != request.path:
        return {}
    del request.session[KEY]
    typed = QueryDict(mutable=True)
    for name, values in kept["fields"].items():
        typed.setlist(name, values)
    return typed.dict()
