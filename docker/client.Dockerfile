# A clinic's two images. Build from the root of the repository:
#
#   docker build -f docker/client.Dockerfile --target agent -t insula-agent --build-arg BASE_IMAGE=... .
#   docker build -f docker/client.Dockerfile --target relay -t insula-relay --build-arg BASE_IMAGE=... .
#
# BASE_IMAGE has no default: name python:3.11-slim with its digest (docs/containers.md says how).
# pip's settings may come as build arguments; the hashes say which files it may install.
ARG BASE_IMAGE

FROM ${BASE_IMAGE} AS base
RUN groupadd --gid 10001 insula \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin insula \
 && python3 -m venv --without-pip /opt/insula/venv

# The packages of agent and server. docker/server.Dockerfile begins with the same steps, so that
# these layers are made and stored once. What only compilers and their tests read is left out.
FROM base AS packages
ARG PIP_FIND_LINKS
ARG PIP_EXTRA_INDEX_URL
ARG PIP_CERT
COPY docker/requirements-agent.txt /opt/insula/
RUN --mount=type=cache,target=/var/cache/insula-pip \
    python3 -m pip --python /opt/insula/venv/bin/python --cache-dir /var/cache/insula-pip \
        install --quiet --no-deps --require-hashes --only-binary :all: --no-compile \
        --requirement /opt/insula/requirements-agent.txt \
 && cd /opt/insula/venv/lib/python3.11/site-packages \
 && rm -r torch/include torch/test \
 && find torch/bin -type f ! -name torch_shm_manager -delete \
 && find matplotlib numba pandas pyarrow scipy sympy -type d -name tests -prune -exec rm -r {} + \
 && { /opt/insula/venv/bin/python -m compileall -q -j 0 . || true; }  # some files are for newer Pythons

# Sees patients, has no network: run it with `network_mode: none`. Holds no Flower, so that nothing
# a server sends can be loaded here.
FROM packages AS agent
COPY docker/health.py docker/insula /opt/insula/bin/
COPY LICENSE insula.py /opt/insula/app/
COPY study /opt/insula/app/study
COPY models /opt/insula/app/models
COPY privacy /opt/insula/app/privacy
COPY client /opt/insula/app/client
ENV PATH=/opt/insula/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/insula/app \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    NUMBA_CACHE_DIR=/tmp/numba \
    MPLCONFIGDIR=/tmp/matplotlib \
    OMP_NUM_THREADS=1
USER 10001:10001
ENTRYPOINT ["/opt/insula/venv/bin/python", "/opt/insula/bin/insula"]
CMD ["--help"]

# Sees the network, has no data: Flower alone, and what a server's bundle brings with it. Without
# uv nothing can be installed at run time, whatever a bundle asks for.
FROM base AS relay
ARG PIP_FIND_LINKS
ARG PIP_EXTRA_INDEX_URL
ARG PIP_CERT
COPY docker/requirements-relay.txt /opt/insula/
RUN --mount=type=cache,target=/var/cache/insula-pip \
    python3 -m pip --python /opt/insula/venv/bin/python --cache-dir /var/cache/insula-pip \
        install --quiet --no-deps --require-hashes --only-binary :all: --no-compile \
        --requirement /opt/insula/requirements-relay.txt \
 && python3 -m pip --python /opt/insula/venv/bin/python uninstall --quiet --yes uv \
 && /opt/insula/venv/bin/python -m compileall -q -j 0 /opt/insula/venv/lib
COPY docker/health.py LICENSE /opt/insula/bin/
ENV PATH=/opt/insula/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    FLWR_HOME=/tmp/flower \
    FLWR_TELEMETRY_ENABLED=0 \
    FLWR_DISABLE_UPDATE_CHECK=1
USER 10001:10001
ENTRYPOINT ["/opt/insula/venv/bin/flower-supernode"]
CMD ["--help"]
