FROM node:20 AS deps
WORKDIR /src
COPY package*.json .
RUN --mount=type=cache,target=/root/.npm,sharing=locked \
    npm ci --no-audit
FROM gcr.example/distroless/nodejs:20
COPY --link --from=deps /src/node_modules /app/node_modules
COPY --link . /app
ENTRYPOINT ["/nodejs/bin/node"]
CMD ["/app/index.js"]
