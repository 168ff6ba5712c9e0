"""Mail as values: addresses, headers, envelopes, replies.  No I/O, no clock."""
