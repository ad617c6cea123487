#: --target bild
# C078
FROM scratch AS build
FROM scratch AS other
