"""The terminal UI: every queue directory live, and every action an operator has.

It looks without locks, acts through ``tuiq.actions`` alone, and runs deliveries in a
process of their own; nothing a terminal does can hold up mail.
"""
