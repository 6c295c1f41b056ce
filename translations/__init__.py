"""The tool that keeps the catalogues: `python -m translations` reads all messages and writes `bksdm_demo/locales/`."""
