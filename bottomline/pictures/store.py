"""Where the squares are kept: Django's default storage, under names that only we choose."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from bottomline.files import list_names, reachable
from bottomline.pictures.redraw import SIZES
from bottomline.tokens import new_public_id

log = logging.getLogger(__name__)

FOLDER = "pictures"
NAME = re.compile(r"([0-9a-f]{32})-(?:" + "|".join(map(str, SIZES)) + r")\.webp")

# A file is written before the row that names it, so for a moment it looks like an orphan.
SETTLED_AFTER = timedelta(hours=1)


def keep(squares: dict[int, bytes]) -> UUID:
    """Write the squares under a new random name, and say which. Raises Unavailable."""
    name = new_public_id()
    with reachable():
        for size, content in squares.items():
            default_storage.save(_path(name, size), ContentFile(content))
    return name


def read(name: UUID, size: int) -> bytes | None:
    """A square, or None where there is no such file. Raises Unavailable."""
    with suppress(FileNotFoundError), reachable(), default_storage.open(_path(name, size)) as file:
        return file.read()
    return None


def remove(name: UUID) -> None:
    """Delete the squares of that name; there may be none."""
    for size in SIZES:
        default_storage.delete(_path(name, size))


def prune(in_use: Callable[[list[UUID]], set[UUID]]) -> int:
    """Delete what nobody uses any more, a crash having come between; returns how many names."""
    removed = 0
    for names in _batches(_settled_names()):
        for orphan in set(names) - in_use(names):
            remove(orphan)
            removed += 1
    if removed:
        log.info("pictures.pruned", extra={"removed": removed})
    return removed


def _settled_names() -> Iterator[UUID]:
    before = timezone.now() - SETTLED_AFTER
    for file in list_names(FOLDER):
        named = NAME.fullmatch(file)
        if named is None:
            continue
        with suppress(FileNotFoundError):  # removed since we looked
            if default_storage.get_modified_time(f"{FOLDER}/{file}") < before:
                yield UUID(named[1])


def _batches(names: Iterator[UUID], size: int = 500) -> Iterator[list[UUID]]:
    batch: list[UUID] = []
    for name in names:
        batch.append(name)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _path(name: UUID, size: int) -> str:
    return f"{FOLDER}/{name.hex}-{size}.webp"
