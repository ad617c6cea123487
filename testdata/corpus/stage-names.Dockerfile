FROM a AS x
FROM b AS X.y_z-1
FROM c AS MixedCase
FROM mixedcase AS last
COPY --from=X /a /a
COPY --from=0 /b /b
COPY --from=x.Y_z-1 /c /c
