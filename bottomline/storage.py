from functools import cached_property, lru_cache

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """Static files named by their content, each name worked out once.

    A page names nine of them, and to build one address costs as much as to render a form field.
    """

    def url(self, name: str | None, force: bool = False) -> str:
        return self._urls(name, force)

    @cached_property
    def _urls(self):
        return lru_cache(maxsize=256)(super().url)
