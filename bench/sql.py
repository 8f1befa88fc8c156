"""How many SQL statements a Django site needs for one request: its second, when all is warm."""

import http.client
import importlib
import io
import json
import sys
from typing import Any

from django.conf import settings
from django.db import connection


def main(module: str) -> None:
    asked = json.load(sys.stdin)
    application = importlib.import_module(module).application
    if not settings.configured:  # no Django, no SQL
        return print(0)

    statements = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    _ask(application, asked)
    with connection.execute_wrapper(note):
        status = _ask(application, asked)
    if int(status.split()[0]) >= http.client.BAD_REQUEST:
        sys.exit(f"{module} answered {status} to {asked['method']} {asked['url']}")
    return print(len(statements))


def _ask(application: Any, asked: dict[str, Any]) -> str:
    body = asked.get("body", "").encode()
    environ = {
        "REQUEST_METHOD": asked["method"],
        "PATH_INFO": asked["url"],
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": asked["headers"]["Host"].partition(":")[2],
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": asked["headers"].get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }
    environ |= {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in asked["headers"].items()
    }
    statuses: list[str] = []
    response = application(environ, lambda status, headers, error=None: statuses.append(status))
    b"".join(response)
    if hasattr(response, "close"):
        response.close()
    return statuses[0]


if __name__ == "__main__":
    main(sys.argv[1])
