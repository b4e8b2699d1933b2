"""Hookgate: declare webhook endpoints, receive only authenticated calls.

The package is layered: ``model`` knows nothing else, ``scheme`` and ``config`` know ``model``, ``control`` and
``receiver`` know those but never each other, ``cli`` knows all. A test holds these rules.
"""

__version__ = "0.1.0"
