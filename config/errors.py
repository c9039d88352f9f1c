"""The one kind of exception whose message is written for the person who started us."""


class Explained(Exception):
    """Something expected went wrong; the message says what, and what to do. Commands print it without a traceback."""
