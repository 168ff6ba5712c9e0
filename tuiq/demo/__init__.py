"""The throwaway world of ``tuiq demo``: the only part that plays the other side.

``script`` says what a server does, ``server`` does it; tests use the same two.
"""
