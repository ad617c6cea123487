FROM bb
RUN echo a \

  
 b
