"""Commands that train and export the embedded emoji family. Nothing in bksdm_demo imports this package."""
