"""``python -m covet``: the same as ``covet-admin``."""

from covet.management.entry import main

if __name__ == "__main__":
    main()
