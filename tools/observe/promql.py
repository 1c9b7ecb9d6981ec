"""Reads PromQL far enough to lint it: which series are asked for, inside which functions, grouped by what.

The grammar is Prometheus' own, but operators keep no precedence: a chain of them is one node, because no check of ours
depends on who binds tighter. What is really valid is promtool's word, which checks every expression as well.
"""
import dataclasses
import re

AGGREGATORS = {"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile", "count_values"}
SET_WORDS = {"and", "or", "unless", "atan2"}
OPERATORS = {"+", "-", "*", "/", "%", "^", "==", "!=", "<=", ">=", "<", ">"}
MATCHING = {"on", "ignoring", "group_left", "group_right"}
TOKEN = re.compile(r"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
  | (?P<duration>\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*)
  | (?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>[a-zA-Z_:][\w:]*)
  | (?P<op>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){}\[\],@:])
""", re.VERBOSE)


class SyntaxProblem(Exception):
    """The text is not PromQL that we can read."""


@dataclasses.dataclass
class Selector:
    name: str
    matchers: list      # (label, operator, value)
    ranged: bool = False

    def children(self):
        return []


@dataclasses.dataclass
class Call:
    name: str
    args: list

    def children(self):
        return self.args


@dataclasses.dataclass
class Aggregation:
    name: str
    args: list
    by: list = None        # labels of `by`, None where it says `without` or nothing
    without: list = None

    def children(self):
        return self.args


@dataclasses.dataclass
class Chain:
    """Operands joined by operators, in the order of the text."""
    parts: list
    operators: list
    labels: list       # of on, ignoring, group_left, group_right

    def children(self):
        return self.parts


@dataclasses.dataclass
class Literal:
    text: str

    def children(self):
        return []


@dataclasses.dataclass
class Subquery:
    inner: object

    def children(self):
        return [self.inner]


def tokens(text):
    at, out = 0, []
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise SyntaxProblem(f"unexpected {text[at]!r} at character {at + 1}")
        if found.lastgroup != "space":
            out.append((found.lastgroup, found.group()))
        at = found.end()
    return out + [("end", "")]


class Parser:
    def __init__(self, text):
        self.tokens, self.at = tokens(text), 0

    def peek(self, ahead=0):
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def take(self, value=None):
        kind, text = self.peek()
        if kind == "end" or (value is not None and text != value):
            raise SyntaxProblem(f"expected {value or 'more'!r}, found {text or 'the end'!r}")
        self.at += 1
        return text

    def accept(self, value):
        if self.peek()[1] == value and self.peek()[0] != "string":
            self.at += 1
            return True
        return False

    def whole(self):
        tree = self.chain()
        if self.peek()[0] != "end":
            raise SyntaxProblem(f"unexpected {self.peek()[1]!r}")
        return tree

    def chain(self):
        parts, operators, labels = [self.operand()], [], []
        while True:
            kind, text = self.peek()
            if not (text in SET_WORDS or (kind == "op" and text in OPERATORS)):
                break
            operators.append(self.take())
            self.accept("bool")
            while self.peek()[1] in MATCHING:
                self.take()
                if self.peek()[1] == "(":
                    labels += self.label_list()
            parts.append(self.operand())
        return parts[0] if not operators else Chain(parts, operators, labels)

    def label_list(self):
        self.take("(")
        out = []
        while not self.accept(")"):
            out.append(self.take())
            self.accept(",")
        return out

    def operand(self):
        if self.peek()[1] in ("-", "+") and self.peek()[0] == "op":
            self.take()
            return self.operand()
        node = self.atom()
        while True:
            if self.accept("["):
                subquery = False
                while not self.accept("]"):
                    subquery |= self.take().startswith(":")    # ":30s" reads as a name
                if subquery:
                    node = Subquery(node)
                elif isinstance(node, Selector):
                    node.ranged = True
                else:
                    raise SyntaxProblem("a range needs a selector before it")
            elif self.accept("offset") or self.accept("@"):
                self.accept("-")
                self.take()
                if self.accept("("):
                    self.take(")")
            else:
                return node

    def atom(self):
        kind, text = self.peek()
        if self.accept("("):
            inner = self.chain()
            self.take(")")
            return inner
        if kind in ("number", "duration", "string"):
            return Literal(self.take())
        if kind == "op" and text == "{":
            return Selector("", self.matchers())
        if kind != "name":
            raise SyntaxProblem(f"unexpected {text or 'end'!r}")
        self.take()
        if text in AGGREGATORS:
            return self.aggregation(text)
        if self.peek()[1] == "(":
            return Call(text, self.arguments())
        if text.lower() in ("inf", "nan"):
            return Literal(text)
        return Selector(text, self.matchers() if self.peek()[1] == "{" else [])

    def aggregation(self, name):
        grouping = {}
        for _ in range(2):
            if self.peek()[1] in ("by", "without"):
                word = self.take()
                grouping[word] = self.label_list()
            elif "args" not in grouping:
                grouping["args"] = self.arguments()
        return Aggregation(name, grouping.get("args", []), grouping.get("by"), grouping.get("without"))

    def arguments(self):
        self.take("(")
        out = []
        while not self.accept(")"):
            out.append(self.chain())
            self.accept(",")
        return out

    def matchers(self):
        self.take("{")
        out = []
        while not self.accept("}"):
            out.append((self.take(), self.take(), self.take()[1:-1]))
            self.accept(",")
        return out


def parse(text):
    return Parser(text).whole()


def walk(node, above=()):
    """Every node with the tuple of its ancestors, nearest last."""
    yield node, above
    for child in node.children():
        yield from walk(child, above + (node,))


def selectors(node):
    return [n for n, _ in walk(node) if isinstance(n, Selector)]
