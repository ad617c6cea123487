FROM debian:8
MAINTAINER "Some One" <some.one@example.org> # still the name
ENV a b
LABEL c d e
