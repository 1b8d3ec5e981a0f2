"""Blocks compare by value, hold what they were given, and can be written down and read again."""

import copy
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polyhead import Average, Fuse, Split, Stack
from polyhead.composition import fuses_in, names_of, parse_setup
from polyhead.errors import ConfigError, PolyheadError

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,5}", fullmatch=True)
WEIGHTS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-5, 5))
SPLITS = st.integers(1, 10**20)


@st.composite
def averages(draw, children):
    found = draw(st.lists(children, min_size=1, max_size=4))
    weights = draw(st.none() | st.lists(WEIGHTS, min_size=len(found), max_size=len(found)))
    return Average(*found, weights=weights)


@st.composite
def splits(draw, children):
    found = draw(st.lists(children, min_size=1, max_size=4))
    numbers = [draw(SPLITS) for _ in found[1:]]
    return Split(*found, splits=[*numbers, draw(st.none() | SPLITS)])


def blocks(children):
    several = st.lists(children, min_size=1, max_size=4)
    return st.one_of(
        several.map(lambda found: Stack(*found)),
        st.builds(lambda found, name: Fuse(*found, name=name), several, st.none() | NAMES),
        averages(children),
        splits(children),
    )


SETUPS = st.recursive(NAMES, blocks, max_leaves=12)


@given(SETUPS)
@example("None")
@example(Stack("Stack", "None"))
def test_a_setup_reads_back_as_it_was_written(setup):
    found = parse_setup(str(setup))
    assert found == setup
    assert hash(found) == hash(setup)
    assert str(found) == str(setup)


@given(SETUPS)
def test_a_copy_is_equal(setup):
    assert copy.deepcopy(setup) == setup
    assert pickle.loads(pickle.dumps(setup)) == setup  # noqa: S301 - our own bytes


@pytest.mark.parametrize("text", ["Stack('a', 'b')", '  Stack( "a" ,\n\t"b" , )  '])
def test_spaces_and_quotes_do_not_matter(text):
    assert parse_setup(text) == Stack("a", "b")


def test_a_block_says_what_it_is_made_of():
    assert repr(Stack("a", Fuse("b", "c"))) == "Stack('a', Fuse('b', 'c'))"
    assert str(Fuse("a", "b", name="own")) == "Fuse('a', 'b', name='own')"
    assert str(Average({"a": 0.7, "b": 1})) == "Average('a', 'b', weights=(0.7, 1.0))"
    assert str(Split("a", "b", splits=[3, None])) == "Split('a', 'b', splits=(3, None))"


def test_equal_blocks_are_one_key_and_others_are_not():
    alike = [
        Average("a", "b"),
        Average({"a": 0.5, "b": 0.5}),
        Average("a", "b", weights=(0.5, 0.5)),
    ]
    assert len(set(alike)) == 1
    others = {
        *(Stack("a", "b"), Stack("b", "a"), Fuse("a", "b"), Fuse("a", "b", name="c")),
        *(Average("a", "b"), Average("b", "a", weights=(0.5, 0.25)), Stack("a", Stack("b"))),
        *(Split("a", "b", splits=(1, None)), Split("a", "b", splits=(1, 2)), "a", None),
    }
    assert len(others) == 11


def test_a_block_cannot_be_changed():
    block = Stack("a", "b")
    with pytest.raises(AttributeError):
        block.children = ("c",)


def test_weights_are_used_as_given_unless_they_shall_be_normalised():
    assert Average("a", "b", "c", "d").weights == (0.25,) * 4
    assert Average({"a": 2, "b": -0.5}).weights == (2.0, -0.5)
    assert Average("a", "b", weights=[1, 3], normalize_weights=True).weights == (0.25, 0.75)
    assert Average({"a": 1, "b": 1}, normalize_weights=True).weights == (0.5, 0.5)
    assert Average("a").weights == (1.0,)


def test_names_are_told_once_in_their_order():
    setup = Stack("b", Fuse("a", Stack("c", "b"), name="own"), Average({"a": 1, "d": 2}))
    assert names_of(setup) == ("b", "a", "c", "d")
    assert names_of("a") == ("a",)
    assert names_of(None) == ()
    assert setup.last == "d"


