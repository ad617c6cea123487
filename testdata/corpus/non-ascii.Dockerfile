FROM alpine
LABEL beschreibung="Größe und Öl" 説明="日本語 テキスト" emoji=🐳
ENV NAME=Zoë
COPY ["naïve.txt", "/données/"]
RUN echo "…" ‘quotes’ — dash
