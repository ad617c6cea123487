ARG PYTHON=3.12
FROM python:${PYTHON} AS poetry
ARG POETRY_VERSION
RUN pip install "poetry${POETRY_VERSION:+==$POETRY_VERSION}"
WORKDIR /w
COPY pyproject.toml poetry.lock ./
RUN poetry export -f requirements.txt -o r.txt
FROM python:${PYTHON}-slim AS app
COPY --from=poetry /w/r.txt .
RUN pip install -r r.txt
ENTRYPOINT ["python", "-m"]
CMD ["app"]
