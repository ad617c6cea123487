FROM alpine
WORKDIR /a b/c
WORKDIR "/quoted"
WORKDIR relative
WORKDIR /
