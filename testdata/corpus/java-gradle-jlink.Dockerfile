ARG JAVA=21
FROM eclipse-temurin:${JAVA}-jdk AS jre
RUN $JAVA_HOME/bin/jlink \
         --add-modules java.base,java.net.http \
         --strip-debug \
         --output /javaruntime

FROM debian:buster-slim
ENV JAVA_HOME=/opt/java/openjdk
ENV PATH "${JAVA_HOME}/bin:${PATH}"
COPY --from=jre /javaruntime $JAVA_HOME
STOPSIGNAL SIGTERM
CMD java -version
