# escape=`
# escape=`
FROM bb
