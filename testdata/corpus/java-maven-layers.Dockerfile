FROM maven:3-eclipse-temurin-21 AS build
WORKDIR /build
COPY pom.xml .
RUN mvn -B dependency:go-offline
COPY src src
RUN mvn -B package -DskipTests && java -Djarmode=layertools -jar target/*.jar extract
FROM eclipse-temurin:21-jre
WORKDIR /app
COPY --from=build /build/dependencies/ ./
COPY --from=build /build/spring-boot-loader/ ./
COPY --from=build /build/application/ ./
ENTRYPOINT ["java", "-XX:MaxRAMPercentage=75", "org.example.Launcher"]
