from alpine as base
Run true
cOpY a b
Env A=b
workdir /w
Cmd ["x"]
ENTRYPOINT ["y"]
healthcheck none
