#: --build-context other=docker-image://no-such-image
FROM other AS unused
FROM bb
