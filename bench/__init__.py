"""`make bench`: how fast bottomline is, side by side with others on this machine.

Figures of one run compare with each other and with nothing else, so every line is a ratio to
something measured in the same minutes. It starts its own Redis and SQLite, and leaves nothing.
"""
