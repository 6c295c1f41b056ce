"""What each phase, setting, scheduler and figure on the page means, in one or two sentences; pure text.

terms.py writes the markup.
"""

from __future__ import annotations

from bksdm_demo.languages import marked
from bksdm_demo.records import Phase

GLOSSARY: dict[str, str] = {
    # Phases
    "load": marked(
        "The files of the model are read and prepared for this machine. A model loads once, and then stays in "
        "memory if there is room."
    ),
    "encode": marked(
        "The text encoder turns the prompt into numbers. It is the same in all models compressed from one original."
    ),
    "denoise": marked(
        "The U-Net removes some noise in every step. This takes most of the time, and it is the part that "
        "compression makes smaller."
    ),
    "decode": marked("The image decoder turns the denoised numbers into pixels."),
    "safety": marked(
        "The safety checker inspects the finished picture. A picture without a clear pass is never shown or stored."
    ),
    # Settings
    "seed": marked("Fixes the starting noise. The same seed and settings draw the same picture again."),
    "steps": marked(
        "How often the U-Net runs. More steps take longer in proportion; beyond 20 to 30, pictures change little."
    ),
    "guidance": marked(
        "How strongly the picture follows the prompt. 1 ignores the negative prompt and takes half the time; "
        "high values exaggerate colours."
    ),
    "scheduler": marked(
        "The rule that says how much noise each step removes. Every scheduler takes the same trained model."
    ),
    "noise": marked(
        "The program whose random numbers make the starting noise. Choose the one that drew the picture you want "
        "to repeat."
    ),
    "interval": marked("Guidance acts only in this part of the steps. Every other step takes half the time."),
    "forecast": marked(
        "Steps that resemble the ones before are estimated and not computed. Pictures come sooner and differ a little."
    ),
    "deep": marked(
        "The deep layers of the network run in every second, third or further step only. The steps between reuse what "
        "they gave, so pictures come sooner and differ a little."
    ),
    "without": marked("The negative prompt: what the picture should leave out."),
    # Facts about models
    "unet": marked(
        "The U-Net is the network that denoises. Its weights are the numbers it learned; fewer weights mean less "
        "memory and faster steps."
    ),
    "size": marked(
        "The size of all files of the model together: text encoder, U-Net, image decoder and safety checker."
    ),
    "weights": marked(
        "How the weights are stored. Palettized weights share a small table of values; 6-bit means 64 values "
        "for each part of the network."
    ),
    "attention": marked(
        "How the conversion to Core ML wrote the attention layers. The forms give the same picture at different speeds."
    ),
    "runs-on": marked(
        "The program that computes, and the number format it computes in. The same files run on all of them."
    ),
    # Figures
    "drawing": marked("Encode, denoise, decode and safety check together: what every further picture costs."),
    "speed": marked("How many times as fast as the first model to finish, by drawing time. Loading does not count."),
    "step": marked("The median time of one denoising step, in milliseconds."),
    "similarity": marked(
        "PSNR measures how far the pixels of two pictures differ: more decibels mean more alike. SSIM and "
        "HaarPSI compare their structure: 1 means identical. None of them says which picture is better."
    ),
}
SCHEDULER_WORDS: dict[str, str] = {
    "pndm": marked(
        "PNDM combines the last four predictions into one step. The authors of BK-SDM measured their models with it."
    ),
    "ddim": marked("DDIM takes one plain step at a time. It is simple and needs more steps than the newer ones."),
    "dpmpp-2m": marked(
        "DPM-Solver++ 2M looks at two predictions at a time and solves part of the equation exactly. It gives "
        "good pictures in 15 to 25 steps."
    ),
    "dpmpp-2m-karras": marked(
        "This is DPM-Solver++ 2M with steps that crowd where little noise is left, after Karras and "
        "others. It favours detail."
    ),
    "euler": marked(
        "Euler follows the direction of each prediction in a straight line: one of the oldest methods, and a "
        "robust one."
    ),
    "euler-ancestral": marked(
        "Euler ancestral adds fresh noise after every step, taken from the seed. The picture keeps "
        "changing when you add steps."
    ),
}
PHASE_KEYS = {  # of the cells; waiting and final phases explain themselves
    Phase.LOADING: "load",
    Phase.ENCODING: "encode",
    Phase.DENOISING: "denoise",
    Phase.DECODING: "decode",
    Phase.CHECKING: "safety",
}
FACT_KEYS = {  # by the label of a fact in English
    "Seed": "seed",
    "Seeds": "seed",
    "Steps": "steps",
    "Guidance": "guidance",
    "Scheduler": "scheduler",
    "Noise": "noise",
    "Guidance interval": "interval",
    "Forecast": "forecast",
    "Deep layers every": "deep",
    "Without": "without",
    "U-Net": "unet",
    "Size": "size",
    "Weights": "weights",
    "Attention": "attention",
    "Runs on": "runs-on",
}
ROW_KEYS = {  # by the label of a row of the timing table in English
    "Encode": "encode",
    "Denoise": "denoise",
    "Decode": "decode",
    "Safety": "safety",
    "Drawing": "drawing",
    "Speed": "speed",
    "One step, ms": "step",
    "Load": "load",
}
