FROM bb
ENV k a  b
LABEL  "a b" "c"
ENV myenv foo%sbar
