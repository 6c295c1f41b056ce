"""Records the ids of OpenAI's own CLIP tokenizer: `python tests/golden/tokenizer/make.py` from the repository root.

Needs clip-anytorch 2.6.0 (OpenAI's CLIP as a package, MIT licence), ftfy 6.3.1 and regex. Made with Python 3.11 and
regex 2026.11.15. The vocabulary is the first MERGES merges of CLIP's, so that it stays small; ids of later words are
split into more pieces but the rules are the same. Writes vocab.json, merges.txt and ids.json (prompt -> ids without
marks, length 77 not applied).
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
MERGES = 2000

PROMPTS = (
    "",
    " ",
    "a photo of a cat",
    "A  Photo\tof\n a CAT",
    "red apple, rocket; pizza! (oil on canvas:1.2)",
    "it's 1024 o'clock, they're here & we'll stay",
    "café naïve Ångström cafe\u0301 ñandú",
    "🍎 🚀 an emoji 🍕🍕 👩‍🚀",
    "日本語の絵 и кот",
    "___ -- !!! ... 3.14 <tag>",
    "don't 'S 'LL I'M",
    "<|startoftext|>cat<|endoftext|> dog",
    "extraordinarily photorealistic illustration",
    " ".join(["extraordinary"] * 12 + ["photo"] * 30),
)


def main() -> None:
    package = importlib.util.find_spec("clip")
    assert package is not None
    assert package.submodule_search_locations is not None
    folder = Path(package.submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("simple_tokenizer", folder / "simple_tokenizer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    merges = gzip.decompress((folder / "bpe_simple_vocab_16e6.txt.gz").read_bytes()).decode("utf-8")
    lines = merges.split("\n")[: 1 + MERGES]
    with tempfile.NamedTemporaryFile(suffix=".gz") as short:
        short.write(gzip.compress("\n".join(lines).encode("utf-8")))
        short.flush()
        tokenizer = module.SimpleTokenizer(short.name)

    ids = {prompt: tokenizer.encode(prompt) for prompt in PROMPTS}
    (HERE / "vocab.json").write_text(json.dumps(tokenizer.encoder, ensure_ascii=False), encoding="utf-8")
    (HERE / "merges.txt").write_text("\n".join(["#version: 0.2", *lines[1:], ""]), encoding="utf-8")
    (HERE / "ids.json").write_text(json.dumps(ids, ensure_ascii=False, indent=0), encoding="utf-8")
    print(f"{len(ids)} prompts, {len(tokenizer.encoder)} words")


if __name__ == "__main__":
    main()
