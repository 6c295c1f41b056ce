"""`python -m bksdm_demo`: runs the command line (cli/app.py) and handles Ctrl-C at its start and end.

While the libraries are imported, Ctrl-C ends the process at once, as it does a shell command. A KeyboardInterrupt in
the middle of an import can be lost and leave the import lock held. Afterwards a command stops between two steps.
"""

import os
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)

from bksdm_demo.cli.app import app  # noqa: E402
from bksdm_demo.cli.exit_codes import INTERRUPTED  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)


def main() -> None:
    """Run the command line and end the process with its exit code.

    After an interrupt an engine may still compute in its thread. Normal shutdown would then abort, so the process
    exits without it. Nothing is lost: an interrupted command writes no files.
    """
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
