from django.contrib.auth.backends import ModelBackend


class PermissionsBackend(ModelBackend):
    """Permissions and loading users. It lets nobody in: `services.login.complete` does that."""

    def authenticate(self, request, **credentials):  # type: ignore[no-untyped-def]
        return None
