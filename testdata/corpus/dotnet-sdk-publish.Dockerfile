FROM mcr.example/dotnet/sdk:8.0 AS build
WORKDIR /source
COPY *.sln .
COPY App/*.csproj ./App/
RUN dotnet restore -r linux-x64
COPY App/. ./App/
RUN dotnet publish -c Release -o /app --no-restore
FROM mcr.example/dotnet/aspnet:8.0
WORKDIR /app
COPY --from=build /app ./
EXPOSE 8080/tcp 8443/TCP
ENTRYPOINT ["./App"]
