"""`python -m bksdm_demo`: the command line (cli.py)."""

from bksdm_demo.cli import app

if __name__ == "__main__":
    app(prog_name="python -m bksdm_demo")
