"""The fastest answer the server can give: what every other figure is a part of."""

BODY = b'{"user": {"id": "00000000-0000-0000-0000-000000000000", "username": "bench"}}'
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]


def application(environ, start_response):
    start_response("200 OK", HEADERS)
    return [BODY]
