# SPDX-License-Identifier: Apache-2.0
"""Where a fault can be planted: another operator, another constant, a condition turned round, a
statement left out."""

import dataclasses
import random
import re

from . import text

OPERATORS = {
    "+": "-",
    "-": "+",
    "*": "/",
    "/": "*",
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    "&&": "||",
    "||": "&&",
    "+=": "-=",
    "-=": "+=",
    "*=": "/=",
}
# The sources are formatted: binary operators, and they alone, stand between blanks.
OPERATOR = re.compile(r"(?<= )(?:[-+*/]=?|<=?|>=?|[=!]=|&&|\|\|)(?=\s)")
NUMBER = re.compile(r"(?<![\w.<])\d[\w.]*(?:[eE][-+]?\d+)?(?![\w.]*[\w>])")
# What says something, tells the time or checks what cannot happen (HARMOFL_EXPECT is off in a
# release build).
IDLE = re.compile(
    r"log::|watchdog_|times_|timed|Stopwatch|elapsed_s|fault_point|std::cerr|remedy"
    r"|HARMOFL_EXPECT|HARMOFL_ASSERT|static_assert|\.reserve\(|assert\("
)
STARTS = re.compile(r"(?:(?<=[;{}])|(?<=\belse))\s*(?=\S)")
CONTROL = re.compile(r"\b(if|for|while)( constexpr)? \(")
CALL = re.compile(r"^[A-Za-z_][\w:.]*(?:(?:->|\.)\w+|\[[^;=]*?\]|\([^;{}]*?\))*\(")
CHANGE = re.compile(r"^[A-Za-z_*(][\w:.\->\[\]()*]*(?:\[[^;]*?\])? [-+*/|^&]?= |^(?:\+\+|--)\S+$")
VALUE = re.compile(
    r"^(?:return |(?:const |constexpr |static |inline )*[\w:<>*&, ]*?[\w\].)\[]+ "
    r"(?P<op>[-+*/]?=) )"
)
WORDS = (
    "return",
    "break",
    "continue",
    "throw",
    "using",
    "case",
    "default",
    "public",
    "private",
    "typedef",
    "template",
    "delete",
    "else",
    "do",
    "goto",
    "namespace",
    "enum",
    "struct",
    "class",
)


@dataclasses.dataclass(frozen=True)
class Fault:
    """What stands at [start, end) and what is put there. `form` says how a fault can be switched: a
    whole "statement" without its semicolon, or an "expression" that is one operand of a choice."""

    file: str
    line: int
    last_line: int
    kind: str
    start: int
    end: int
    before: str
    after: str
    form: str

    def key(self):
        return f"{self.file}:{self.line}: {self.kind}: {self.before} -> {self.after}"


def one_line(words):
    return re.sub(r"\s+", " ", words).strip()


