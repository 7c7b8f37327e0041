"""The one kind of error that is the user's to mend."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake outside the program (a file, a value, a flag). The command line prints it as one line, exit code 2.

    The message names the file and the value and says what to do.
    """
