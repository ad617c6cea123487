FROM bb
SHELL ["/bin/ash","-ec"]
CMD x y
ENTRYPOINT ["e"]
