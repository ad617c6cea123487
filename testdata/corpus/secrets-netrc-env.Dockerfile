FROM python:3.12
RUN --mount=type=secret,id=netrc,dst=/root/.netrc,mode=0400 pip install private
RUN --mount=type=secret,id=a,env=TOKEN_A --mount=type=secret,id=b,env=TOKEN_B,target=/b \
    ./install "$TOKEN_A" /b
