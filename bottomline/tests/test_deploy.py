"""The container image, the compose file and what they start agree with each other and with us."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import pytest
import redis
import yaml
from django.conf import settings

from bottomline.local import HEAD_LIMITS
from bottomline.tests.environment import missing

ROOT = Path(__file__).resolve().parents[2]

# What settings.py reads. A name outside this list would be set and silently do nothing.
OURS = set(
    re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "bottomline" / "settings.py").read_text())
)
READ_BY_CELERY = {"REMAP_SIGTERM"}
READ_BY_COMPOSE = {"NGINX_FRONT", "HTTPS_PORT"}
SECRET = {"SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE_URL", "REDIS_URL", "REDIS_CACHE_URL"}

WORKERS = ["worker", "bulk-worker"]
APPLICATION = ["web", *WORKERS, "scheduler", "migrate"]
HARDENED = [*APPLICATION, "secrets", "nginx", "redis-sessions", "redis-cache", "mailpit"]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def services(compose):
    return compose["services"]


@pytest.fixture(scope="module")
def dockerfile():
    """The instructions of the Dockerfile, continued lines joined: [(name, arguments), ...]."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    joined = text.replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


@pytest.fixture
def kept(tmp_path):
    """The folder that `docker compose up` fills with keys and passwords on its first run."""
    run_make_secrets(tmp_path)
    return tmp_path


def run_make_secrets(folder, *arguments):
    program = (
        "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1]);"
        "import make_secrets, pathlib;"
        "make_secrets.main(pathlib.Path(sys.argv[2]), sys.argv[3:])"
    )
    command = [sys.executable, "-c", program, str(ROOT / "deploy"), str(folder), *arguments]
    subprocess.run(command, check=True)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def names_in(environment):
    return {name.removesuffix("_FILE") for name in environment}


# --- docker-compose.yml and .env.example --------------------------------------------------------


def test_the_compose_file_follows_the_compose_specification(compose):
    # schema/compose-spec.json of github.com/compose-spec/compose-spec, under the Apache licence
    # beside it, as shipped unchanged in check-jsonschema 0.39.0.
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(compose)


def test_the_compose_file_sets_no_variable_that_nobody_reads(services):
    for name in APPLICATION:
        assert names_in(services[name]["environment"]) <= OURS | READ_BY_CELERY

    text = (ROOT / "docker-compose.yml").read_text()
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) <= OURS | READ_BY_COMPOSE


def test_the_example_environment_names_every_variable_and_no_other():
    named = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert set(named) == OURS | READ_BY_COMPOSE


def test_the_readme_has_every_variable_and_no_other():
    rows = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(OURS)


def test_what_may_be_turned_in_the_example_environment_reaches_the_containers(compose):
    text = (ROOT / ".env.example").read_text()
    [kept_from_them] = re.findall(
        r"^# --- Only without docker compose.*?(?=^# ---)", text, re.M | re.S
    )
    named = re.findall(r"^#?([A-Z_]+)=", text.replace(kept_from_them, ""), re.MULTILINE)
    set_by_image = {"METRICS_DIR", "METRICS_PORT"}  # and by the workers
    given = names_in(compose["x-environment"]) | READ_BY_COMPOSE | set_by_image | {"PORT"}
    assert set(named) <= given


def test_the_example_environment_has_a_value_for_all_that_compose_requires():
    required = re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text())
    given = re.findall(r"^([A-Z_]+)=\S", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert set(required) == set(given)


@pytest.mark.parametrize("name", HARDENED)
def test_a_container_can_neither_write_nor_gain_rights(services, name):
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])
    assert "privileged" not in service


@pytest.mark.parametrize("name", [name for name in HARDENED if name != "secrets"])
def test_a_container_does_not_run_as_root(services, name):
    assert not str(services[name]["user"]).startswith(("0", "root"))


@pytest.mark.asvs("13.3.1")
def test_no_password_is_in_an_environment_variable(services):
    for service in services.values():
        environment = service.get("environment", {})
        assert not SECRET & set(environment)
        named = {n for n in environment if "PASS" in n and not n.endswith("_FILE")}
        assert named <= {"PASSWORD_MIN_LENGTH", "BREACHED_PASSWORDS"}


@pytest.mark.asvs("13.3.2")
def test_a_container_sees_no_secrets_but_its_own(services):
    for name, service in services.items():
        volumes = [v.split(":")[0] for v in service.get("volumes", [])]
        seen = {v for v in volumes if v.startswith("secrets-")}
        if name == "secrets":
            continue
        own = "app" if name in {"web", *WORKERS, "scheduler"} else name
        assert seen <= {f"secrets-{own}"}, name


