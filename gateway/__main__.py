"""`python -m gateway` is the `overread` command."""

from gateway.cli import main

main()
