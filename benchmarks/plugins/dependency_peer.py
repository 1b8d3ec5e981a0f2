"""Train one `seq_bn` adapter and the dependency parsing head of AdapterHub `adapters`.

The other side of `dependency.py`, trained as `benchmarks/quality/peer_adapters.py` trains every
kind of head; the arguments and what it prints are those of that script, which takes `--kind
dependency` from here.

What the library leaves to its user is done as in its own example of dependency parsing: the
padding id of the model's config is -1, since with the usual 0 the head would leave every root out
of its loss; and each word takes its likeliest head, and of that arc the likeliest relation,
whether or not the arcs of a sentence make a tree. Words beyond the window count as wrong.

It runs in the environment of `benchmarks/peers-requirements.txt`, as a file and with `python -P`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

# At the end: the library `adapters` must come before the folder of that name.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from benchmarks.quality import peer_adapters
from benchmarks.quality.peer_tasks import TASK, Arguments, Json, Row, Source, Task, padded

NOTHING = -1
"""What the library's head takes for "no word here", as the padding id of the model's config."""

Tree = tuple[list[int], list[str]]


class DependencyParsing(Task):
    """The head of each word and the relation of that arc."""

    main_metric = "las"

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        train, dev = source.read("train"), source.read("dev")
        self.labels = sorted({name for example in train for name in example["deprels"]})
        self.train, self.dev = (self.rows(source, part) for part in (train, dev))

    def rows(self, source: Source, examples: list[Json]) -> list[Row]:
        """Tokenise words; `extra` has where each word starts, and the true tree."""
        encoded = source.tokenizer(
            [example["tokens"] for example in examples],
            is_split_into_words=True,
            truncation=True,
            max_length=source.max_length,
        )
        rows = []
        for index, example in enumerate(examples):
            ids, types = encoded["input_ids"][index], encoded["token_type_ids"][index]
            starts = word_starts(encoded.word_ids(index))
            tree = (example["heads"], example["deprels"])
            rows.append(Row(ids, types, self.numbered(tree, len(starts) - 1), (starts, tree)))
        return rows

    def numbered(self, tree: Tree, n_read: int) -> tuple[list[int], list[int]]:
        """Return heads and relation numbers of the words in the window, for training."""
        numbers = {name: number for number, name in enumerate(self.labels)}
        heads = [head if head <= n_read else NOTHING for head in tree[0][:n_read]]
        relations = [
            NOTHING if head == NOTHING else numbers.get(name, NOTHING)
            for head, name in zip(heads, tree[1], strict=False)
        ]
        return heads, relations

    def add_head(self, model: Any) -> None:
        """Add the library's head, and the padding id that it needs."""
        names = dict(enumerate(self.labels))
        model.add_dependency_parsing_head(TASK, num_labels=len(names), id2label=names)
        model.config.pad_token_id = NOTHING

    def inputs(self, rows: list[Row]) -> Arguments:
        """Pad the rows, and give the places where words start."""
        arguments = super().inputs(rows)
        longest = max(len(row.extra[0]) for row in rows)
        starts = [padded(row.extra[0], longest, NOTHING) for row in rows]
        return arguments | {"word_starts": torch.tensor(starts)}

    def targets(self, rows: list[Row], length: int) -> Arguments:
        """Return each word's head, 0 for the root, and its relation."""
        names = ("labels_arcs", "labels_rels")
        return {
            name: torch.tensor([padded(row.target[place], length, NOTHING) for row in rows])
            for place, name in enumerate(names)
        }

    def read(self, output: Any, rows: list[Row]) -> list[Tree]:
        """Return the likeliest head of each word in the window, and its relation."""
        trees = []
        for arcs, relations, row in zip(output.arc_preds, output.rel_preds, rows, strict=True):
            n_read = len(row.extra[0]) - 1
            heads = arcs[:n_read, : n_read + 1].argmax(dim=-1)
            chosen = relations[torch.arange(n_read), heads].argmax(dim=-1)
            names = [self.labels[number] for number in chosen.tolist()]
            trees.append((heads.tolist(), names))
        return trees

    def score(self, answers: list[Tree]) -> dict[str, float]:
        """Return the shares of words with the right head, and with the right relation too."""
        n_words = n_heads = n_both = 0
        for row, (heads, names) in zip(self.dev, answers, strict=True):
            true_heads, true_names = row.extra[1]
            n_words += len(true_heads)
            for head, name, true_head, true_name in zip(
                heads, names, true_heads, true_names, strict=False
            ):
                n_heads += head == true_head
                n_both += head == true_head and name == true_name
        return {"uas": n_heads / n_words, "las": n_both / n_words}


def word_starts(words: list[int | None]) -> list[int]:
    """Return the first token of each word, and the token behind the last word."""
    of_words = [place for place, word in enumerate(words) if word is not None]
    starts = [place for place in of_words if words[place] != words[place - 1]]
    return [*starts, of_words[-1] + 1]


if __name__ == "__main__":
    peer_adapters.KINDS["dependency"] = DependencyParsing
    peer_adapters.run(peer_adapters.parse_settings())