def test_every_secret_file_that_is_named_is_made(services, kept):
    for name in APPLICATION:
        folder = kept / ("migrate" if name == "migrate" else "app")
        for variable, path in services[name]["environment"].items():
            if variable.endswith("_FILE") and path:
                assert (folder / Path(path).name).exists(), variable


def test_nothing_serves_before_the_schema_is_there(services):
    for name in ["web", *WORKERS, "scheduler"]:
        waits = services[name]["depends_on"]
        assert waits["migrate"]["condition"] == "service_completed_successfully"
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_the_site_starts_without_the_broker(services):
    assert "rabbitmq" not in services["web"]["depends_on"]


@pytest.mark.asvs("3.5.4")
def test_only_the_proxy_is_reachable_from_other_machines(services):
    published = {name for name, service in services.items() if service.get("ports")}
    assert published == {"nginx", "mailpit"}
    assert all(port.startswith("127.0.0.1:") for port in services["mailpit"]["ports"])


@pytest.mark.asvs("13.2.4")
def test_the_data_has_no_way_out(compose, services):
    assert compose["networks"]["data"]["internal"] is True
    for name in ["postgres", "redis-sessions", "redis-cache", "rabbitmq"]:
        assert services[name]["networks"] == ["data"]


@pytest.mark.parametrize("name", [name for name in APPLICATION if name != "migrate"])
def test_a_stopping_container_gets_the_time_it_needs(services, dockerfile, name):
    command = dict(dockerfile)["CMD"]
    longest_request = int(re.search(r"--workers-kill-timeout (\d+)", command)[1])
    assert int(services[name]["stop_grace_period"].removesuffix("s")) > longest_request


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_finishes_what_it_is_at_when_it_is_stopped(services, name):
    assert services[name]["environment"]["REMAP_SIGTERM"] == "SIGQUIT"


@pytest.mark.asvs("15.4.4")
def test_each_queue_has_a_worker_that_has_no_other(services):
    served = {name: option(services[name]["command"], "--queues") for name in WORKERS}
    assert sorted(served.values()) == sorted(settings.CELERY_TASK_QUEUES)
    for name, queue in served.items():
        assert f'"{queue}@$$(hostname)"' in services[name]["healthcheck"]["test"][1]


def test_every_service_that_keeps_running_says_how_it_is(services):
    for name, service in services.items():
        # The image of the web server brings its own.
        if name not in {"migrate", "secrets", "web"}:
            assert service["healthcheck"]["test"], name


def test_the_sessions_are_on_the_disk_before_a_login_is_answered(services):
    command = services["redis-sessions"]["command"]
    assert option(command, "--appendonly") == "yes"
    assert option(command, "--appendfsync") == "always"
    assert "redis-sessions:/data" in services["redis-sessions"]["volumes"]


@pytest.mark.parametrize("name", ["redis-sessions", "redis-cache"])
def test_a_full_redis_forgets_nothing(services, name):
    assert option(services[name]["command"], "--maxmemory-policy") == "noeviction"


def option(command, name):
    return command[command.index(name) + 1]


# --- deploy/make_secrets.py ---------------------------------------------------------------------


def test_starting_again_keeps_every_secret(kept):
    before = contents(kept)
    run_make_secrets(kept)
    assert contents(kept) == before


def test_a_first_start_that_was_killed_is_done_again(kept):
    (kept / "app/complete").unlink()
    (kept / "app/redis_url").unlink()
    run_make_secrets(kept)
    assert (kept / "app/redis_url").exists()


@pytest.mark.asvs("13.2.3")
def test_no_two_installations_share_a_secret(kept, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    run_make_secrets(other)
    mine, theirs = contents(kept), contents(other)
    same = {name for name in mine if mine[name] == theirs[name]}
    assert same == {"app/complete", "app/secret_key_fallbacks"}


@pytest.mark.asvs("13.3.4")
def test_a_retired_secret_key_still_verifies(kept):
    first = (kept / "app/secret_key").read_text()
    run_make_secrets(kept, "--new-secret-key")
    second = (kept / "app/secret_key").read_text()
    run_make_secrets(kept, "--new-secret-key")

    assert len({first, second, (kept / "app/secret_key").read_text()}) == 3
    assert (kept / "app/secret_key_fallbacks").read_text() == f"{second},{first}"


def test_the_application_and_each_server_agree_on_the_password(kept):
    def password(name):
        return urlsplit((kept / name).read_text()).password

    assert password("app/redis_url") in (kept / "redis-sessions/users.acl").read_text()
    assert password("app/redis_cache_url") in (kept / "redis-cache/users.acl").read_text()
    assert password("app/celery_broker_url") in (kept / "rabbitmq/rabbitmq.conf").read_text()
    roles = (kept / "postgres/roles.sql").read_text()
    assert f"bottomline LOGIN PASSWORD '{password('app/database_url')}'" in roles
    assert f"bottomline_owner LOGIN PASSWORD '{password('migrate/database_url')}'" in roles


@pytest.fixture
def guarded_redis(kept):
    """A Redis server that knows only the user of docker-compose.yml; yields its address."""
    binary = shutil.which("redis-server") or missing("redis-server")
    unix_socket = Path("/tmp") / f"bottomline-{os.getpid()}-{time.monotonic_ns()}.sock"
    acl = kept / "redis-sessions/users.acl"
    server = subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", unix_socket, "--aclfile", acl, "--dir", kept],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: can_connect(socket.AF_UNIX, str(unix_socket)))
        yield unix_socket, (kept / "redis-sessions/password").read_text()
    finally:
        server.kill()
        server.wait()
        unix_socket.unlink(missing_ok=True)


@pytest.mark.asvs("13.2.2")
def test_the_application_can_use_its_redis_but_neither_empty_nor_reconfigure_it(guarded_redis):
    path, password = guarded_redis
    client = redis.Redis(unix_socket_path=str(path), username="bottomline", password=password)

    client.hset("session:x", mapping={"data": "1"})
    assert client.eval("return redis.call('hget', KEYS[1], 'data')", 1, "session:x") == b"1"
    for command in ["FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG GET *", "ACL LIST", "SHUTDOWN"]:
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command.split())


