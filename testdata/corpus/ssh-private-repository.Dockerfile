FROM alpine AS clone
RUN apk add --no-cache git openssh-client
RUN mkdir -p -m 0700 ~/.ssh && ssh-keyscan git.example.org >> ~/.ssh/known_hosts
RUN --mount=type=ssh git clone git@git.example.org:team/project.git /project
RUN --mount=type=ssh,id=deploy,required=true,mode=0600,uid=1000,gid=1000,target=/agent.sock \
    SSH_AUTH_SOCK=/agent.sock ssh git@git.example.org true
