"""tuiq: a mail queue you can see and trust.

The layers, top to bottom; imports only ever point down (see ARCHITECTURE.md):

    cli -> demo -> tui -> runner | actions -> spool | delivery -> mail
        -> config | log | clock -> errors
"""

__version__ = "0.1.0"
