from django.http import HttpRequest, QueryDict


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form binds to: even an empty POST is an attempt, and its mistakes are shown."""
    return request.POST if request.method == "POST" else None
