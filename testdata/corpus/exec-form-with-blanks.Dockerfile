FROM alpine
CMD   [   "spaced"  ,	"out"   ]
ENTRYPOINT ["continued", \
            "over", \
            # with a comment inside
            "lines"]
