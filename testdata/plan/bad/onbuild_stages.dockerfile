# C079, C120: a trigger can copy only from what comes before the stage that runs it.
FROM copies-later AS first
FROM bb AS later
FROM first
