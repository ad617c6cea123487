FROM bb
RUN --bogus x
COPY --form=a b c
CMD --x y
ONBUILD --x RUN y
