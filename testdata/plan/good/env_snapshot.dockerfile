# C047, C053: an instruction sees what was before it.
FROM bb
ENV abc=hello
ENV abc=bye def=$abc
ENV ghi=$abc
ENV myenv foo%sbar
ENV $abc=name PATH=/opt:$PATH
