"""Text from outside, made harmless for a terminal."""


def visible(text: str) -> str:
    r"""Return the text on one line, with what does not print written out, as in `\x1b[31m`.

    Control characters would move the cursor or forge lines; marks of direction would reorder
    what is read.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _written_out(char) for char in text)


def _written_out(char: str) -> str:
    return ascii(char)[1:-1]
