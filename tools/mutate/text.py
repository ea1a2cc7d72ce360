# SPDX-License-Identifier: Apache-2.0
"""What of a C++ source is code: comments, strings and preprocessor lines become blanks, so that
every character stays at its place."""

import re

HIDDEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^()\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])*'|^[ \t]*#[^\n]*(?:\\\n[^\n]*)*",
    re.DOTALL | re.MULTILINE,
)


def blank(found):
    return re.sub(r"[^\n]", " ", found.group())


def code_of(source):
    """The source with all but code blanked out."""
    return HIDDEN.sub(blank, source)


def without_comments(source):
    """The source with its comments blanked out, strings kept."""

    def keep_strings(found):
        return blank(found) if found.group().startswith(("//", "/*")) else found.group()

    return HIDDEN.sub(keep_strings, source)


def closing(code, start):
    """The place of the bracket that closes the one at `start`; -1 where there is none."""
    depth = 0
    for place in range(start, len(code)):
        if code[place] in "([{":
            depth += 1
        elif code[place] in ")]}":
            depth -= 1
            if depth == 0:
                return place
    return -1


def end_of_statement(code, start):
    """The place of the semicolon that ends a statement; -1 where a bracket closes before."""
    place = start
    while place < len(code):
        if code[place] in "([{":
            place = closing(code, place)
            if place < 0:
                return -1
        elif code[place] in ")]}":
            return -1
        elif code[place] == ";":
            return place
        place += 1
    return -1


def has_comma(code, start, end):
    """Whether a comma stands in [start, end) outside of all brackets, template arguments aside."""
    plain = re.sub(r"<[\w:, ]*>", lambda found: "_" * len(found.group()), code[start:end])
    depth = 0
    for character in plain:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            return True
    return False
