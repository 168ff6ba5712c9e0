"""The command line: words in, exit statuses and plain lines out."""
