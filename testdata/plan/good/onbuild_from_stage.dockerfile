#: --target last
# C120: only the trigger needs the stage.
FROM full AS tools
RUN tools
FROM bb AS not-needed
FROM copies-stage AS last
FROM tools AS later
