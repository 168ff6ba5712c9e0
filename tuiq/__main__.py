"""``python -m tuiq`` is ``tuiq``."""

import sys

from tuiq.cli.main import main

sys.exit(main())
