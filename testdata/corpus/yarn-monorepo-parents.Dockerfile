FROM node:lts AS base
WORKDIR /repo
COPY --parents package.json yarn.lock packages/*/package.json ./
RUN yarn install --frozen-lockfile
COPY --parents --exclude=**/*.test.ts --exclude=**/dist packages/ ./
ARG PACKAGE=web
RUN yarn workspace "$PACKAGE" build
FROM nginx:alpine
ARG PACKAGE=web
COPY --from=base /repo/packages/${PACKAGE}/dist /usr/share/nginx/html
