FROM mcr.example/windows/nanoserver:ltsc2022
SHELL ["cmd", "/S", "/C"]
RUN mkdir C:\\temp && echo hello > C:\\temp\\hello.txt
COPY bin/ C:/bin/
CMD C:\\bin\\app.exe /verbose
