from typing import Any

from django.contrib.auth.backends import ModelBackend


class PermissionsBackend(ModelBackend):
    """Permissions and loading users. It lets nobody in: `services.login.complete` does that."""

    def authenticate(self, request: Any, *args: Any, **credentials: Any) -> None:
        return None
