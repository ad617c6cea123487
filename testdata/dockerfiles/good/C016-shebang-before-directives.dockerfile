#!/usr/bin/env builder
# syntax=example/frontend:1
# escape=`
FROM scratch
RUN a `
  b
