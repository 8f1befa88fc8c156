from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, str]:
    return {
        "support_url": settings.SUPPORT_URL,
        # What the other door is called, where there is one.
        "google": settings.GOOGLE_NAME if settings.GOOGLE_CLIENT_ID else "",
        "mailbox_url": "/dev/mailbox/" if settings.DEBUG else "",
    }
