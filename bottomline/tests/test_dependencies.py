"""docs/dependencies.md says what we depend on: its tables are compared with the code."""

import re
from pkgutil import resolve_name

import pytest
from django.conf import settings
from django_redis import get_redis_connection
from redis.exceptions import MaxConnectionsError

from accounts import breaches, hashers
from bottomline.database import LONGEST_WAIT, BoundedConnection
from bottomline.tests.documents import column, table
from bottomline.tests.environment import need
from bottomline.tests.test_architecture import ROOT
from conftest import Visitor
from docs import sbom

PAGE = "dependencies.md"


def connections(to: str) -> str:
    """What the table says of one of them, in one line."""
    [row] = [row for row in table(PAGE, "to", "from") if row["to"].startswith(to)]
    return " | ".join(row.values())


# --- connections ---


@pytest.mark.asvs("13.1.2")
@pytest.mark.asvs("13.1.3")
def test_how_many_connections_there_may_be_and_how_long_we_wait_is_what_is_set():
    for name in ("default", "sessions"):
        options = settings.CACHES[name]["OPTIONS"]
        assert options["CONNECTION_POOL_KWARGS"] == {"max_connections": 100}
        assert (options["SOCKET_CONNECT_TIMEOUT"], options["SOCKET_TIMEOUT"]) == (0.3, 0.5)
        assert get_redis_connection(name).connection_pool.max_connections == 100
    assert "100 in a pool" in connections("Redis for limits")
    assert "0.3 s to connect, 0.5 s an answer" in connections("Redis for sessions")
    assert f"| {breaches.AT_ONCE} | {breaches.LONGEST:.0f} s in all" in connections("breach")
    assert f"| {settings.EMAIL_TIMEOUT} s |" in connections("mail server")
    assert f"{settings.CELERY_BROKER_CONNECTION_TIMEOUT} s to connect" in connections("broker")
    for file in ("Dockerfile", "bottomline/local.py"):
        text = (ROOT / file).read_text()
        assert "--blocking-threads 96 --backpressure 128" in text  # as the page says
    assert all(all(row.values()) for row in table(PAGE, "to", "from"))


@pytest.mark.asvs("13.1.2")
@pytest.mark.asvs("13.2.6")
def test_the_databases_pool_is_what_is_set():
    need("PostgreSQL")
    options = settings.DATABASES["default"]["OPTIONS"]
    pool = options["pool"]
    said = connections("PostgreSQL")
    assert f"| {pool['max_size']}, in a pool | {pool['timeout']} s for one" in said
    assert f"{options['connect_timeout']} s to connect" in said
    assert options["options"] == "-c statement_timeout=5000 -c lock_timeout=2000"
    assert "5 s a statement, 2 s a lock" in said
    assert pool["connection_class"] is BoundedConnection
    assert f"{LONGEST_WAIT:.0f} s for any answer at all" in said


@pytest.mark.asvs("13.2.6")
def test_where_all_connections_are_taken_the_answer_is_503_and_then_it_goes_on(
    db: None, client: Visitor
):
    pool = get_redis_connection("default").connection_pool
    typed = {"email": "a@example.org", "password": "not the password at all"}
    taken = []
    try:
        for _ in range(100):
            taken.append(pool.get_connection())
        with pytest.raises(MaxConnectionsError):
            pool.get_connection()
        response = client.post("/login/", typed)
        assert response.status_code == 503
        assert int(response["Retry-After"]) >= 1
        assert client.get("/login/").status_code == 200
    finally:
        for connection in taken:
            pool.release(connection)
    assert client.post("/login/", typed).status_code == 422


# --- third-party components ---


@pytest.mark.asvs("15.1.4")
def test_every_package_we_chose_is_among_the_components():
    chosen = re.findall(r"^([\w-]+)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    assert set(chosen) <= set(column(PAGE, "component"))
    for row in table(PAGE, "component"):
        assert all(row.values()), row


@pytest.mark.asvs("15.1.2")
def test_the_bill_of_materials_has_every_package_with_its_version_and_no_other():
    pinned = sbom.PINNED.read_text()
    bill = sbom.bill_of_materials(pinned)
    found = [f"{part['name']}=={part['version']}" for part in bill["components"]]

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    lines = [line for line in pinned.splitlines() if line and line[0] not in "# "]
    assert len(found) == len(lines) > 20
    for name, line in zip(found, lines, strict=True):
        assert re.sub(r"\[.*]", "", line).startswith((f"{name} ", f"{name};")), line
    for part in bill["components"]:
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}"
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", part["name"])


@pytest.mark.asvs("15.1.2")
def test_every_file_of_a_package_is_known_by_its_hash():
    for file in ("requirements.txt", "requirements-dev.txt"):
        pins = re.split(r"^(?=\S)", (ROOT / file).read_text(), flags=re.MULTILINE)
        packages = [pin for pin in pins if "==" in pin.partition("\n")[0]]
        assert packages
        assert [pin for pin in packages if "--hash=sha256:" not in pin] == []
        assert "index-url" not in "".join(pins)


@pytest.mark.asvs("15.1.3")
def test_how_long_a_hash_is_waited_for_is_what_is_set():
    [hashing] = [row for row in table(PAGE, "what", "why") if "Hasher" in row["what"]]
    said = (
        f"a door that holds {hashers.HELD}, and has them wait {hashers.LONGEST_WAIT:.0f} s at most"
    )
    assert said in hashing["what stands before it"]


@pytest.mark.asvs("15.1.3")
@pytest.mark.asvs("15.1.5")
def test_what_costs_much_and_what_is_dangerous_is_there():
    for row in (
        *table(PAGE, "what", "why", "what stands before it"),
        *table(PAGE, "what", "why", "how it is held"),
    ):
        name = row["what"]
        if name != "bottomline.pictures.redraw":  # a program of its own, which limits its process
            assert resolve_name(name), row
        else:
            assert (ROOT / f"{name.replace('.', '/')}.py").exists()
