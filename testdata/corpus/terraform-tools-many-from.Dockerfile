FROM hashicorp/terraform:1.7 AS terraform
FROM bitnami/kubectl:1.29 AS kubectl
FROM alpine/helm:3.14 AS helm
FROM amazon/aws-cli:2 AS aws
FROM debian:12-slim
COPY --from=terraform /bin/terraform /usr/local/bin/
COPY --from=kubectl /opt/bitnami/kubectl/bin/kubectl /usr/local/bin/
COPY --from=helm /usr/bin/helm /usr/local/bin/
COPY --from=aws /usr/local/aws-cli/ /usr/local/aws-cli/
COPY --from=docker.io/library/busybox:1.36 /bin/busybox /bin/
