"""Makes what a tormented server serves, and the right answers. A script: the plugin must be there.

python chaos_material.py BACKBONE FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from moody_plugin import MoodyHeadConfig

import polyhead as ph

MOODS = ("raise", "raise_on_two_words", "nan", "shape", "sleep", "exit", "decode")
TEXTS = ("the cat sat on the mat", "a good day", "the red dog ran", "is the blue cat bad?", "day")
GOOD = {
    "sentiment": (ph.ClassificationHeadConfig(labels=("bad", "good")), TEXTS),
    "topics": (ph.MultilabelHeadConfig(labels=("cats", "dogs", "days")), TEXTS),
    "score": (ph.RegressionHeadConfig(), TEXTS),
    "names": (ph.TaggingHeadConfig(labels=("O", "B-x", "I-x")), TEXTS),
    "vectors": (ph.EmbeddingHeadConfig(), TEXTS),
    "answers": (
        ph.QuestionAnsweringHeadConfig(),
        tuple((f"who is {text}?", " ".join(TEXTS)) for text in TEXTS),
    ),
}
CHANGING = ("changing", "victim")
"""Tasks whose files are replaced and damaged; each has two versions, "a" and "b"."""


def shaken(model: ph.DistilBertModelWithHeads, name: str, seed: int) -> None:
    """Gives a task weights by which its answers can be told from others'."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in (model.adapters[name], model.heads[name]):
            for weight in part.parameters():
                weight.normal_(0, 0.3, generator=generator)


def answered(model: ph.DistilBertModelWithHeads, name: str, inputs: tuple[object, ...]) -> list:
    """Inputs of a request with their answers."""
    answers = model.predict(list(inputs), task=name)
    return [
        {"input": value, "answer": answer.model_dump(mode="json")}
        for value, answer in zip(inputs, answers, strict=True)
    ]


def main(backbone: str, folder: Path) -> None:
    """Writes the tasks, the versions of those that change, and expected.json."""
    model = ph.DistilBertModelWithHeads.from_pretrained(backbone)
    expected = {}
    for number, (name, (head, inputs)) in enumerate(GOOD.items()):
        model.add_task(name, head=head)
        shaken(model, name, number)
        model.save_task(name, folder / "tasks" / name)
        expected[name] = [answered(model, name, inputs)]
    for mood in MOODS:
        name = f"moody-{mood.replace('_', '-')}"
        model.add_task(name, head=MoodyHeadConfig(labels=("bad", "good"), mood=mood))
        model.save_task(name, folder / "tasks" / name)
    for name in CHANGING:
        expected[name] = []
        for seed, version in enumerate("ab", start=100):
            model.add_task(name, head=ph.ClassificationHeadConfig(labels=("bad", "good")))
            shaken(model, name, seed)
            model.save_task(name, folder / "versions" / f"{name}-{version}")
            expected[name].append(answered(model, name, TEXTS))
            model.delete_task(name)
    (folder / "expected.json").write_text(json.dumps(expected), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
