#!/usr/bin/env python
"""The project's command line: python manage.py <command>."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("COVET_SETTINGS_MODULE", "blogsite.settings")
    from covet.management import main

    sys.exit(main())
