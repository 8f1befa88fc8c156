"""The one Redis that sessions live in, and what each of its keys is called."""

import os
import threading
from hashlib import sha256

from django_redis import get_redis_connection
from redis import ConnectionPool, Redis
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as Disconnected

_own = threading.local()  # each thread's connection for reading, and the pool it was made for


def client() -> Redis:
    return get_redis_connection("sessions")


def read_fields(key: str, *fields: str) -> list[bytes | None]:
    """The fields of a hash in one round trip. Raises RedisError or OSError in an outage.

    Every authenticated request asks this, and the client would spend as long on taking a
    connection from its pool and giving it back as on the question. So each thread keeps one of its
    own. That Redis closed it shows only when it is used; reading is harmless to repeat, once.
    """
    connection = _kept_connection()
    if connection is not None:
        try:
            return _ask(connection, key, *fields)
        except Disconnected:
            pass
    return _ask(_new_connection(), key, *fields)


def _kept_connection() -> AbstractConnection | None:
    kept = getattr(_own, "connection", None)
    # Not a parent process's socket, nor one to a primary that Sentinel has since replaced.
    if kept is None or kept.pid != os.getpid() or _own.target != _target(client().connection_pool):
        return None
    return kept


def _new_connection() -> AbstractConnection:
    pool = client().connection_pool
    # Not pool.make_connection(), which would count it against the pool's limit for ever.
    connection = pool.connection_class(**pool.connection_kwargs)
    connection.connect()
    _own.connection, _own.target = connection, _target(pool)
    return connection


def _target(pool: ConnectionPool) -> tuple[object, ...]:
    return pool, getattr(pool, "master_address", None)


def _ask(connection: AbstractConnection, key: str, *fields: str) -> list[bytes | None]:
    try:
        connection.send_command("HMGET", key, *fields)
        return connection.read_response()
    except BaseException:
        # An answer still on its way would be taken for that of the next question.
        _own.connection = None
        connection.disconnect()
        raise


def digest_of(sid: str) -> str:
    """What Redis knows a session by. Redis never holds an id a browser could use."""
    return sha256(sid.encode()).hexdigest()


def session_key(digest: str) -> str:
    return f"session:{digest}"


def index_key(user_id: object) -> str:
    """The sorted set of a user's live sessions: their digests, scored by absolute expiry."""
    return f"sessions:{user_id}"
