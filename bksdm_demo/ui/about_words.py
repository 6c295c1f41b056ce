"""The words of the About tab: the model card as data. A paragraph is a text, a list is a tuple of texts.

Inside texts `[words](address)`, `**strong**` and `` `code` `` are marked as in Markdown; about.py turns them into HTML.
Every statement about somebody else's model names its source. Leaves out the drawing (blocks.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from bksdm_demo.reports.licences import RESTRICTIONS
from bksdm_demo.store.contract import DAY, Retention
from bksdm_demo.units import format_bytes

Content = str | tuple[str, ...]

PAPER = "https://arxiv.org/abs/2305.15798"
NOTA_CARD = "https://github.com/Nota-NetsPresso/BK-SDM/blob/main/MODEL_CARD.md"
SD_CARD = "https://huggingface.co/CompVis/stable-diffusion-v1-4"
OPENRAIL = "https://huggingface.co/spaces/CompVis/stable-diffusion-license"
APPLE = "https://github.com/apple/ml-stable-diffusion"
FILTER_STUDY = "https://arxiv.org/abs/2210.04610"


@dataclass(frozen=True)
class Section:
    """One heading and what stands below it."""

    key: str
    title: str
    contents: tuple[Content, ...]


BK_SDM = (
    "BK-SDM is a **block-removed, knowledge-distilled** Stable Diffusion: "
    f"[Kim, Song, Castells and Choi]({PAPER}) took whole residual and attention blocks out of the U-Net of "
    "Stable Diffusion v1.4 and trained what was left to imitate the original. A U-Net runs once for every denoising "
    "step, so fewer blocks make every step cheaper. Text encoder and image decoder stay as they were.",
    "Each student starts from the original’s own weights and learns three things at once: to denoise, to give the "
    "original’s output, and to give its intermediate features after every stage. The “-2M” models that this demo runs "
    "saw 2.3 million image–text pairs of LAION-Aesthetics V2 6.25+ in 50,000 iterations of 256, on a single A100 "
    f"([model card]({NOTA_CARD})).",
)

SCORES_HEADER = ("Model", "FID ↓", "IS ↑", "CLIP ↑")
SCORES = (  # the card's table "Zero-shot MS-COCO 256x256 30K"
    ("Stable Diffusion v1.4", "13.05", "36.76", "0.2958"),
    ("BK-SDM-Base-2M", "14.81", "34.17", "0.2883"),
    ("BK-SDM-Small-2M", "17.05", "33.10", "0.2734"),
    ("BK-SDM-Tiny-2M", "17.53", "31.32", "0.2690"),
)
SCORES_NOTE = (
    f"As [published by Nota]({NOTA_CARD}): 30,000 captions of MS-COCO’s validation set, 25 steps of PNDM, "
    "512-pixel pictures scaled to 256, CLIP score with ViT-g/14. Measured by them on the PyTorch weights, not by us on "
    "the Core ML files."
)

FAIRNESS = Section(
    "fair",
    "A fair comparison",
    (
        (
            "**The same noise.** The first noise comes from the seed and a named generator, NumPy’s as in Apple’s "
            "Swift pipeline or PyTorch’s as in diffusers. Every model starts from the very same numbers, bit for bit.",
            "**The same way.** Prompt, steps, guidance and scheduler hold for all models of a comparison. Where the "
            "scheduler adds noise on the way, that is drawn from the seed as well.",
            "**The same files.** The published Core ML packages run as they are: through Core ML on a Mac, and "
            "elsewhere translated operation by operation to OpenVINO, which is checked against their declared shapes "
            "and types.",
            "**The same machine, one after the other.** Models do not draw at the same time, so none slows another.",
            "**Every phase by itself.** Loading, text encoding, each denoising step, decoding and the safety check are "
            "timed apart. Loading is paid once and left out of speed; looking at a picture on its way is left out of "
            "all of it.",
        ),
        "One picture says little. Draw several seeds before you prefer a model, and mind that times of a shared "
        "machine vary from run to run.",
    ),
)

USES = Section(
    "uses",
    "What it is for",
    (
        (
            "seeing what a compressed model gains and what it loses, side by side, before you choose one for a device",
            "research on compression, on the limits and the biases of generative models",
            "teaching how diffusion, distillation and block removal work",
            "trying out pictures for design and art, with the care that the licence asks for",
        ),
        "The demo measures the machine it runs on. Its times on a server’s processor tell nothing certain about a "
        "phone’s Neural Engine.",
    ),
)

MISUSE = Section(
    "misuse",
    "Misuse and out of scope",
    (
        "The models were not made to tell the truth about people or events, and a picture of theirs proves nothing. "
        "Do not use them for impersonation or for pictures of people without their consent, and do not pass off a "
        f"drawn picture as a photograph. The [licence of the published models]({OPENRAIL}) binds everybody who uses "
        "them or what they drew; by its Attachment A neither may be used to:",
        RESTRICTIONS,
        "This list says it in fewer words; the licence’s own text is what binds. The demo is no service to rely on: "
        "nothing here is fit for medical, legal or safety-critical decisions.",
    ),
)

LIMITATIONS = Section(
    "limits",
    "Limitations",
    (
        "Those of Stable Diffusion v1.4, which its compressed students inherit "
        f"([model card of Stable Diffusion]({SD_CARD})):",
        (
            "no perfect photorealism; faces and people in particular may come out wrong",
            "no legible text",
            "trouble with composition, such as “a red cube on top of a blue sphere”",
            "trained mainly on English captions: prompts in other languages do worse",
            "the autoencoder loses detail",
            "some pictures that occurred many times in the training data can be drawn nearly from memory",
        ),
        "Those that compression adds: the fewer blocks, the less a picture follows its prompt (the CLIP column above) "
        "and the more often small things and hands fail. Palettized weights shift colours and details a little.",
        "Those of this demo: pictures have the size that the file was converted for, 512 pixels for the published "
        "ones; there is no image-to-image and no LoRA; a prompt longer than 77 tokens is cut off, and the page says "
        "where.",
    ),
)

BIAS = Section(
    "bias",
    "Bias",
    (
        "Stable Diffusion v1 learnt from LAION-2B(en), pictures from the web with mostly English captions. Communities "
        "and cultures that speak other languages are under-represented, and white and western settings are often what "
        "comes without asking. Prompts about professions, wealth or beauty bring stereotypes along. LAION-5B also "
        f"holds adult and disturbing material, which filters remove only in part ([model card]({SD_CARD})).",
        "BK-SDM was distilled from that model on a further selection from the same source, chosen by a predictor of "
        "aesthetic ratings, whose raters’ taste is in it too. Nobody has shown that compression leaves these biases as "
        "they were: compare several seeds of a prompt across models and look.",
        "The emoji family has no photographs and no people in its data other than emoji.",
    ),
)

SAFETY = Section(
    "safety",
    "Safety",
    (
        "Every picture is judged before it leaves the server, a preview on its way likewise. Published models bring "
        "Stable Diffusion’s safety checker: it compares the picture’s CLIP embedding with those of concepts that are "
        f"not to be shown. [A study of it]({FILTER_STUDY}) found 17 such concepts, aimed at sexual content; "
        "violence and gore pass it. It also makes mistakes in both directions.",
        (
            "**It fails closed.** A checker that is missing, breaks or returns something that is no number withholds "
            "the picture. A model without a checker cannot be chosen, unless another Stable Diffusion v1 system here "
            "lends its own.",
            "**Withheld means withheld.** Such a picture is in no page, file, preview, report, gallery or answer of "
            "the API, and is not stored; what is told is that it was withheld.",
            "**Strictness is as published.** The checker’s adjustment, a number added to its scores, stays at 0 and "
            "cannot be changed from the page or the API.",
        ),
        "A picture that passes is not thereby harmless. You are responsible for what you ask for and pass on.",
    ),
)

EMOJI = Section(
    "emoji",
    "The emoji family",
    (
        "Four models of our own come with the demo, so that everything can be tried without a download. They **are** "
        "BK-SDM’s recipe in miniature: an original with Stable Diffusion’s block types, and Base, Small and Tiny made "
        "from it by the same removals and the same three-fold distillation.",
        "They are **not** BK-SDM and say nothing about its quality: 128 pixels instead of 512, 11.3 million "
        "parameters in the largest U-Net instead of 860 million, and 1,075 flat emoji as their whole world.",
    ),
)
EMOJI_HEADER = ("", "Original", "Base", "Small", "Tiny")
EMOJI_FIGURES = (
    ("Parameters of the U-Net", "11.27 M", "7.54 M", "6.52 M", "4.88 M"),
    ("Core ML package", "9.7 MB", "6.4 MB", "5.6 MB", "4.3 MB"),
    ("Named rightly of 100, common things", "98", "98", "98", "97"),
    ("Named rightly of 100, all pictures", "97", "96", "94", "95"),
)
EMOJI_NOTE = (
    "Named by a small network trained on the emoji alone, over 100 prompts each with noise that no training has met: "
    "20 steps of DPM-Solver++, guidance 3. The emoji themselves, through the same decoder: 98 and 97."
)
EMOJI_AFTER: tuple[Content, ...] = (
    (
        "Short names work best: red apple, cat, rocket, pizza, sunflower. Anything outside the list gives a mixture "
        "of known pictures; counts, places and combinations are not understood.",
        "The pictures are close copies of the training pictures. The family shows compression at work, not creativity.",
        "Its safety checker knows this family’s pictures only. It blocks a documented list, chosen to show the "
        "mechanism: water pistol, bomb, kitchen knife, dagger, cigarette, middle finger, “no one under eighteen”. On "
        "seeds nobody had used it blocked all of 168 such pictures and 2 of 1,068 others.",
    ),
)

LICENCES = Section(
    "licences",
    "Licences",
    (
        (
            f"**The published models** (BK-SDM, Stable Diffusion v1.4, Small Stable Diffusion): "
            f"[CreativeML OpenRAIL-M]({OPENRAIL}). Use, also commercial, and passing on are allowed; the restrictions "
            "above go with them. Their authors claim no rights in the pictures you draw.",
            f"**Apple’s conversion code**, which made the published Core ML files: "
            f"[Apple’s sample code licence]({APPLE}/blob/main/LICENSE.md). None of it is in this demo.",
            "**This demo and the weights of the emoji family**: Apache-2.0.",
            "**The emoji family’s training data**: pictures of "
            "[Fluent Emoji](https://github.com/microsoft/fluentui-emoji) by Microsoft and words of "
            "[emojibase-data](https://github.com/milesj/emojibase), both MIT.",
        ),
    ),
)

CITATION_INTRO = "If BK-SDM is of use to your work, please cite its authors:"
BIBTEX = """@inproceedings{kim2024bksdm,
  title     = {{BK-SDM}: A Lightweight, Fast, and Cheap Version of Stable Diffusion},
  author    = {Kim, Bo-Kyeong and Song, Hyoung-Kyu and Castells, Thibault and Choi, Shinkook},
  booktitle = {European Conference on Computer Vision (ECCV)},
  year      = {2024},
  url       = {https://arxiv.org/abs/2305.15798}
}"""


def privacy(retention: Retention | None, stored: bool, own: bool) -> Section:
    """What is kept, for how long and who sees it. `stored`: on disk; `own`: each visitor lists only their own."""
    listing = (
        "Your gallery lists what this browser asked for, and only that."
        if own
        else "This page is a private one: its gallery lists everybody’s comparisons to everybody who can reach it."
    )
    changing = "Only you can star or delete it." if own else "Everybody here can star or delete it."
    return Section(
        "privacy",
        "Privacy",
        (
            (
                "**What is kept:** the prompt, the settings, the pictures that passed the checker, their times, and "
                "which machine drew them. No name, no address of yours, and no withheld picture.",
                f"**For how long:** {_how_long(retention, stored)}",
                f"**Who sees it:** everybody who has a comparison’s link; nobody can guess the id in it. {listing}",
                f"**Who changes it:** who has the link may also stop it while it runs and run it again. {changing}",
                "**What your browser keeps:** a random number that makes your comparisons yours. The server keeps "
                "only a digest of it.",
                "**What is not done:** the page sets no analytics and loads nothing from other hosts.",
            ),
            "Do not put personal data into a prompt. Whoever runs this server, or the platform below it, can read "
            "what is kept and may log visits on their own account.",
        ),
    )


def _how_long(retention: Retention | None, stored: bool) -> str:
    if retention is None:
        return "the place where comparisons are kept cannot be read just now."
    room = f"the oldest go first once all of them take {format_bytes(retention.quota_bytes)}"
    place = "" if stored else " They are in the server’s memory only and gone when it stops."
    if retention.keep_seconds is None:
        return f"without a limit of age, but {room}. You can delete them in the gallery at any time.{place}"
    days = retention.keep_seconds / DAY
    age = f"{days:g} {'day' if days == 1 else 'days'}"
    return f"{age}, and {room}; starred ones stay. You can delete them in the gallery at any time.{place}"
