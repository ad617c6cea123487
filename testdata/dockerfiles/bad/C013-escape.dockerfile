# escape=x
FROM bb
