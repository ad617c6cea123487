FROM registry.example.org:5000/team/base:1.0@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 AS a
FROM localhost:5000/x
FROM 127.0.0.1:5000/a/b/c:latest
