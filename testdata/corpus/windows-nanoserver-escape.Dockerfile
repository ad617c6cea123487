# escape=`

FROM mcr.example/windows/servercore:ltsc2022
SHELL ["powershell", "-Command", "$ErrorActionPreference = 'Stop';"]
WORKDIR C:\app
COPY start.ps1 C:\app\
RUN New-Item -ItemType Directory C:\data; `
    Set-Content -Path C:\data\x.txt -Value "a"; `
    Write-Host done
VOLUME C:\data
ENV DATA=C:\data TITLE="a `"quoted`" word"
USER ContainerAdministrator
ENTRYPOINT ["powershell", "-File", "C:\\app\\start.ps1"]
