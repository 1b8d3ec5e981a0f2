"""Good, broken and quarrelling plugins in one environment: each keeps its trouble to itself."""

import json

import pytest

SUBCLASS = """
import polyhead as ph
from polyhead.heads import ClassificationHead, ClassificationHeadConfig


class OwnConfig(ClassificationHeadConfig):
    pass


class OwnHead(ClassificationHead):
    kind = "{kind}"
    Config = OwnConfig

    {method}


@ph.hookimpl
def polyhead_register_heads(register):
    register(OwnHead)
"""
SOURCES = {
    "raises-at-import": "import polyhead\nraise OSError('no licence file')\n",
    "raises-in-its-hook": """
        import polyhead as ph

        @ph.hookimpl
        def polyhead_register_heads(register):
            raise ValueError("the moon is full")
    """,
    "needs-newer-api": """
        import polyhead as ph

        POLYHEAD_API = 99

        @ph.hookimpl
        def polyhead_register_heads(register):
            from needs_newer_api_parts import Head
    """,
    "one-twin": SUBCLASS.format(kind="twin", method="pass"),
    "other-twin": SUBCLASS.format(kind="twin", method="pass"),
    "wrong-shape": SUBCLASS.format(
        kind="wrong_shape",
        method="def forward(self, hidden):\n        return super().forward(hidden)[:1]",
    ),
    "decode-raises": SUBCLASS.format(
        kind="decode_raises",
        method="def decode(self, output, encoded):\n        return {}['missing']",
    ),
}
USE = """
import json
import polyhead as ph
from polyhead.registry import registry
from polyhead.testing import tiny_model

model = tiny_model()
told = {}


def ask(name, kind):
    try:
        head = registry().head(kind)
        options = {} if kind == "star_rating" else {"labels": ("no", "yes")}
        model.add_task(name, head=head.Config(**options))
        found = model.predict(["a text", "another", "a third one"], task=name)
        told[name] = [str(one) for one in found]
    except ph.PolyheadError as error:
        told[name] = f"{type(error).__name__}: {error}"


ask("before", "star_rating")
for kind in ("twin", "wrong_shape", "decode_raises"):
    ask(kind, kind)
ask("after", "star_rating")
ask("builtin", "classification")
parse = registry().head("wrong_shape").parse
examples = [parse({"text": "a text", "label": label}) for label in ("no", "yes", "no")]
try:
    ph.Trainer(model, ph.TrainSettings(epochs=1)).fit("wrong_shape", examples)
except ph.PolyheadError as error:
    told["training"] = str(error)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def zoo(make_environment, wheels_of, small_wheel, new_plugin):
    broken = [small_wheel(name, code) for name, code in SOURCES.items()]
    return make_environment(*wheels_of(new_plugin("star-rating")), *broken)


@pytest.fixture(scope="module")
def records(zoo) -> dict[str, dict[str, object]]:
    done = zoo.polyhead("plugins", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {record["provider"].split()[0]: record for record in found if not builtin(record)}


def builtin(record: dict[str, object]) -> bool:
    return str(record["provider"]).startswith("polyhead ")


@pytest.fixture(scope="module")
def told(zoo) -> dict[str, object]:
    return zoo.python(USE)


def test_every_plugin_is_listed(records):
    assert set(records) == {"star-rating", *SOURCES}


@pytest.mark.parametrize("name", ["star-rating", "wrong-shape", "decode-raises"])
def test_what_can_be_loaded_is_provided(records, name):
    assert records[name]["failure"] is None
    assert records[name]["provides"] == [f"head {name.replace('-', '_')}"]


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("raises-at-import", "OSError: no licence file"),
        ("raises-in-its-hook", "ValueError: the moon is full"),
    ],
)
def test_what_fails_is_told_with_its_traceback(records, name, failure):
    assert records[name]["failure"] == failure
    assert f"{name.replace('-', '_')}.py" in records[name]["traceback"]
    assert records[name]["provides"] == []


def test_a_plugin_for_a_newer_polyhead_says_so(records):
    failure = records["needs-newer-api"]["failure"]
    assert "99" in failure
    assert "pip install --upgrade polyhead" in failure


def test_two_that_claim_one_kind_are_named_to_each_other(records, told):
    for name, other in (("one-twin", "other-twin"), ("other-twin", "one-twin")):
        assert records[name]["status"] == "conflict"
        assert other in str(records[name]["conflicts"])
    assert told["twin"].startswith("DuplicateKindError: ")
    assert "one-twin 1.0" in told["twin"]
    assert "other-twin 1.0" in told["twin"]


def test_a_wrong_shape_is_told_with_the_kind_the_distribution_and_what_was_expected(told):
    for error in (told["wrong_shape"], told["training"]):
        assert "forward of the head kind 'wrong_shape' of wrong-shape 1.0" in error
        assert "returned a tensor of shape (1, 2)" in error
        assert "one place for each row: 3" in error


def test_a_decode_that_raises_is_told_with_the_kind_and_the_distribution(told):
    error = told["decode_raises"]
    assert error.startswith("ContractError: decode of the head kind 'decode_raises' of ")
    assert "decode-raises 1.0 failed with KeyError: 'missing'" in error


def test_everything_else_works_before_and_after(told):
    assert len(told["before"]) == len(told["after"]) == 3
    assert not isinstance(told["before"], str)
    assert len(told["builtin"]) == 3


def test_help_works_among_them(zoo):
    done = zoo.polyhead("--help")
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout
