"""Files of members, in Django's default storage: a folder, or a bucket where one is named."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.files.storage import default_storage

from bottomline.errors import Unavailable


@contextmanager
def reachable() -> Iterator[None]:
    """A disk that is full, or not there, is answered 503 like everything that is away."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable("storage_away") from error


def list_names(folder: str) -> list[str]:
    """The names of the files in a folder, which is made with the first of them."""
    try:
        return default_storage.listdir(folder)[1]
    except FileNotFoundError:
        return []
