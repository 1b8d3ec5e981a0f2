"""Checks of saving and loading: a file holds all there is to a head or an adapter."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import SkipTest

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from polyhead.artifact import HEAD_FILE, read_task
from polyhead.contracts import Head
from polyhead.errors import ArtifactError
from polyhead.model import DistilBertModelWithHeads
from polyhead.testing.bench import SUBJECT, Bench
from polyhead.testing.case import Config, ConformanceCase
from polyhead.testing.failure import ConformanceError, advising, require
from polyhead.testing.fresh_process import answers_of_a_fresh_process
from polyhead.testing.outputs import parts_of
from polyhead.testing.tiny_model import tiny_model
from polyhead.train import seeded

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FileChecks"]


class FileChecks(ConformanceCase):
    """What everybody expects of a saved head or adapter."""

    def test_its_file_holds_all_its_weights_and_tensors_alone(self, config: Config) -> None:
        """Files are safetensors, which hold no pickled objects, and each tensor once."""
        module = self.bench(config).module
        for place, part in module.named_modules():
            require(
                type(part).get_extra_state is nn.Module.get_extra_state,
                f"{place or self.name()} has a get_extra_state, and files hold tensors alone; make "
                "a buffer of it, or a field of the config.",
            )
        state = module.state_dict()
        odd = [name for name, value in state.items() if not isinstance(value, Tensor)]
        require(not odd, f"state_dict() has {odd}, which are no tensors; leave them to the config.")
        weights = dict(module.named_parameters(remove_duplicate=False))
        missing = sorted(weights.keys() - state.keys())
        require(
            not missing,
            f"state_dict() lacks the weights {missing}, so they would not be saved; leave "
            "state_dict as torch has it.",
        )
        _check_apart(state)

    def test_it_is_built_without_memory_for_weights(self, config: Config) -> None:
        """Before a file is read, it is compared with a module on torch's meta device."""
        bench = self.bench(config)
        with (
            advising(
                f"{self.name()}.__init__ fails on torch's meta device, where tensors have shapes "
                "and no values. Read no values of tensors there; make constants that are read "
                "under torch.device('cpu')."
            ),
            torch.device("meta"),
        ):
            state = self.build(config, bench.model.shape).state_dict()
        ours = {name: tuple(values.shape) for name, values in state.items()}
        expected = {name: tuple(v.shape) for name, v in bench.module.state_dict().items()}
        require(
            ours == expected,
            f"{self.name()}.__init__ makes other tensors on torch's meta device: {ours} and not "
            f"{expected}. Let config and shape alone decide.",
        )

    def test_saved_and_loaded_it_computes_the_same_bits(
        self, config: Config, tmp_path: Path
    ) -> None:
        """What a call computes follows from the file: the tensors and the config."""
        bench = self.bench(config)
        with advising(f"{self.name()} cannot be saved."):
            bench.model.save_task(SUBJECT, tmp_path / SUBJECT)
        with (
            advising(f"{self.name()} cannot be loaded from the file it was saved to."),
            seeded(1),  # what is drawn at random must come from the file
        ):
            other = tiny_model()
            other.load_task(tmp_path / SUBJECT)
        loaded = _on(other, bench)
        require(
            loaded.module.config == bench.module.config,
            f"the loaded config is {loaded.module.config!r} and not {bench.module.config!r}.",
        )
        state = loaded.module.state_dict()
        for name, values in bench.module.state_dict().items():
            require(
                torch.equal(state[name], values),
                f"{name} is another after loading; do not change weights in state_dict, "
                "load_state_dict or their hooks.",
            )
        _check_bits(
            _parts(loaded),
            _parts(bench),
            f"a loaded {self.name()} computes something else than the saved one, with the same "
            "tensors: something that counts is neither parameter nor buffer, and does not follow "
            "from the config.",
        )

    def test_a_fresh_process_computes_the_same_bits(self, tmp_path: Path) -> None:
        """All configurations, saved here, and loaded in a Python process of their own."""
        benches = [self.bench(config) for config in self.all_configs()]
        folders = [tmp_path / f"task{number}" for number in range(len(benches))]
        for bench, folder in zip(benches, folders, strict=True):
            bench.model.save_task(SUBJECT, folder)
        found = answers_of_a_fresh_process(self.subject(), folders, benches[0].questions)
        for bench, (parts, answers) in zip(benches, found, strict=True):
            advice = (
                f"a fresh process computes something else from {bench.module.config!r}. Something "
                "depends on this process: the order of a set, hash(), id(), a counter, the time or "
                "a global variable."
            )
            _check_bits(parts, _parts(bench), advice)
            expected = [answer.model_dump(mode="json") for answer in bench.answers()]
            require(
                answers == json.loads(json.dumps(expected)),
                f"{advice} Its answers differ: {answers} and not {expected}.",
            )

    def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(
        self, config: Config, tmp_path: Path
    ) -> None:
        """Weights with NaN or infinity are damaged, and every answer from them would be wrong."""
        bench = self.bench(config)
        state = bench.module.state_dict()
        names = [name for name, w in state.items() if w.is_floating_point() and w.numel()]
        if not names:
            raise SkipTest("it has no weights")
        self._check_refused_by_save(bench, names, tmp_path / "broken")
        bench.model.save_task(SUBJECT, tmp_path / "good")
        is_head = isinstance(bench.module, Head)
        file = _file_of(SUBJECT, tmp_path / "good", is_head=is_head)
        _poison_file(file, names[0])
        load = bench.model.load_head if is_head else bench.model.load_adapter
        try:
            load(file, name="damaged")
        except ArtifactError:
            return
        raise ConformanceError(
            f"a file with NaN in {names[0]} is loaded; leave load_state_dict and its hooks as "
            "torch has them."
        )

    def _check_refused_by_save(self, bench: Bench, names: list[str], folder: Path) -> None:
        weights = dict(bench.module.state_dict(keep_vars=True))
        for name in names:
            kept = weights[name].detach().clone()
            with torch.no_grad():
                weights[name].view(-1)[:1] = torch.nan
            try:
                bench.model.save_task(SUBJECT, folder)
            except ArtifactError:
                pass
            else:
                raise ConformanceError(
                    f"it is saved with NaN in {name}; leave state_dict and its hooks as torch has "
                    "them."
                )
            with torch.no_grad():
                weights[name].copy_(kept)


