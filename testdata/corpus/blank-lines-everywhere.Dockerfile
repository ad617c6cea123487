

FROM alpine


RUN true
   
	
CMD ["x"]


