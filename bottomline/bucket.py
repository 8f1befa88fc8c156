"""Files of members in a bucket (S3, or what speaks like it) instead of a folder: STORAGE_URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import File
from storages.backends.s3 import S3Storage


@contextmanager
def _told() -> Iterator[None]:
    """Raise what a disk would, so that nobody above needs to know which it is."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise ConnectionError("the bucket does not answer as it should") from error


class Bucket(S3Storage):
    def get_default_settings(self) -> dict[str, Any]:
        # Its own defaults wait a minute and try five times, with a thread of ours waiting along.
        # Checksums beyond what S3 requires are unknown to some that speak like it.
        config = Config(
            connect_timeout=1,
            read_timeout=3,
            retries={"total_max_attempts": 2},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        return super().get_default_settings() | {
            "client_config": config,
            # Names are random, so none is looked for before it is written.
            "file_overwrite": True,
            # Pictures are less. Of an export no more is in memory: the rest waits on the disk.
            "max_memory_size": 256 * 1024,
            "use_threads": False,  # which would fetch faster than it is written there
        }

    def _open(self, name: str, mode: str = "rb") -> File:
        with _told():
            # Opened once more is fetched: whoever reads it later meets no outage.
            return super()._open(name, mode).open()

    def _save(self, name: str, content: File) -> str:
        with _told():
            return super()._save(name, content)

    def delete(self, name: str) -> None:
        with _told():
            super().delete(name)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        with _told():
            return super().listdir(path)

    def get_modified_time(self, name: str) -> datetime:
        with _told():
            return super().get_modified_time(name)
