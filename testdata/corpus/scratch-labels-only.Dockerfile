FROM scratch
LABEL a=b c="d e" "quoted key"="value" multi="line one \
line two"
LABEL com.example.empty="" single='it is $literal'
