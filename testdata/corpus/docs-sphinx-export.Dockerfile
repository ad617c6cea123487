FROM python:3.12 AS docs
RUN pip install sphinx
COPY docs /docs
RUN sphinx-build -b html /docs /html
FROM scratch AS export
COPY --from=docs /html /
