"""The runner: due -> claim -> deliver -> record.

The only layer that knows both the spool and the wire.
"""
