# docker build --tag gatehouse .
# docker run --rm --env DATABASE_URL gatehouse ./predeploy.sh
# docker run --publish 8000:8000 --env DATABASE_URL --env PUBLIC_URL --env SMTP_URL --env MAIL_FROM gatehouse
#
# PUBLIC_URL is the address of the server for its clients, SMTP_URL the mail server, MAIL_FROM the sender. Until
# SMTP_URL is set, mails wait in the database. If there is no proxy in front of the container, add
# --env TRUSTED_PROXIES=none: see docs/deploy.md#settings-of-a-deployed-server.

FROM python:3.13-slim-trixie AS build
WORKDIR /app
COPY requirements-server.lock .
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --only-binary=:all: --require-hashes \
        -r requirements-server.lock
COPY pyproject.toml README.md piccolo_conf.py predeploy.sh ./
COPY api api
COPY migrations migrations
COPY tables tables
# Compiled here, because the server may not write into /app, and would compile everything at each start.
RUN pip --python /venv/bin/python install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && pip --python /venv/bin/python uninstall --yes setuptools \
    && /venv/bin/python -m compileall -q /app

FROM python:3.13-slim-trixie
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000 METRICS_HOST=0.0.0.0
# The proxy in front of a container has a private address.
ENV TRUSTED_PROXIES=10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,169.254.0.0/16,172.16.0.0/12,192.168.0.0/16,::1,fc00::/7
# A number, because Kubernetes cannot tell whether a name is root. It needs no entry in /etc/passwd.
USER 10001
EXPOSE 8000
# It asks the server, or the worker if the container runs `gatehouse worker`.
HEALTHCHECK --start-period=30s --timeout=10s CMD ["gatehouse", "health"]
CMD ["gatehouse", "serve"]
