FROM scratch
ENV a='c:\' b="x\" y" c=\"
LABEL k='\' l=m
