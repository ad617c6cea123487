FROM bb
RUN echo "<<EOF"
RUN cat <<<x
RUN ["cat", "<<EOF"]
RUN echo \<<EOF
RUN echo $((1 << 3)) $((1<<3))
RUN a<<EOF
ENV a <<EOF
RUN echo << 