@pytest.mark.asvs("13.2.1")
def test_a_stranger_gets_nothing_from_redis(guarded_redis):
    path, _ = guarded_redis
    with pytest.raises(redis.exceptions.AuthenticationError):
        redis.Redis(unix_socket_path=str(path)).get("session:x")


def can_connect(family, address):
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not start"
        time.sleep(0.02)


# --- Dockerfile and .dockerignore ---------------------------------------------------------------


def test_the_image_runs_as_a_numbered_user_who_is_not_root(dockerfile):
    users = [arguments for name, arguments in dockerfile if name == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_signals_reach_the_server_itself(dockerfile):
    shell, flag, command = json.loads(dict(dockerfile)["CMD"])
    assert (shell, flag) == ("sh", "-c")
    assert command.startswith("exec granian ")


@pytest.mark.asvs("13.3.1")
def test_the_image_keeps_no_secret(dockerfile):
    for name, arguments in dockerfile:
        if name in {"ENV", "ARG"}:
            assert not re.search(r"SECRET|PASSWORD|TOKEN", arguments)


@pytest.mark.asvs("15.2.4")
def test_every_package_in_the_image_is_the_one_that_was_pinned(dockerfile):
    installs = [
        step
        for name, arguments in dockerfile
        if name == "RUN"
        for step in arguments.split("&&")
        if re.search(r"pip (?:install|wheel)", step)
    ]
    assert len(installs) == 4
    # The last one takes what the one before it has built, from a folder.
    assert all("--require-hashes" in step or "--no-index" in step for step in installs)


def test_the_line_that_builds_argon2_from_source_finds_its_pin(dockerfile):
    build = next(arguments for name, arguments in dockerfile if "argon2.txt" in arguments)
    expression = re.search(r"sed -n '([^']+)'", build)[1]
    command = ["sed", "-n", expression, ROOT / "requirements.txt"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    assert lines[0].startswith("argon2-cffi-bindings==")
    assert all("--hash=sha256:" in line for line in lines[1:])
    assert not lines[-1].endswith("\\")


def test_the_web_server_knows_every_option_it_is_started_with(dockerfile):
    command = json.loads(dict(dockerfile)["CMD"])[-1]
    assert options_of(command.split()) <= options_in_help("granian", "--help")


def test_the_image_takes_no_more_of_a_request_than_the_tests_server(dockerfile):
    assert HEAD_LIMITS in dict(dockerfile)["CMD"]


@pytest.mark.parametrize("name", [*WORKERS, "scheduler"])
def test_celery_knows_every_option_it_is_started_with(services, name):
    command = services[name]["command"]
    known = options_in_help(*command[:4], "--help")
    assert options_of(command[4:]) <= known


def options_of(words):
    return {word for word in words if word.startswith("--")}


def options_in_help(program, *arguments):
    # "-A bottomline" would import the whole application; the options are those of the subcommand.
    arguments = [a for a in arguments if a not in {"-A", "bottomline"}]
    command = [Path(sys.executable).with_name(program), *arguments]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"--[a-z0-9-]+", shown))


@pytest.mark.asvs("13.3.1")
@pytest.mark.asvs("13.4.1")
def test_the_image_is_sent_nothing_that_is_not_named():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert rules[-1] == "**/.*"  # the last rule wins: no .env, no .git, wherever it lies
    for rule in rules:
        assert not rule.startswith("!") or (ROOT / rule[1:]).exists(), rule