class Source:
    """A file and what can be changed in it."""

    def __init__(self, name, source):
        self.name = name
        self.source = text.without_comments(source)
        self.code = text.code_of(source)

    def fault(self, kind, start, end, after, form):
        line = self.source.count("\n", 0, start) + 1
        before = self.source[start:end]
        last = line + before.count("\n")
        words = (one_line(before), one_line(after))
        return Fault(self.name, line, last, kind, start, end, *words, form)

    def faults(self):
        """All of them, each kind at each place."""
        found = []
        for start, end in self.statements():
            found += self.of_statement(start, end)
        for start, end in self.conditions():
            found += self.of_condition(start, end)
        return sorted(set(found), key=lambda fault: (fault.start, fault.kind, fault.after))

    def statements(self):
        """[start, end) of all statements without a block that begin where one can."""
        starts = [found.end() for found in STARTS.finditer(self.code)]
        for found in CONTROL.finditer(self.code):
            close = text.closing(self.code, found.end() - 1)
            if close > 0:
                rest = self.code[close + 1 :]
                starts.append(close + 1 + len(rest) - len(rest.lstrip()))
        for start in sorted(set(starts)):
            end = text.end_of_statement(self.code, start)
            if end > 0 and not IDLE.search(self.code[start:end]):
                yield start, end

    def conditions(self):
        for found in CONTROL.finditer(self.code):
            end = text.closing(self.code, found.end() - 1)
            inner = self.code[found.end() : end]
            plain = found.group(1) == "if" and not found.group(2)
            if plain and end > 0 and ";" not in inner and not re.search(r"[^=!<>]=[^=]", inner):
                if not IDLE.search(inner):
                    yield found.end(), end

    def of_condition(self, start, end):
        inner = self.source[start:end]
        turned = self.fault("condition", start, end, f"!({inner})", "expression")
        return [turned, *self.of_expression(start, end)]

    def of_statement(self, start, end):
        code = self.code[start:end]
        if code.split("(")[0].split(" ")[0] in WORDS[1:] or "{\n" in code:
            return []
        found = []
        if CALL.match(code) or CHANGE.match(code):
            if " = default" not in code and " = delete" not in code:
                found.append(self.fault("statement", start, end, "", "statement"))
        value = VALUE.match(code)
        if not value:
            return found
        if value["op"] and value["op"] != "=":
            place = start + value.start("op")
            after = OPERATORS[value["op"]] if value["op"] in OPERATORS else "="
            changed = self.source[start:place] + after + self.source[place + 2 : end]
            found.append(self.fault("operator", start, end, changed, "statement"))
        first = start + value.end()
        plain = not code[value.end() :].lstrip().startswith(("{", "["))
        if plain and not text.has_comma(self.code, first, end):  # int a = 0, b = 1
            found += self.of_expression(first, end)
        return found

    def of_expression(self, start, end):
        """Another operator or constant in the expression at [start, end)."""
        found = []
        for kind, pattern, other in (
            ("operator", OPERATOR, OPERATORS.get),
            ("constant", NUMBER, other_number),
        ):
            for token in pattern.finditer(self.code, start, end):
                after = other(token.group())
                if after is None:
                    continue
                changed = self.source[start : token.start()] + after + self.source[token.end() : end]
                found.append(self.fault(kind, start, end, changed, "expression"))
        return found


def other_number(number):
    """Another constant of the same type; None for what is not a plain number."""
    if re.fullmatch(r"\d+[uUlL]*", number):
        value = re.match(r"\d+", number).group()
        return str(int(value) + 1) + number[len(value) :]
    if re.fullmatch(r"\d+\.\d*(?:[eE][-+]?\d+)?f?", number):
        if float(number.rstrip("f")) == 0.0:
            return "1.0" + ("f" if number.endswith("f") else "")
        return f"1.5 * {number}" if not number.endswith("f") else f"1.5f * {number}"
    return None


def apart(chosen, fault):
    """Whether a fault shares no text with those chosen, so that all can stand side by side."""
    return all(
        fault.end <= other.start or fault.start >= other.end for other in chosen if other.file == fault.file
    )


def draw(sources, count, seed, most_in_file):
    """So many faults, one of each file in turn, kinds in turn, none overlapping."""
    generator = random.Random(seed)
    waiting = {}
    for name in generator.sample(sorted(sources), len(sources)):
        kinds = {}
        for fault in Source(name, sources[name]).faults():
            kinds.setdefault(fault.kind, []).append(fault)
        for faults in kinds.values():
            generator.shuffle(faults)
        if kinds:
            waiting[name] = kinds
    chosen, taken = [], {name: [] for name in waiting}
    turn = 0
    while len(chosen) < count and waiting:
        for name in list(waiting):
            fault = next_fault(waiting[name], taken[name], turn)
            if fault is None or len(taken[name]) >= most_in_file:
                del waiting[name]
                continue
            taken[name].append(fault)
            chosen.append(fault)
            if len(chosen) == count:
                break
        turn += 1
    return sorted(chosen, key=lambda fault: (fault.file, fault.start))


def next_fault(kinds, taken, turn):
    """The next fault of a file, its kinds in turn; None when there is no more."""
    order = ("statement", "operator", "constant", "condition")
    for place in range(len(order)):
        faults = kinds.get(order[(turn + place) % len(order)], [])
        while faults:
            fault = faults.pop()
            if apart(taken, fault):
                return fault
    return None
