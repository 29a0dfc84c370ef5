"""``python -m umbel_console.cli`` is ``umbel`` for who knows an interpreter only."""

import sys

from umbel_console.cli import main

if __name__ == "__main__":
    sys.exit(main())
