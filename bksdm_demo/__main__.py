"""`python -m bksdm_demo`: the command line (cli.py).

While the libraries are imported Ctrl-C ends the process at once, as it does a shell command: an interrupt raised in
the middle of an import can be lost and leave the import lock held. From then on it stops between steps (commands.py).
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)

from bksdm_demo.cli import app  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)

if __name__ == "__main__":
    app(prog_name="python -m bksdm_demo")
