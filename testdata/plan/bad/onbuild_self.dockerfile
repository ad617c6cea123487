FROM copies-later AS later
