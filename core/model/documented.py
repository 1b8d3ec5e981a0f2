"""The methods that the documents of AdapterHub show, on top of ours.

What they describe as active, for the model as a whole, does not exist here: every call names its
adapters and heads, so that one model answers many callers at once. Those methods say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from polyhead.composition import Block, Fuse, trained_names
from polyhead.errors import ConfigError
from polyhead.merging import equal_shares
from polyhead.model.documented_fusions import DocumentedFusions
from polyhead.model.documented_heads import DocumentedHeads
from polyhead.model.merging import MergingModel
from polyhead.model.not_active import not_active
from polyhead.model.sharing import SharingModel

__all__ = ["DocumentedModel"]


class DocumentedModel(DocumentedHeads, DocumentedFusions, MergingModel, SharingModel):
    """A model with the names and defaults that AdapterHub's documents use.

    Source: `DistilBertModelWithHeads` of adapter-transformers and `DistilBertAdapterModel` of
    `adapters` 1.3.
    """

    def eject_prefix_tuning(self, name: str) -> None:
        """Puts a flat prefix, of far fewer weights, in the place of one that a network computes.

        It computes the same. What trained it further would train the prefix itself.

        Args:
            name: The adapter's.

        Raises:
            UnknownAdapterError: There is none of that name.
            ConfigError: It is no prefix that could be made flat.
        """
        flattened = getattr(self._adapters.find(name), "flattened", None)
        if flattened is None:
            raise ConfigError(
                f"the adapter {name!r} is of kind {self._adapters.find(name).kind!r}, and only a "
                "prefix can be made flat."
            )
        self._adapters.replace(name, self._fitted(flattened()))

    def train_adapter(self, names: str | Sequence[str] | Block) -> None:
        """Prepares a training loop of one's own: these adapters and all heads take gradients.

        The other adapters take none, as the encoder never does; the model is put into training
        mode. Which adapters a call runs is said in the call.

        Args:
            names: The adapter's name, or some; of several put together, those learn that
                `polyhead.composition.trained_names` tells.

        Raises:
            UnknownAdapterError: One of them is not there.
        """
        if isinstance(names, Block):
            names = trained_names(names, self.adapter_table)
        chosen = {names} if isinstance(names, str) else set(names)
        for name in sorted(chosen):
            self._adapters.find(name)
        for name, adapter in self.adapters.items():
            adapter.requires_grad_(name in chosen)
        self.train()

    def train_adapter_fusion(self, names: str | Sequence[str] | Fuse) -> None:
        """Prepares a training loop of one's own for a fusion; see `train_adapter`.

        Args:
            names: Its name, or those of the adapters that it fuses.

        Raises:
            UnknownAdapterError: There is no such fusion.
            ConfigError: There are several of these adapters.
        """
        self.train_adapter(self._fusion_called(names))

    def average_adapter(
        self,
        adapter_name: str,
        adapter_list: Sequence[str] | Mapping[str, float],
        weights: Sequence[float] | None = None,
        combine_strategy: str = "linear",
        *,
        normalize_weights: bool = True,
        overwrite_ok: bool = False,
        set_active: bool = False,
        svd_rank: int | None = None,
    ) -> None:
        """Adds an adapter that others are merged into; see `average_adapters`.

        Args:
            adapter_name: Of the new adapter.
            adapter_list: The adapters to merge; or a mapping of them to their weights.
            weights: What each is multiplied with; equal ones, 1 in all, when None.
            combine_strategy: As `strategy` there.
            normalize_weights: Whether the weights are divided by their sum.
            overwrite_ok: Whether an adapter of that name may be replaced.
            set_active: False: no adapter is active by itself.
            svd_rank: As `rank` there.

        Raises:
            NameTakenError: There is an adapter of that name.
            UnknownAdapterError: One to merge is not there.
            ConfigError: The weights do not go with the list, or the sum has no meaning.
            InputError: A task uses the adapter to be replaced.
        """
        if set_active:
            raise ConfigError(not_active("adapter", f"adapter_names={adapter_name!r}"))
        shares = _shares(adapter_list, weights, "adapter")
        merged = self._merged_adapter(shares, combine_strategy, normalize_weights, svd_rank)
        if overwrite_ok and adapter_name in self.adapters:
            self.delete_adapter(adapter_name)
        self._adapters.add(self._adapters.check_new(adapter_name), merged)

    def average_head(
        self,
        head_name: str,
        head_list: Sequence[str] | Mapping[str, float],
        weights: Sequence[float] | None = None,
        *,
        normalize_weights: bool = True,
        overwrite_ok: bool = False,
        set_active: bool = False,
    ) -> None:
        """Adds a head that others are merged into; see `average_heads`.

        Args:
            head_name: Of the new head.
            head_list: The heads to merge; or a mapping of them to their weights.
            weights: What each is multiplied with; equal ones, 1 in all, when None.
            normalize_weights: Whether the weights are divided by their sum.
            overwrite_ok: Whether a head of that name may be replaced.
            set_active: False: no head is active by itself.

        Raises:
            NameTakenError: There is a head of that name.
            UnknownHeadError: One to merge is not there.
            ConfigError: The weights do not go with the list, or the heads are not alike.
            InputError: A task uses the head to be replaced.
        """
        if set_active:
            raise ConfigError(not_active("head", f"head={head_name!r}"))
        shares = _shares(head_list, weights, "head")
        merged = self._merged_head(shares, normalize_weights)
        if overwrite_ok and head_name in self.heads:
            self.delete_head(head_name)
        self._heads.add(self._heads.check_new(head_name), merged)

    def push_adapter_to_hub(
        self,
        repo_id: str,
        adapter_name: str,
        datasets_tag: str | None = None,
        *,
        commit_message: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        overwrite_adapter_card: bool = False,
        create_pr: bool = False,
        revision: str | None = None,
    ) -> str:
        """Puts one adapter on the hub; see `push_adapter`. A head goes with `push_task`.

        Args:
            repo_id: As "owner/name".
            adapter_name: The adapter.
            datasets_tag: The hub's id of what it learnt from.
            commit_message: Of the commit.
            private: Whether a repository that is made for it is private.
            token: As `push_adapter` takes it.
            overwrite_adapter_card: Whether a card that somebody wrote there may be replaced.
            create_pr: Whether to propose it as a pull request.
            revision: The branch.

        Returns:
            The page of it.

        Raises:
            UnknownAdapterError: There is none of that name.
            HubError: The hub refuses it, or could not be asked.
        """
        return self.push_adapter(
            adapter_name,
            repo_id,
            private=bool(private),
            revision=revision,
            message=commit_message,
            create_pr=create_pr,
            overwrite_card=overwrite_adapter_card,
            datasets=() if datasets_tag is None else (datasets_tag,),
            token=token,
        ).url

    def set_active_adapters(self, adapter_setup: object) -> NoReturn:
        """Refuses: no adapter is active by itself.

        Raises:
            ConfigError: Always; the message says what to write.
        """
        raise ConfigError(not_active("adapter", f"adapter_names={adapter_setup!r}"))

    @property
    def active_adapters(self) -> None:
        """None: no adapter is active by itself. It cannot be set."""
        return

    @active_adapters.setter
    def active_adapters(self, value: object) -> None:
        raise ConfigError(not_active("adapter", f"adapter_names={value!r}"))

    @property
    def active_head(self) -> None:
        """None: no head is active by itself. It cannot be set."""
        return

    @active_head.setter
    def active_head(self, value: object) -> None:
        raise ConfigError(not_active("head", f"head={value!r}"))


def _shares(
    listed: Sequence[str] | Mapping[str, float], weights: Sequence[float] | None, what: str
) -> Mapping[str, float]:
    """What each of those listed is multiplied with."""
    if isinstance(listed, Mapping):
        if weights is not None:
            raise ConfigError(f"give the weights of the {what}s in the mapping or as a list.")
        return listed
    equal = equal_shares(listed, what)
    if weights is None:
        return equal
    if len(weights) != len(equal):
        raise ConfigError(f"there are {len(weights)} weights for {len(equal)} {what}s.")
    return dict(zip(equal, weights, strict=True))
