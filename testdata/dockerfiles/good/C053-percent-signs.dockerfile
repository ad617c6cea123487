FROM scratch
ENV myenv foo%sbar
ENV other=100%d
