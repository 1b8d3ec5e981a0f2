"""A model that may keep answers, and hidden states of the encoder's lowest layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, TypeVar

import torch

from polyhead.caches.bounded_cache import BoundedCache
from polyhead.caches.prefix_cache import PrefixCache
from polyhead.caches.result_cache import ResultCache
from polyhead.errors import ConfigError, shown
from polyhead.model.parts import ModelParts
from polyhead.names import is_name

__all__ = ["CachingModel"]

CacheT = TypeVar("CacheT", bound=BoundedCache[Any])


class CachingModel(ModelParts):
    """A model with two caches, which are off by default, and tasks that are kept out of both."""

    _result_cache: ResultCache | None = None
    _prefix_cache: PrefixCache | None = None
    _private_tasks: frozenset[str] = frozenset()

    @property
    def result_cache(self) -> ResultCache | None:
        """Where `predict` keeps its answers; None, the default, for nowhere.

        Raises:
            ConfigError: What is set is no ResultCache.
        """
        return self._result_cache

    @result_cache.setter
    def result_cache(self, cache: ResultCache | None) -> None:
        self._result_cache = self._checked_cache(cache, ResultCache, "result_cache")

    @property
    def prefix_cache(self) -> PrefixCache | None:
        """Where what the lowest layers make of texts is kept; None, the default, for nowhere.

        Raises:
            ConfigError: What is set is no PrefixCache, or is one of more layers than there are.
        """
        return self._prefix_cache

    @prefix_cache.setter
    def prefix_cache(self, cache: PrefixCache | None) -> None:
        checked = self._checked_cache(cache, PrefixCache, "prefix_cache")
        if checked is not None and checked.layer > self.shape.n_layers:
            raise ConfigError(
                f"layer={checked.layer} is above this encoder's {self.shape.n_layers} layers; "
                f"give a PrefixCache of layer 1 to {self.shape.n_layers}."
            )
        self._prefix_cache = checked

    @property
    def private_tasks(self) -> frozenset[str]:
        """The tasks of which no cache keeps anything; any names, whether there are such or not.

        Raises:
            ConfigError: What is set are no names.
        """
        return self._private_tasks

    @private_tasks.setter
    def private_tasks(self, names: Iterable[str]) -> None:
        is_several = isinstance(names, Iterable) and not isinstance(names, str)
        given = list(names) if is_several else []
        if not is_several or not all(map(is_name, given)):
            raise ConfigError(
                f"private_tasks are names of tasks, such as ['contracts'], not {shown(names)}."
            )
        self._private_tasks = frozenset(given)

    def train(self, mode: bool = True) -> Self:
        """Sets the mode of all parts, as `nn.Module.train` does.

        In training, weights may be written in ways that nothing counts: the caches take a fresh
        look at each.
        """
        for cache in (self._result_cache, self._prefix_cache):
            if cache is not None:
                cache.digests.forget()
        return super().train(mode)

    def result_cache_for(self, *, private: bool) -> ResultCache | None:
        """Where answers that are computed now may be looked for and kept; None for nowhere.

        Args:
            private: Whether caches must not know of them.
        """
        return None if private else self._usable(self._result_cache)

    def _usable(self, cache: CacheT | None) -> CacheT | None:
        """`cache`, if what is computed now follows from what its keys tell."""
        return cache if self.encoder.is_frozen else None

    def _usable_prefixes(self, depth: int) -> PrefixCache | None:
        """The cache of prefixes, if a pass of that many layers, outside training, can use it."""
        cache = self._usable(self._prefix_cache)
        if cache is None or depth < cache.layer or torch.is_grad_enabled():
            return None
        return cache

    def _checked_cache(self, cache: CacheT | None, kind: type[CacheT], name: str) -> CacheT | None:
        if cache is None:
            return None
        if not isinstance(cache, kind):
            raise ConfigError(
                f"{name} is a polyhead.{kind.__name__}, or None for no cache, not {shown(cache)}."
            )
        # takes a moment: rather now than in the first call
        cache.digests.of_encoder(self.encoder)
        cache.digests.of_tokenizer(self.tokenizer)
        return cache
