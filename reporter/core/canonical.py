"""RFC 8785 canonical JSON: the one text of a value that hashes are taken of."""

import orjson
import rfc8785


def canonical(value: object) -> bytes:
    """The RFC 8785 text of an I-JSON `value`, as UTF-8.

    `orjson` writes the same text wherever no key beyond the basic plane and no float is involved that is whole,
    tiny or huge (proved against the `rfc8785` package by a property test) and is a hundred times as fast; the rest
    goes to the package. Errors: ValueError for what JSON cannot hold.
    """
    if _is_plain(value):
        return canonical_plain(value)
    return rfc8785.dumps(value)  # type: ignore[arg-type]


def canonical_plain(value: object) -> bytes:
    """As `canonical`, for a value that is known to hold text, whole numbers, true, false and null only."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error)) from error


def _is_plain(value: object) -> bool:
    kind = type(value)
    if kind is dict:
        for key, member in value.items():  # type: ignore[attr-defined]
            if type(key) is not str or not (key.isascii() or max(key) < "\ud800"):
                return False
            inner = type(member)
            if inner is not str and inner is not int and not _is_plain(member):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))  # type: ignore[call-overload]
    if kind is float:  # both write the shortest digits; they differ in exponents, and in "1.0"
        return 1e-4 <= abs(value) < 1e15 and not value.is_integer()  # type: ignore[arg-type,attr-defined]
    return kind is str or kind is int or kind is bool or value is None
