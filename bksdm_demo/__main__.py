"""`python -m bksdm_demo`: runs the command line (cli/app.py) and handles Ctrl-C at its start and end.

While the libraries are imported, Ctrl-C ends the process at once, as it does a shell command. A KeyboardInterrupt in
the middle of an import can be lost and leave the import lock held. Afterwards a command stops between two steps.
"""

import io
import os
import signal
import sys

from bksdm_demo.library_variables import drop_empty, variable_error

signal.signal(signal.SIGINT, signal.SIG_DFL)
drop_empty(os.environ)

try:  # the libraries read their variables now
    from bksdm_demo.cli.app import app
    from bksdm_demo.cli.exit_codes import INTERRUPTED
except Exception as problem:  # such as ValueError
    if not (sentence := variable_error(problem, os.environ)):
        raise
    print(sentence, file=sys.stderr)
    sys.exit(2)

signal.signal(signal.SIGINT, signal.default_int_handler)


def main() -> None:
    """Run the command line and end the process with its exit code.

    After an interrupt an engine may still compute in its thread. Normal shutdown would then abort, so the process
    exits without it. Nothing is lost: an interrupted command writes no files.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a program's own names, in a narrow encoding
    try:
        app(prog_name="python -m bksdm_demo")
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
