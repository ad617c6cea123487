FROM alpine
RUN echo ends with a backslash \\
RUN echo next
RUN printf 'a\\
