"""The one Redis that sessions live in, and what each of its keys is called."""

from hashlib import sha256

from django_redis import get_redis_connection
from redis import Redis


def client() -> Redis:
    return get_redis_connection("sessions")


def digest_of(sid: str) -> str:
    """What Redis knows a session by. Redis never holds an id a browser could use."""
    return sha256(sid.encode()).hexdigest()


def session_key(digest: str) -> str:
    return f"session:{digest}"


def index_key(user_id: object) -> str:
    """The sorted set of a user's live sessions: their digests, scored by absolute expiry."""
    return f"sessions:{user_id}"
