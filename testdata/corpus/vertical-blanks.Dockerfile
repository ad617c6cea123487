FROMalpineASv
ENV Ab
COPY ab /c
EXPOSE 12