def test_a_fusion_is_made_for_the_last_of_each_stack():
    inner = Fuse(Stack("x", "a"), "b")
    assert inner.fused == ("a", "b")
    assert list(fuses_in(Stack("y", inner))) == [inner]
    assert list(fuses_in(Fuse(inner, "c"))) == [Fuse(inner, "c"), inner]
    assert list(fuses_in("a")) == list(fuses_in(None)) == []


NAN, INF = float("nan"), float("inf")
BAD_BLOCKS = {
    "no child": (Stack, "Stack needs at least one adapter"),
    "no child of a fusion": (Fuse, "Fuse needs at least one"),
    "no child of a split": (lambda: Split(splits=()), "Split needs at least one"),
    "an empty mapping": (lambda: Average({}), "Average needs at least one"),
    "None": (lambda: Stack("a", None), "Stack takes names of adapters and further blocks: None"),
    "a list": (lambda: Stack(["a", "b"]), r"\['a', 'b'\] cannot name an adapter"),
    "a path": (lambda: Fuse("../a", "b"), r"'\.\./a' cannot name an adapter"),
    "a dot": (lambda: Split("a.b", splits=(1,)), r"'a\.b' cannot name"),
    "a look-alike": (lambda: Stack("\u0430"), "cannot name an adapter: use 1 to 64 of the letters"),
    "a bad name in a mapping": (lambda: Average({"a b": 1}), "Average takes names"),
    "a bad name of a fusion": (lambda: Fuse("a", "b", name="a,b"), "Fuse takes names"),
    "an empty name of a fusion": (lambda: Fuse("a", "b", name=""), "'' cannot name"),
    "a mapping among others": (lambda: Average({"a": 1}, "b"), "cannot name an adapter"),
    "weights twice": (
        lambda: Average({"a": 1}, weights=(1,)),
        "a mapping or as weights=, not both",
    ),
    "too few weights": (lambda: Average("a", "b", weights=(1,)), "1 weights for 2 adapters"),
    "too many weights": (lambda: Average("a", weights=(1, 2)), "2 weights for 1 adapters"),
    "no weights": (lambda: Average("a", weights=()), r"finite numbers, not \(\)"),
    "a weight that is no number": (lambda: Average("a", weights=("1",)), "finite numbers"),
    "a weight that is a truth": (lambda: Average("a", weights=(True,)), "finite numbers"),
    "a weight of nan": (lambda: Average("a", weights=(NAN,)), "finite numbers"),
    "an infinite weight": (lambda: Average({"a": INF}), "finite numbers"),
    "a huge whole weight": (lambda: Average("a", weights=(10**400,)), "finite numbers"),
    "a complex weight": (lambda: Average("a", weights=(1j,)), "finite numbers"),
    "one number for weights": (lambda: Average("a", weights=3), "finite numbers, not 3"),
    "a text for weights": (lambda: Average("a", weights="1"), "finite numbers, not '1'"),
    "weights that cancel": (
        lambda: Average({"a": 1, "b": -1}, normalize_weights=True),
        "sum to 0 and cannot be divided by that",
    ),
    "weights that overflow": (
        lambda: Average({"a": 1e308, "b": 1e308}, normalize_weights=True),
        "sum to inf and cannot be divided",
    ),
    "weights with a tiny sum": (
        lambda: Average({"a": 1e300, "b": -1e300, "c": 1e-300}, normalize_weights=True),
        "cannot be divided",
    ),
    "too few splits": (lambda: Split("a", "b", splits=(3,)), "1 splits for 2 adapters"),
    "no splits": (lambda: Split("a", splits=()), "at least 1, and the last may be None"),
    "a split of 0": (lambda: Split("a", "b", splits=(0, None)), "numbers of tokens, at least 1"),
    "a negative split": (lambda: Split("a", "b", splits=(-1, 2)), "at least 1"),
    "None first": (lambda: Split("a", "b", splits=(None, 2)), "the last may be None"),
    "None twice": (lambda: Split("a", "b", splits=(None, None)), "the last may be None"),
    "half a token": (lambda: Split("a", splits=(1.5,)), "numbers of tokens"),
    "a truth for a split": (lambda: Split("a", splits=(True,)), "numbers of tokens"),
    "one number for splits": (lambda: Split("a", "b", splits=3), "numbers of tokens"),
    "a text for splits": (lambda: Split("a", splits="3"), "numbers of tokens"),
}


