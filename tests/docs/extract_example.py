#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Follows docs/adding-an-algorithm.md to the letter.

    extract_example.py DOC ALGORITHM_CPP FOLDER

The first block of C++ of DOC becomes FOLDER/example.cpp; the second is a declaration and the third a
line of the table, which go into a copy of ALGORITHM_CPP, FOLDER/algorithm.cpp.
"""

import pathlib
import re
import sys

MOST_LINES = 60  # of a new method, its table lines included


def main():
    doc, algorithm, folder = map(pathlib.Path, sys.argv[1:])
    example, declaration, line = re.findall(r"```cpp\n(.*?)```", doc.read_text(), re.DOTALL)
    lines = len((example + declaration + line).splitlines())
    if lines > MOST_LINES:
        sys.exit(f"{doc}: the example has {lines} lines; {MOST_LINES} are promised")
    text = algorithm.read_text()
    first_declaration = text.index("AlgorithmEntry ")
    text = text[:first_declaration] + declaration + text[first_declaration:]
    table = text.index("table{\n") + len("table{\n")
    text = text[:table] + line + text[table:]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "example.cpp").write_text(example)
    (folder / "algorithm.cpp").write_text(text)


if __name__ == "__main__":
    main()
