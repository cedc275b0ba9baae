"""`python -m rebroadcast` is the command `rebroadcast`."""

from .cli import main

main()
