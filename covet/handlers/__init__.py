"""The ASGI server side: nobody imports it but ``asgi`` and ``test``."""
