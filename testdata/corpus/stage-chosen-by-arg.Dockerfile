ARG FLAVOUR=prod
FROM alpine AS common
FROM common AS variant-prod
ENV MODE=production
FROM common AS variant-dev
ENV MODE=development
FROM variant-${FLAVOUR} AS final
CMD ["/app"]
