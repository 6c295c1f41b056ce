"""The tokenizer against ids recorded from OpenAI's own CLIP tokenizer, and what it says about words that do not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bksdm_demo.diffusion.tokenizer import BEGIN, END, Tokenizer
from bksdm_demo.errors import PackageError

GOLDEN = Path(__file__).parents[1] / "golden" / "tokenizer"
IDS: dict[str, list[int]] = json.loads((GOLDEN / "ids.json").read_text(encoding="utf-8"))
WORDS: dict[str, int] = json.loads((GOLDEN / "vocab.json").read_text(encoding="utf-8"))
LENGTH = 77


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(GOLDEN / "vocab.json", GOLDEN / "merges.txt", LENGTH)


@pytest.mark.parametrize("prompt", IDS, ids=range(len(IDS)))
def test_ids_of_the_reference(tokenizer: Tokenizer, prompt: str) -> None:
    expected = [WORDS[BEGIN], *IDS[prompt][: LENGTH - 2]]
    expected += [WORDS[END]] * (LENGTH - len(expected))
    tokens = tokenizer.encode(prompt)
    assert tokens.ids.dtype == np.int32
    assert tokens.ids.tolist() == expected


@pytest.mark.parametrize("prompt", [prompt for prompt in IDS if len(IDS[prompt]) <= LENGTH - 2])
def test_nothing_is_cut_off_what_fits(tokenizer: Tokenizer, prompt: str) -> None:
    assert tokenizer.encode(prompt).truncated == ()


class TestCutOff:
    """A tokenizer of length 6 has room for four tokens."""

    @pytest.fixture
    def short(self) -> Tokenizer:
        return Tokenizer(GOLDEN / "vocab.json", GOLDEN / "merges.txt", 6)

    def test_exact_fit(self, short: Tokenizer) -> None:
        assert short.encode("a photo of a").truncated == ()

    def test_words_are_those_of_the_prompt(self, short: Tokenizer) -> None:
        tokens = short.encode("A Photo OF a  CAT on the Moon")
        assert tokens.truncated == ("CAT", "on", "the", "Moon")
        assert tokens.ids[-1] == WORDS[END]

    def test_half_a_word_counts_whole(self, short: Tokenizer) -> None:
        assert len(IDS["extraordinarily photorealistic illustration"]) > 4
        assert short.encode("a of extraordinarily photo").truncated == ("extraordinarily", "photo")

    @pytest.mark.parametrize(
        ("prompt", "truncated"),
        [
            ("a photo of a, of", (",", "of")),
            ("a photo of it's of", ("it's", "of")),
            ("a of a 3.14 of", ("3.14", "of")),
            ("a a a a... !!!", ("...", "!!!")),
        ],
    )
    def test_punctuation_alone_does_not_take_its_word_along(
        self, short: Tokenizer, prompt: str, truncated: tuple[str, ...]
    ) -> None:
        assert short.encode(prompt).truncated == truncated

    def test_accents_and_emoji(self, short: Tokenizer) -> None:
        truncated = short.encode("a photo of a cafe\u0301 🍕 pizza").truncated
        assert truncated == ("cafe\u0301", "🍕", "pizza")
        assert short.encode("a of a 🍕🍕 pizza").truncated[-1] == "pizza"

    def test_mark_typed_by_the_visitor(self, short: Tokenizer) -> None:
        assert short.encode(f"a photo of a {END} cat").truncated == (END, "cat")


def test_ten_thousand_words(tokenizer: Tokenizer) -> None:
    words = [f"{word}{number}" for number in range(100) for word in ("a", "photo", "of", "cat") * 25]
    tokens = tokenizer.encode(" ".join(words))
    assert tokens.ids.shape == (LENGTH,)
    assert tokens.truncated == tuple(words[len(words) - len(tokens.truncated) :])
    assert 9_900 < len(tokens.truncated) < 10_000


def test_one_endless_word(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("x" * 20_000)
    assert tokens.truncated == ("x" * 20_000,)


def test_import_is_quiet_and_light() -> None:
    code = "import sys, bksdm_demo.diffusion.tokenizer; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class TestBadFiles:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(PackageError, match=r"vocab\.json cannot be read"):
            Tokenizer(tmp_path / "vocab.json", GOLDEN / "merges.txt", LENGTH)
        with pytest.raises(PackageError, match=r"merges\.txt cannot be read"):
            Tokenizer(GOLDEN / "vocab.json", tmp_path / "merges.txt", LENGTH)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"{", "cannot be read"),
            (b"\xff\xfe", "cannot be read"),
            (b"[1]", "does not map"),
            (b'{"a": "b"}', "does not map"),
            (b'{"<|startoftext|>": -1, "<|endoftext|>": 1}', "does not map words to numbers from 0"),
            (b'{"<|startoftext|>": 0, "<|endoftext|>": 4294967296}', "does not map words to numbers from 0"),
            (b"[" * 100_000, "cannot be read as JSON"),
            (b'{"a":' * 50_000, "cannot be read as JSON"),
            (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer.* `git lfs pull`"),
            (b'{"a": 0}', r"lacks <\|startoftext\|>, <\|endoftext\|>"),
        ],
    )
    def test_vocabulary(self, tmp_path: Path, content: bytes, message: str) -> None:
        (tmp_path / "vocab.json").write_bytes(content)
        with pytest.raises(PackageError, match=message):
            Tokenizer(tmp_path / "vocab.json", GOLDEN / "merges.txt", LENGTH)

    def test_merges_that_are_a_pointer(self, tmp_path: Path) -> None:
        (tmp_path / "merges.txt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1d\nsize 9\n")
        with pytest.raises(PackageError, match=r"merges\.txt is a Git LFS pointer.* `git lfs pull`"):
            Tokenizer(GOLDEN / "vocab.json", tmp_path / "merges.txt", LENGTH)

    def test_byte_order_marks_are_left_out(self, tmp_path: Path, tokenizer: Tokenizer) -> None:
        for name in ("vocab.json", "merges.txt"):
            (tmp_path / name).write_text((GOLDEN / name).read_text(encoding="utf-8"), encoding="utf-8-sig")
        marked = Tokenizer(tmp_path / "vocab.json", tmp_path / "merges.txt", LENGTH)
        assert marked.encode("a red apple").ids.tolist() == tokenizer.encode("a red apple").ids.tolist()

    @pytest.mark.parametrize("line", ["a", "a b c", "a 龍"])
    def test_merges(self, tmp_path: Path, line: str) -> None:
        (tmp_path / "merges.txt").write_text(f"#version: 0.2\ni n\n{line}\n", encoding="utf-8")
        with pytest.raises(PackageError, match=r"line 3.*does not fit"):
            Tokenizer(GOLDEN / "vocab.json", tmp_path / "merges.txt", LENGTH)

    def test_no_room(self) -> None:
        with pytest.raises(PackageError, match="no room"):
            Tokenizer(GOLDEN / "vocab.json", GOLDEN / "merges.txt", 2)
