"""Checks of an adapter's effect: on its own rows, and on nothing else."""

from __future__ import annotations

from unittest import SkipTest

import torch

from polyhead.errors import ConfigError
from polyhead.model import HeadCall
from polyhead.registry import registry
from polyhead.testing.adapter_case import AdapterCase
from polyhead.testing.bench import LONGER, OTHER, SPARE, SUBJECT, plain_head
from polyhead.testing.case import Config
from polyhead.testing.failure import advising, require
from polyhead.testing.outputs import answers_of, check_same, parts_of
from polyhead.testing.train_checks import check_learns_alone
from polyhead.train import seeded

__all__ = ["AdapterChecks"]


class AdapterChecks(AdapterCase):
    """What adapters alone have to do."""

    def test_its_presets_can_be_built(self) -> None:
        """A preset is a configuration with a name, which people use without reading its fields."""
        shape = self.bench(self.all_configs()[0]).model.shape
        for name, preset in self.adapter.presets.items():
            with advising(f"the preset {name!r} of {self.name()} cannot be built."):
                config = registry().adapter_config(preset)
                try:
                    self.adapter(config, shape)
                except ConfigError:
                    continue  # refused with a reason: a layer is named that is not there

    def test_its_weights_change_the_hidden_states(self, config: Config) -> None:
        """An adapter that is never asked would be trained for nothing."""
        bench = self.bench(config)
        with_it, without = bench.states(SUBJECT), bench.states(None)
        require(
            not torch.allclose(with_it, without, atol=1e-4),
            f"{self.name()} changes nothing, whatever its weights are; see that `taps` or `read` "
            "uses them.",
        )

    def test_it_changes_each_token_by_itself_if_it_says_so(self, config: Config) -> None:
        """The last layer is not computed then for tokens that a head does not read."""
        bench = self.bench(config)
        if not bench.adapter.is_per_token:
            raise SkipTest("it does not say so")
        bench.model.add_head("first", plain_head(pooling="cls"), adapter=None)
        bench.model.eval()
        rows = [row for item in bench.encoded(bench.questions) for row in item.rows]
        calls = [HeadCall("first", (row,), (SUBJECT,)) for row in rows]
        with torch.inference_mode():
            for row, call in zip(rows, calls, strict=True):
                whole = bench.model(torch.tensor([row.ids]), adapter_names=SUBJECT, head="first")
                [found] = bench.model.compute([call])
                check_same(
                    parts_of(bench.model.heads["first"], found),
                    {"output": whole.logits},
                    f"{self.name()} has is_per_token, and what it makes of a token behind the "
                    "attention depends on the others of its row; leave `is_per_token` out.",
                )

    def test_fresh_weights_do_as_it_says(self, config: Config) -> None:
        """Nothing at all where `is_neutral_at_first` is set, and nothing infinite anywhere."""
        bench = self.bench(config)
        with seeded(3):
            bench.model.add_adapter("fresh", config)  # type: ignore[arg-type]  # an AdapterConfig
        fresh, bare = bench.states("fresh"), bench.states(None)
        require(
            bool(fresh.isfinite().all()),
            f"a fresh {self.name()} makes hidden states that are not finite; let its first weights "
            "be small.",
        )
        if self.is_neutral_at_first:
            check_same(
                {"hidden state": fresh},
                {"hidden state": bare},
                f"a fresh {self.name()} changes the hidden states; let the last factor of its "
                "change start as 0, or leave `is_neutral_at_first` out of the test class.",
            )

    def test_training_it_alone_lowers_the_loss(self, config: Config) -> None:
        """A few steps of the adapter under a head that stays as it is."""
        check_learns_alone(self.bench(config), self.name())

    def test_rows_of_others_are_left_alone(self, config: Config) -> None:
        """Rows of other adapters and of none, in a batch with rows of this one and without."""
        bench = self.bench(config)
        encoded = bench.encoded(bench.questions)
        rows = tuple(row for item in encoded for row in item.rows)
        own = HeadCall(SUBJECT, rows, (SUBJECT,) * len(rows))
        for adapter in (None, SPARE, OTHER, LONGER):
            theirs = HeadCall(SUBJECT, rows, (adapter,) * len(rows))
            with torch.inference_mode():
                [alone] = bench.model.compute([theirs])
                _, beside = bench.model.compute([own, theirs])
            pairs = zip(
                answers_of(bench.head, beside, encoded),
                answers_of(bench.head, alone, encoded),
                strict=True,
            )
            for found, expected in pairs:
                check_same(
                    found,
                    expected,
                    f"rows with the adapter {adapter!r} change when {self.name()} has rows in "
                    "their batch; write into no tensor that you are given.",
                )
