"""Acting: what keys mean, what may be done now, dialogs, jobs, and the runner."""
