FROM alpine
ENV A=1 B="two words" C='single $A' D=back\ slash E="a\"b" F=
ENV OLD style with   many  blanks
ENV old_quoted "a b"
ENV G=a=b=c H="x"y'z'
ENV P=/opt/bin:$PATH Q=${P} R=$
ENV S='c:\dir\' T=next
ENV %s=%d \
    JSON={"a":[1,2]}
