# SyNtAx = example/df:1 extra
# check = skip=StageNameCasing , JSONArgsRecommended ; error=true
FROM scratch
