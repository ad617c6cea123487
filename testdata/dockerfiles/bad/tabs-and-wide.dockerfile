FROM bb
	COPY --link=名前	a	b
