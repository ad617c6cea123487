FROM bb
ENV abc=hello
ENV abc=bye def=$abc
ENV q="a b" s='c d' e=f\ g h= i=j=k
