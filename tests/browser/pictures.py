"""PNG pictures made small: their colours counted, the rarest given to their nearest neighbour, one byte a pixel."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 192
NEAR = 150
"""Squared distance up to which two colours are taken for one."""
_TRUE_COLOUR, _PALETTE = 2, 3
Colour = tuple[int, int, int]


def size_of(png: bytes) -> tuple[int, int]:
    """Width and height, in pixels."""
    width, height = struct.unpack_from(">II", png, 16)
    return width, height


def smaller(png: bytes, colours: int = COLOURS) -> bytes:
    """The picture in a palette of so many colours. Errors: ValueError unless it has 8 bits of red, green and blue."""
    chunks = dict(_chunks(png))
    width, height, depth, kind, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if (depth, kind) != (8, _TRUE_COLOUR):
        raise ValueError(f"not a picture of 3 × 8 bits: depth {depth}, colour type {kind}")
    rows = _rows(zlib.decompress(chunks[b"IDAT"]), width, height)
    pixels = [list(zip(row[0::3], row[1::3], row[2::3], strict=True)) for row in rows]
    counted = Counter(colour for row in pixels for colour in row)
    palette = _palette(counted, colours)
    place = {colour: _nearest(colour, palette) for colour in counted}
    body = b"".join(b"\0" + bytes(map(place.__getitem__, row)) for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, _PALETTE, 0, 0, 0)
    table = b"".join(map(bytes, palette))
    return SIGNATURE + b"".join(
        _chunk(name, data)
        for name, data in (
            (b"IHDR", header),
            (b"PLTE", table),
            (b"IDAT", zlib.compress(body, 9)),
            (b"IEND", b""),
        )
    )


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each kind of chunk once; the pieces of the picture joined."""
    picture, at = b"", len(SIGNATURE)
    while at < len(png):
        length, name = struct.unpack_from(">I4s", png, at)
        data = png[at + 8 : at + 8 + length]
        at += 12 + length
        if name == b"IDAT":
            picture += data
        else:
            yield name, data
    yield b"IDAT", picture


def _rows(data: bytes, width: int, height: int) -> Iterator[bytearray]:
    """The rows as they were before PNG's filters."""
    stride = 3 * width
    above = bytearray(stride)
    for number in range(height):
        begin = number * (stride + 1)
        kind, row = data[begin], bytearray(data[begin + 1 : begin + 1 + stride])
        for i in range(stride if kind else 0):
            left = row[i - 3] if i >= 3 else 0
            if kind == 1:
                guess = left
            elif kind == 2:
                guess = above[i]
            elif kind == 3:
                guess = (left + above[i]) // 2
            else:
                guess = _paeth(left, above[i], above[i - 3] if i >= 3 else 0)
            row[i] = (row[i] + guess) & 255
        yield row
        above = row


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda each: abs(guess - each))


def _palette(counted: Counter[Colour], colours: int) -> list[Colour]:
    """The most frequent colours that differ: a rare red has its place before the fortieth shade of grey."""
    palette: list[Colour] = []
    for colour, _ in counted.most_common():
        if all(_distance(colour, each) > NEAR for each in palette):
            palette.append(colour)
        if len(palette) == colours:
            break
    return palette


def _nearest(colour: Colour, palette: list[Colour]) -> int:
    return min(range(len(palette)), key=lambda place: _distance(colour, palette[place]))


def _distance(one: Colour, other: Colour) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
