

   	
  FROM	bb

   # c
	RUN	 	x 	
