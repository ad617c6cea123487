FROM bb
USER a b
WORKDIR  /a b/\ c  
STOPSIGNAL  9
MAINTAINER a "b" <c>