def _file_of(name: str, folder: Path, *, is_head: bool) -> Path:
    """The file of a task's head, or of the adapter of that name among its own."""
    if is_head:
        return folder / HEAD_FILE
    adapters = read_task(folder).adapters
    return folder / next(path for path, part in adapters.items() if part.name == name)


def _on(model: DistilBertModelWithHeads, bench: Bench) -> Bench:
    """The same bench with a model that was loaded."""
    parts = model.heads if isinstance(bench.module, Head) else model.adapters
    return replace(bench, model=model, module=parts[SUBJECT])


def _parts(bench: Bench) -> dict[str, Tensor]:
    with torch.inference_mode():
        return parts_of(bench.head, bench.compute(bench.encoded(bench.questions)))


def _check_bits(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], advice: str) -> None:
    for name, values in expected.items():
        is_same = name in found and torch.equal(found[name], values)
        require(is_same, f"{advice} Their {name} differ.")


def _check_apart(state: Mapping[str, Tensor]) -> None:
    """Fails where two names stand for one tensor: a file would refuse or double it."""
    name_of: dict[int, str] = {}
    for name, values in state.items():
        if not values.numel():
            continue
        place = values.untyped_storage().data_ptr()
        require(
            place not in name_of,
            f"{name} and {name_of.get(place)} are one tensor, which a file cannot hold twice; "
            "register it once, and reach it from the other place by a property or an argument.",
        )
        name_of[place] = name


def _poison_file(file: Path, name: str) -> None:
    """Puts NaN into one tensor of a file."""
    with safe_open(file, framework="pt") as opened:
        tensors = {key: opened.get_tensor(key).clone() for key in opened.keys()}  # noqa: SIM118
        metadata = opened.metadata()
    tensors[name].view(-1)[:1] = torch.nan
    save_file(tensors, file, metadata=metadata)
