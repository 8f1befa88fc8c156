"""Write the keys and passwords of `docker compose up`, once, into a folder for each service.

Nobody has to invent, type or copy a secret, none is in an environment variable or an image, and
a service sees its own folder alone. A second run changes nothing.

    docker compose run --rm secrets --new-secret-key
    docker compose up -d --force-recreate web worker bulk-worker scheduler

exchanges the signing key. The old one still verifies: links in mails and sessions go on working.
Empty the file secret_key_fallbacks when the longest of them has run out, but read "Key rotation" in
docs/operating.md before: who wanted no more invites is known by that key alone.
"""

import secrets
import sys
from pathlib import Path

REDIS_USER = """\
user default off
user bottomline on >{password} ~* &* +@all -@admin -@dangerous +info
"""

# The running application can read and write rows; only migrations can change the schema.
DATABASE_ROLES = """\
CREATE ROLE bottomline_owner LOGIN PASSWORD '{owner}';
CREATE ROLE bottomline LOGIN PASSWORD '{password}';
REVOKE ALL ON DATABASE bottomline FROM PUBLIC;
GRANT CONNECT ON DATABASE bottomline TO bottomline_owner, bottomline;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO bottomline_owner;
GRANT USAGE ON SCHEMA public TO bottomline;
ALTER DEFAULT PRIVILEGES FOR ROLE bottomline_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO bottomline;
ALTER DEFAULT PRIVILEGES FOR ROLE bottomline_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO bottomline;
"""

# The first user is made from this file, so the one called guest never exists.
BROKER = """\
default_vhost = bottomline
default_user = bottomline
default_pass = {password}
default_user_tags.administrator = false
default_user_tags.monitoring = true
default_permissions.configure = .*
default_permissions.write = .*
default_permissions.read = .*
"""


def main(root: Path, arguments: list[str]) -> None:
    app = root / "app"
    if not (app / "complete").exists():
        write_all(root)
    elif arguments == ["--new-secret-key"]:
        exchange_secret_key(app)


def write_all(root: Path) -> None:
    owner, database, sessions, cache, broker = (secrets.token_hex(32) for _ in range(5))

    write(root / "postgres/superuser_password", secrets.token_hex(32))
    write(root / "postgres/roles.sql", DATABASE_ROLES.format(owner=owner, password=database))
    for name, password in {"redis-sessions": sessions, "redis-cache": cache}.items():
        write(root / name / "users.acl", REDIS_USER.format(password=password))
        write(root / name / "password", password)
    write(root / "rabbitmq/rabbitmq.conf", BROKER.format(password=broker))

    migrate = root / "migrate"
    # Migrations sign nothing, so they get a key of their own that opens nothing.
    write(migrate / "secret_key", secrets.token_urlsafe(64))
    write(
        migrate / "database_url",
        f"postgres://bottomline_owner:{owner}@postgres:5432/bottomline"
        # A migration may take long; it must not wait long for a lock that others need.
        "?options=-c%20lock_timeout%3D2000",
    )

    app = root / "app"
    write(app / "secret_key", secrets.token_urlsafe(64))
    write(app / "secret_key_fallbacks", "")
    write(app / "database_url", f"postgres://bottomline:{database}@postgres:5432/bottomline")
    write(app / "redis_url", f"redis://bottomline:{sessions}@redis-sessions:6379/0")
    write(app / "redis_cache_url", f"redis://bottomline:{cache}@redis-cache:6379/0")
    write(app / "celery_broker_url", f"amqp://bottomline:{broker}@rabbitmq:5672/bottomline")
    # Last, so that a run which was killed is simply done again: no service has started before.
    write(app / "complete", "")


def exchange_secret_key(app: Path) -> None:
    retired = [(app / "secret_key").read_text(), (app / "secret_key_fallbacks").read_text()]
    # First the old key moves aside, then the new one takes its place: killed in between, the key
    # is there twice, never lost.
    write(app / "secret_key_fallbacks", ",".join(key for key in retired if key))
    write(app / "secret_key", secrets.token_urlsafe(64))


def write(path: Path, text: str) -> None:
    """Put the whole text there or nothing; readable by the user its service runs as."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.chmod(0o444)
    new.replace(path)


if __name__ == "__main__":
    main(Path("/secrets"), sys.argv[1:])
