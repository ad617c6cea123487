# version=2
# syntax=ignored/frontend
FROM alpine
