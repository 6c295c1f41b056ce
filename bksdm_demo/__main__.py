"""`python -m bksdm_demo`: the command line (cli.py), and the start and the end of its process.

While the libraries are imported Ctrl-C ends the process at once, as it does a shell command: an interrupt raised in
the middle of an import can be lost and leave the import lock held. From then on it stops between steps (commands.py).
"""

import os
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)

from bksdm_demo.cli.app import app  # noqa: E402
from bksdm_demo.cli.run import INTERRUPTED  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)


def main() -> None:
    """Run the command line and end the process with its exit code.

    After an interrupt an engine may still be computing in its thread; tearing the interpreter down under it would
    abort the process, so it ends without that. Nothing is lost: an interrupted command writes no files.
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
