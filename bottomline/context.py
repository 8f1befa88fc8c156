from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, str]:
    return {
        "support_url": settings.SUPPORT_URL,
        "mailbox_url": "/dev/mailbox/" if settings.DEBUG else "",
    }
