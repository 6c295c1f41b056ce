"""How CLIP's tokenizer cuts a text into words, and spells bytes. Needs neither torch nor transformers."""

from functools import cache

import regex

PIECES = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")


@cache
def byte_letters() -> dict[int, str]:
    """A printable letter for every byte, in GPT-2's order: printable Latin-1 first, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    letters.update({byte: chr(0x100 + place) for place, byte in enumerate(hidden)})
    return letters
