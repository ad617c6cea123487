	FROM	alpine	AS	tabbed
	RUN	echo	a	b
	COPY	--chown=1:2	x	/y