@pytest.mark.parametrize("name", BAD_BLOCKS)
def test_what_makes_no_block_is_refused_in_one_sentence(name):
    make, reason = BAD_BLOCKS[name]
    with pytest.raises(ConfigError, match=reason) as caught:
        make()
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


BAD_TEXTS = {
    "": "cannot name an adapter",
    "   ": "cannot name an adapter",
    "a b": "'a b' cannot name an adapter",
    "../a": "cannot name an adapter",
    "()": "is not an adapter setup; write a name",
    "('a')": "is not an adapter setup",
    "Stack": None,
    "Stack(": "is not an adapter setup",
    "Stack)(": "is not an adapter setup",
    "Stack('a'": "is not an adapter setup",
    "Stack('a')('b')": "is not an adapter setup",
    "Stack(a, b)": "is not an adapter setup",
    "Stack('a' if 1 else 'b')": "is not an adapter setup",
    "Stack('a', **{'name': 'b'})": "is not an adapter setup",
    "Stack(*('a', 'b'))": "is not an adapter setup",
    "Stack('a', name='b')": "is not an adapter setup",
    "Stack('a\\0')": "cannot name an adapter",
    "Stack('a\0')": "is not an adapter setup",
    "Stack(['a'])": "cannot name an adapter",
    "Stack(Stack)": "is not an adapter setup",
    "stack('a')": "is not an adapter setup",
    "Parallel('a', 'b')": "is not an adapter setup",
    "BatchSplit('a', 'b', batch_sizes=1)": "is not an adapter setup",
    "ph.Stack('a', 'b')": "is not an adapter setup",
    "__import__('os').system('true')": "is not an adapter setup",
    "exec('1')": "is not an adapter setup",
    "[x for x in ('a',)]": "is not an adapter setup",
    "(lambda: 'a')()": "is not an adapter setup",
    "Stack()": "Stack needs at least one adapter",
    "Split('a', 'b')": "is not an adapter setup",
    "Split('a', 'b', splits=(0, None))": "at least 1",
    "Average('a', 'b', weights=(1,))": "1 weights for 2 adapters",
    "Average('a', weights=(1e999,))": "finite numbers",
    "Average({'a': 0.5, []: 1})": "is not an adapter setup",
    "Fuse('a', 'b', name='../x')": "cannot name an adapter",
    "Stack(" * 300 + "'a'" + ")" * 300: "is not an adapter setup",
    "(" * 9_000: "is not an adapter setup",
    "Stack('" + "a" * 10_000 + "')": "at most 10,000 characters",
    "Average('a', weights=(" + "9" * 5_000 + ",))": "is not an adapter setup|finite numbers",
}


@pytest.mark.parametrize("text", BAD_TEXTS, ids=lambda text: text[:40])
def test_a_text_that_is_no_setup_is_refused_in_one_sentence(text):
    reason = BAD_TEXTS[text]
    if reason is None:
        assert parse_setup(text) == "Stack"  # an adapter may be called so
        return
    with pytest.raises(ConfigError, match=reason) as caught:
        parse_setup(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", [None, 3, ["a"], Stack("a"), b"a"], ids=repr)
def test_what_is_no_text_is_refused(value):
    with pytest.raises(ConfigError, match="is read from a text"):
        parse_setup(value)


@given(st.text() | st.text(alphabet="StackFuseAverageSplit('ab',=[]{}:.1None) "))
def test_any_text_is_a_setup_or_refused(text):
    try:
        found = parse_setup(text)
    except PolyheadError as error:
        assert isinstance(error, ConfigError)  # noqa: PT017 - the point is that it is no other
    else:
        assert parse_setup(str(found)) == found
