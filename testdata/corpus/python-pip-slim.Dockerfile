FROM python:3.12-slim
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=off
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      gcc \
      # needed by psycopg
      libpq-dev \
      # needed by pillow
      libjpeg-dev \
 && rm -rf /var/lib/apt/lists/*
COPY requirements.txt /tmp/
RUN pip install -r /tmp/requirements.txt
COPY ./src /opt/app
WORKDIR /opt/app
CMD gunicorn --bind 0.0.0.0:${PORT:-8000} app.wsgi
