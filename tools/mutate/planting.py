# SPDX-License-Identifier: Apache-2.0
"""Sources that hold many faults at once: $HARMOFL_PLANTED says which one is switched on. So all are
compiled together, once, and a fault costs no more than its tests."""

from . import text

HEADER = """\
// Made by tools/mutate.py: says which of the planted faults is switched on, and notes in the file
// $HARMOFL_REACHED, a byte a fault, which of them the program came by.
#pragma once
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
namespace {
inline unsigned char* reached_faults() {
  const char* const path = std::getenv("HARMOFL_REACHED");
  const int file = path == nullptr ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return nullptr;
  void* const bytes = mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  return bytes == MAP_FAILED ? nullptr : static_cast<unsigned char*>(bytes);
}
inline bool planted(int number) {
  static const int on = [] {
    const char* const text = std::getenv("HARMOFL_PLANTED");
    return text == nullptr ? 0 : std::atoi(text);
  }();
  static unsigned char* const reached = reached_faults();
  if (reached != nullptr) reached[number] = 1;
  return number == on;
}
}  // namespace
"""
MOST_FAULTS = 65535  # that the file of reached faults has a byte for


def switched(source, fault, number):
    """What stands in the place of the fault: both, and a choice."""
    plain = source[fault.start : fault.end]
    if fault.form == "expression":
        return f"(::planted({number}) ? ({fault.after}) : ({plain}))"
    if not fault.after:
        return f"{{ if (!::planted({number})) {plain}; }}"
    return f"{{ if (::planted({number})) {fault.after}; else {plain}; }}"


def with_faults(source, numbered, header):
    """The source with all its faults, (number, fault); lines keep their numbers."""
    clean = text.without_comments(source)
    for number, fault in sorted(numbered, key=lambda entry: -entry[1].start):
        end = fault.end + (fault.form == "statement")  # with its semicolon
        clean = clean[: fault.start] + switched(clean, fault, number) + clean[end:]
    return f'#include "{header}"\n#line 1\n' + not_constexpr(clean)


def not_constexpr(source):
    """A constant that is chosen when the program runs is not a constant expression."""
    lines = source.split("\n")
    for place, line in enumerate(lines):
        if "::planted(" in line and "constexpr " in line and "=" in line:
            lines[place] = line.replace("constexpr ", "const ", 1).replace("const const ", "const ")
    return "\n".join(lines)
