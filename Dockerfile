# The registry, and with `--target worker` a training worker. Build: docker build -t datasigil-registry .
#
# Run, with a read-only root file system and no capabilities (docs/quickstart.md, "A registry of your own"):
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     -v datasigil-data:/data -v "$PWD/passphrase:/run/secrets/passphrase:ro" -p 8080:8080 datasigil-registry
#
# The first start needs keys: run the same line once with `init --data-dir /data --public-url https://YOUR.HOST` appended.
# TLS ends in front of it, at a reverse proxy.

FROM python:3.11-slim AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY constraints.txt pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY schemas schemas
COPY datasigil datasigil
COPY verifier_cli verifier_cli
COPY publisher_cli publisher_cli
COPY training_worker training_worker
RUN /opt/venv/bin/pip install -c constraints.txt ".[service]" && /opt/venv/bin/python -m compileall -q /opt/venv

# The training worker (docs/training-service.md): docker build --target worker -t datasigil-worker .
FROM build AS build-worker
RUN python -m venv /opt/worker && /opt/worker/bin/pip install -c constraints.txt ".[train]"

FROM python:3.11-slim AS worker
RUN groupadd --gid 10001 datasigil \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin datasigil \
 && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=build-worker /opt/worker /opt/worker
WORKDIR /data
# Nothing below writes outside /data and /tmp. DATASIGIL_PASSPHRASE_FILE names the file that opens the worker's key.
ENV PATH=/opt/worker/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/data \
    XDG_STATE_HOME=/data/state \
    XDG_CONFIG_HOME=/data/config \
    XDG_CACHE_HOME=/data/cache \
    DATASIGIL_PASSPHRASE_FILE=/run/secrets/worker
USER 10001:10001
VOLUME ["/data"]
HEALTHCHECK NONE
STOPSIGNAL SIGTERM
ENTRYPOINT ["datasigil-train"]
CMD ["work", "--help"]

FROM python:3.11-slim AS registry
RUN groupadd --gid 10001 datasigil \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin datasigil \
 && install -d -o 10001 -g 10001 -m 0700 /data /backups
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY service service
RUN /opt/venv/bin/python -m compileall -q service
# Nothing below writes outside /data, /backups and /tmp. DATASIGIL_PASSPHRASE_FILE names the file that opens the registry's keys.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    XDG_STATE_HOME=/data/state \
    XDG_CONFIG_HOME=/data/config \
    DATASIGIL_PASSPHRASE_FILE=/run/secrets/passphrase
USER 10001:10001
VOLUME ["/data", "/backups"]
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8080/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "service"]
CMD ["serve", "--data-dir", "/data", "--host", "0.0.0.0", "--port", "8080"]
