"""Where anything about a person could be: every table, both Redis and the broker, every file."""

import io
import json
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from redis import Redis

from bottomline.sessions.redis import client


def places_with(*words: str) -> set[str]:
    """The names of all places that hold one of these words, in whatever case."""
    lowered = [word.lower() for word in words]
    return {place for place, text in everything() if any(word in text.lower() for word in lowered)}


def everything() -> Iterator[tuple[str, str]]:
    yield from _tables()
    yield from _redis()
    yield from _files()


def _tables() -> Iterator[tuple[str, str]]:
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in cursor.description or ()]
            for row in cursor.fetchall():
                for column, value in zip(columns, row, strict=True):
                    yield f"{table}.{column}", _text(value)


def _redis() -> Iterator[tuple[str, str]]:
    pool = client().connection_pool
    for name in client().info("keyspace"):
        options = {**pool.connection_kwargs, "db": int(name.removeprefix("db"))}
        path = options.pop("path")
        with Redis(unix_socket_path=path, db=options["db"]) as redis:
            for key in redis.scan_iter():
                yield f"redis {name}", _text(key) + _text(_value(redis, key))


def _value(redis: Redis, key: bytes) -> Any:
    return {
        b"string": lambda: redis.get(key),
        b"hash": lambda: redis.hgetall(key),
        b"zset": lambda: redis.zrange(key, 0, -1),
        b"set": lambda: redis.smembers(key),
        b"list": lambda: [_message(raw) for raw in redis.lrange(key, 0, -1)],
    }[redis.type(key)]()


def _message(raw: bytes) -> str:
    """A task on its way, with its arguments, which Celery packs once more."""
    with suppress(ValueError, KeyError, TypeError):
        return _text(raw) + _text(b64decode(json.loads(raw)["body"]))
    return _text(raw)


def _files() -> Iterator[tuple[str, str]]:
    for file in Path(settings.MEDIA_ROOT).rglob("*"):
        if file.is_file():
            yield f"file {file.name}", _text(file.name) + _text(file.read_bytes())
            with (
                suppress(zipfile.BadZipFile),
                zipfile.ZipFile(io.BytesIO(file.read_bytes())) as zip_,
            ):
                for name in zip_.namelist():
                    yield f"{name} in file {file.name}", _text(zip_.read(name))


def _text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return str(value)
