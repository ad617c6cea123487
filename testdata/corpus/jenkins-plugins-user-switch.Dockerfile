FROM jenkins/jenkins:lts
USER root
RUN apt-get update && apt-get install -y make
USER ${user:-jenkins}
COPY --chown=${uid:-1000}:${gid:-1000} plugins.txt /usr/share/jenkins/ref/
RUN jenkins-plugin-cli -f /usr/share/jenkins/ref/plugins.txt
ENV JAVA_OPTS="-Djenkins.install.runSetupWizard=false -Dfile.encoding=UTF-8"
