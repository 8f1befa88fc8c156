"""What `manage.py check --deploy` says about the environment, beyond Django's own checks."""

import os
from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.security, deploy=True)
def check_public(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """The settings that a public site must have and that nothing else would notice missing."""
    found: list[checks.CheckMessage] = []
    if not settings.IS_HTTPS:
        found.append(
            checks.Error(
                "SITE_URL is not https, so cookies travel readable.",
                hint="Put a proxy with a certificate in front and set SITE_URL=https://…",
                id="bottomline.E001",
            )
        )
    if settings.EMAIL_BACKEND.startswith("bottomline."):
        found.append(
            checks.Error(
                "No mail leaves: EMAIL_URL names no server.",
                hint="Set EMAIL_URL=smtps://user:password@mail.example.org:465",
                id="bottomline.E002",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            checks.Error(
                "ALLOWED_HOSTS admits every name.",
                hint="List the names members type.",
                id="bottomline.E003",
            )
        )
    if settings.BREACHED_PASSWORDS.startswith("http://"):
        found.append(
            checks.Error(
                "BREACHED_PASSWORDS is not https, so parts of password hashes travel readable.",
                hint="Set BREACHED_PASSWORDS=https://api.pwnedpasswords.com/range/",
                id="bottomline.E004",
            )
        )
    elif settings.BREACHED_PASSWORDS and not _can_be_asked(settings.BREACHED_PASSWORDS):
        found.append(
            checks.Error(
                "BREACHED_PASSWORDS names no file that can be read.",
                hint="It is the path of a file of SHA-1 hashes, or the address of a service.",
                id="bottomline.E005",
            )
        )
    if settings.TRUSTED_PROXY_COUNT == 0:
        found.append(
            checks.Warning(
                "TRUSTED_PROXY_COUNT is 0: behind a proxy every visitor would share one limit.",
                hint="Set it to the number of proxies of yours that append to X-Forwarded-For.",
                id="bottomline.W001",
            )
        )
    if any(not network.prefixlen for network in settings.ADMIN_NETWORKS):
        found.append(
            checks.Error(
                "ADMIN_NETWORKS names a network of every address there is.",
                hint="Name those that staff work from, or leave it empty.",
                id="bottomline.E006",
            )
        )
    return found


def _can_be_asked(where: str) -> bool:
    return where.startswith("https://") or os.access(where, os.R_OK)
