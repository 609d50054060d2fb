"""``python -m ISTNRegistrationLib.cli``: the same as the command ``istn``."""

import sys

from .main import main

sys.exit(main())
