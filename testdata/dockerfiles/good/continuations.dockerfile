FROM bb
RUN a \  	
  b\
c \\
USER \
\
 u
RUN d\

# comment
