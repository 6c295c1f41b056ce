"""Words and fragments that rooms below the page write without a mark: names of parts, reasons inside sentences."""

PARTS = ("text encoder", "U-Net", "U-Net chunk 1", "U-Net chunk 2", "image decoder", "image encoder", "safety checker")
LOADING = (
    "reading its files",
    "{part}, for one half",
    "{part}, deep layers",
    "{part}, shallow layers",
    "{part}, deep layers, for one half",
    "{part}, shallow layers, for one half",
    "U-Net, calibrated once for int8",
)
MODELS = (
    "6-bit palettized",
    "palettized",
    "Emoji miniatures",
    "fewer blocks in the outer stages",
    "fewer blocks in the outer stages, no mid stage",
    "fewer blocks in the outer stages, no mid and no innermost stages",
)
TRIALS = (
    "its result is not finite",
    "the runtime could not load or run it there; the log has the details",
    "its result agrees with CPU only to {found} dB; {bar} dB are needed",
)
ENDINGS = (  # of a part's process
    "stopped answering",
    "ended by itself with the exit status {status}",
    "ended with the signal {name}",
    "ended with the signal {name} ({why})",
    "the system ends a process in this way when memory runs out",
    "a fault in native code",
    "native code gave up",
    "native code for another processor",
)
WHO = ("You", "You have", "Your address", "Your address has", "All visitors together have")
WHICH = ("The prompt", "The negative prompt", "From", "To", "The defaults")
SETTINGS = (  # a sheet's settings, as heads
    "Negative prompt",
    "Guidance scale",
    "Generator",
    "Deep every",
)
HINTS = ("Did you mean {near}?", "before its pixels", "in its EXIF and XMP", "no machine of the pool offers it now.")

WORDS = (*PARTS, *LOADING, *MODELS, *TRIALS, *ENDINGS, *WHO, *WHICH, *SETTINGS, *HINTS)
