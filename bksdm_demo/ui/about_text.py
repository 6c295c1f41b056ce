"""The text of the About tab: the model card as data. A paragraph is a string, a list is a tuple of strings.

Strings may contain `[words](address)`, `**strong**` and `` `code` `` as in Markdown; about.py turns them into HTML.
Every statement about a third-party model cites its source. The drawing is in blocks.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from bksdm_demo.languages import inflected
from bksdm_demo.reports.licences import RESTRICTIONS
from bksdm_demo.store.contract import Retention
from bksdm_demo.units import DAY, format_bytes

Content = str | tuple[str, ...]

PAPER = "https://arxiv.org/abs/2305.15798"
NOTA_CARD = "https://github.com/Nota-NetsPresso/BK-SDM/blob/main/MODEL_CARD.md"
SD_CARD = "https://huggingface.co/CompVis/stable-diffusion-v1-4"
OPENRAIL = "https://huggingface.co/spaces/CompVis/stable-diffusion-license"
APPLE = "https://github.com/apple/ml-stable-diffusion"
FILTER_STUDY = "https://arxiv.org/abs/2210.04610"


@dataclass(frozen=True)
class Section:
    """One heading and the text below it."""

    key: str
    title: str
    contents: tuple[Content, ...]


BK_SDM = (
    "BK-SDM is a **block-removed, knowledge-distilled** Stable Diffusion: "
    f"[Kim, Song, Castells and Choi]({PAPER}) removed whole residual and attention blocks from the U-Net of "
    "Stable Diffusion v1.4 and trained the rest to imitate the original. The U-Net runs once for every denoising "
    "step, so fewer blocks make every step cheaper. The text encoder and the image decoder are unchanged.",
    "Each student starts from the original’s weights and learns three things at once: to denoise, to match the "
    "original’s output, and to match its intermediate features after every stage. The “-2M” models in this demo "
    "were trained on 2.3 million image–text pairs from LAION-Aesthetics V2 6.25+, in 50,000 iterations of 256, on a "
    f"single A100 ([model card]({NOTA_CARD})).",
)

SCORES_HEADER = ("Model", "FID ↓", "IS ↑", "CLIP ↑")
SCORES = (  # from the card's table "Zero-shot MS-COCO 256x256 30K"
    ("Stable Diffusion v1.4", "13.05", "36.76", "0.2958"),
    ("BK-SDM-Base-2M", "14.81", "34.17", "0.2883"),
    ("BK-SDM-Small-2M", "17.05", "33.10", "0.2734"),
    ("BK-SDM-Tiny-2M", "17.53", "31.32", "0.2690"),
)
SCORES_NOTE = (
    f"As [published by Nota]({NOTA_CARD}): 30,000 captions from the MS-COCO validation set, 25 PNDM steps, "
    "512-pixel pictures scaled to 256, CLIP score with ViT-g/14. Nota measured the PyTorch weights; this demo did not "
    "repeat the measurement on the Core ML files."
)

FAIRNESS = Section(
    "fair",
    "A fair comparison",
    (
        (
            "**The same noise.** The seed and a named generator fix the starting noise: NumPy’s, as in Apple’s "
            "Swift pipeline, or PyTorch’s, as in diffusers. Every model starts from the same numbers, bit for bit.",
            "**The same settings.** All models in a comparison use the same prompt, steps, guidance and scheduler. If "
            "the scheduler adds noise between steps, that noise comes from the seed too.",
            "**The same files.** The published Core ML packages run unchanged. A Mac runs them through Core ML. Other "
            "machines translate them to OpenVINO, operation by operation, and check every result against its declared "
            "shape and type.",
            "**The same machine, one model at a time.** Models never run at the same time, so none slows another.",
            "**Every phase timed separately.** Loading, text encoding, each denoising step, decoding and the safety "
            "check have their own times. Speed excludes loading, because a model loads only once. No time includes the "
            "previews.",
        ),
        "One picture says little, and so does one time. Draw several seeds before you prefer a model. With five or "
        "more, the page shows medians and a 95 % interval of every speed; with fewer, it says how many runs there "
        "were. If the models fit into memory together, they take turns, so that a slow minute meets all of them.",
    ),
)

USES = Section(
    "uses",
    "What it is for",
    (
        (
            "seeing side by side what a compressed model gains and loses, before you choose one for a device",
            "research on compression, and on the limits and biases of generative models",
            "teaching how diffusion, distillation and block removal work",
            "trying out pictures for design and art, with the care that the licence requires",
        ),
        "The demo measures the machine it runs on. Times from a server’s processor do not predict times on a "
        "phone’s Neural Engine.",
    ),
)

MISUSE = Section(
    "misuse",
    "Misuse and out of scope",
    (
        "The models were not trained to show people or events truthfully, and their pictures prove nothing. "
        "Do not use them to impersonate anyone or to depict people without their consent. Do not present a "
        f"generated picture as a photograph. The [licence of the published models]({OPENRAIL}) binds everybody who "
        "uses the models or their pictures. Under its Attachment A, neither may be used to:",
        RESTRICTIONS,
        "This list is a summary; the text of the licence is binding. Do not rely on this demo for medical, legal or "
        "safety-critical decisions.",
    ),
)

LIMITATIONS = Section(
    "limits",
    "Limitations",
    (
        "The compressed students share the limits of Stable Diffusion v1.4 "
        f"([model card of Stable Diffusion]({SD_CARD})):",
        (
            "they do not reach perfect photorealism, and faces and people in particular may look wrong",
            "they cannot write legible text",
            "they struggle with composition, such as “a red cube on top of a blue sphere”",
            "they were trained mainly on English captions, so prompts in other languages work less well",
            "the autoencoder loses detail",
            "they can reproduce pictures that occurred many times in the training data almost from memory",
        ),
        "Compression adds limits of its own. With fewer blocks, pictures follow the prompt less closely (see the CLIP "
        "column above), and small objects and hands fail more often. Palettized weights shift colours and details a "
        "little.",
        "This demo has limits too. The size of a picture is fixed by the model file: 512 pixels for the published "
        "models. There is no image-to-image and no LoRA. Prompts longer than 77 tokens are truncated, and the page "
        "shows the words that were dropped.",
    ),
)

BIAS = Section(
    "bias",
    "Bias",
    (
        "Stable Diffusion v1 was trained on LAION-2B(en): pictures from the web with mostly English captions. "
        "Communities and cultures that use other languages are under-represented, and the default is often white and "
        "western. Prompts about professions, wealth or beauty produce stereotypes. LAION-5B also contains adult and "
        f"disturbing material, which filters remove only in part ([model card]({SD_CARD})).",
        "BK-SDM was distilled from that model on a selection from the same source. A predictor of aesthetic ratings "
        "chose it, so the raters’ taste is a further bias. No study shows that compression leaves these biases "
        "unchanged. To look for yourself, compare several seeds of one prompt across models.",
        "The training data of the emoji family contains no photographs, and no people other than emoji.",
    ),
)

SAFETY = Section(
    "safety",
    "Safety",
    (
        "Two gates stand between a prompt and a picture. The first reads the prompt. If it names a blocked concept, "
        "nothing is drawn. The second, a safety checker, inspects every picture and every preview before it leaves the "
        "server. The emoji models have both. Other models have the first only if the operator gives it a list. The "
        "published models come with Stable Diffusion’s safety checker. It compares the picture’s CLIP embedding with "
        f"those of blocked concepts. [A study of the checker]({FILTER_STUDY}) found 17 such concepts, all aimed at "
        "sexual content; violence and gore get through. The checker makes mistakes in both directions.",
        (
            "**Both fail closed.** If a gate fails or returns an invalid number, or the checker is missing, the "
            "picture is blocked. You cannot choose a model without a checker, unless another Stable Diffusion v1 model "
            "here lends it one.",
            "**A blocked picture is never shown.** It appears in no page, file, report, gallery or API answer, and it "
            "is not stored. You only see that it was blocked, and by which gate. Previews are off on public pages "
            "unless the operator turns them on.",
            "**The strictness is as published.** The checker’s adjustment, a number added to its scores, stays at 0. "
            "Neither the page nor the API can change it.",
        ),
        "A picture that gets through may still be harmful. You are responsible for what you ask for and share.",
    ),
)

EMOJI = Section(
    "emoji",
    "The emoji family",
    (
        "The demo includes four small models of its own, so you can try everything without a download. They **are** "
        "BK-SDM’s recipe in miniature: an original with Stable Diffusion’s block types, and Base, Small and Tiny made "
        "from it by the same removals and the same three-part distillation.",
        "They are **not** BK-SDM, and they say nothing about its quality. They draw 128 pixels instead of 512, their "
        "largest U-Net has 11.3 million parameters instead of 860 million, and they know only 1,075 flat emoji.",
    ),
)
EMOJI_HEADER = ("", "Original", "Base", "Small", "Tiny")
EMOJI_FIGURES = (
    ("Parameters of the U-Net", "11.27 M", "7.54 M", "6.52 M", "4.88 M"),
    ("Core ML package", "9.7 MB", "6.4 MB", "5.6 MB", "4.3 MB"),
    ("Recognised of 100, common things", "98", "98", "98", "97"),
    ("Recognised of 100, all pictures", "97", "96", "94", "95"),
)
EMOJI_NOTE = (
    "A small network, trained on the emoji alone, names the pictures of 100 prompts. Their noise was never used in "
    "training. Settings: 20 steps of DPM-Solver++, guidance 3. It recognises 98 and 97 of the emoji themselves, passed "
    "through the same decoder."
)
EMOJI_AFTER: tuple[Content, ...] = (
    (
        "Short names work best: red apple, cat, rocket, pizza, sunflower. Other prompts give a mixture of known "
        "pictures. The models do not understand counts, positions or combinations.",
        "The pictures are close copies of the training pictures. The family shows compression at work, not creativity.",
        "It blocks a documented list, chosen to show the mechanism: water pistol, bomb, kitchen knife, dagger, "
        "cigarette, middle finger, “no one under eighteen”. Over all settings that this page allows, none of 2,000 "
        "prompts that name one of them gave a picture, and 1.1 % of 4,000 other pictures were blocked. The checker "
        "alone, without the gate on the prompt, would let out 34 % of the 2,000. It knows only this family’s pictures.",
    ),
)

LICENCES = Section(
    "licences",
    "Licences",
    (
        (
            f"**The published models** (BK-SDM, Stable Diffusion v1.4, Small Stable Diffusion): "
            f"[CreativeML OpenRAIL-M]({OPENRAIL}). You may use and share them, also commercially, under the "
            "restrictions above. Their authors claim no rights in the pictures you draw.",
            f"**Apple’s conversion code**, which produced the published Core ML files: "
            f"[Apple’s sample code licence]({APPLE}/blob/main/LICENSE.md). This demo contains none of it.",
            "**This demo and the weights of the emoji family**: Apache-2.0.",
            "**The emoji family’s training data**: pictures from "
            "[Fluent Emoji](https://github.com/microsoft/fluentui-emoji) by Microsoft and words from "
            "[emojibase-data](https://github.com/milesj/emojibase), both MIT.",
        ),
    ),
)

CITATION_INTRO = "If BK-SDM helps your work, please cite its authors:"
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
        "Your gallery lists only the comparisons started from this browser."
        if own
        else "This page is private: its gallery shows everybody’s comparisons to everybody who can reach it."
    )
    changing = "Only you can star or delete it." if own else "Everybody here can star or delete it."
    return Section(
        "privacy",
        "Privacy",
        (
            (
                "**What the server keeps:** the prompt, the settings, the pictures that were not blocked, their times, "
                "and a description of the machine. It does not keep your name, your address or blocked pictures.",
                f"**For how long:** {_how_long(retention, stored)}",
                f"**Who can see a comparison:** anyone with its link. Nobody can guess the id in the link. {listing}",
                f"**Who can change it:** anyone with the link can stop it while it runs, and run it again. {changing}",
                "**What your browser keeps:** a random number that identifies your comparisons. The server keeps "
                "only a digest of that number.",
                "**Tracking:** the page uses no analytics and loads nothing from other hosts.",
            ),
            "Do not put personal data into a prompt. The operators of this server and its platform can read what is "
            "kept, and may log visits.",
        ),
    )


def _how_long(retention: Retention | None, stored: bool) -> str:
    if retention is None:
        return "the stored comparisons cannot be read at the moment."
    room = f"the oldest are deleted first once all comparisons take {format_bytes(retention.quota_bytes)}"
    place = "" if stored else " They exist only in the server’s memory and are lost when it stops."
    if retention.keep_seconds is None:
        return f"no age limit, but {room}. You can delete comparisons in the gallery at any time.{place}"
    days = retention.keep_seconds / DAY
    age = inflected(1 if days == 1 else 2, "{count} day", "{count} days", count=f"{days:g}")
    return f"{age}, and {room}. Starred comparisons stay. You can delete comparisons in the gallery at any time.{place}"
