"""What the application asks and explains: commands, help, jump labels, leaving."""
