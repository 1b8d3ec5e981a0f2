"""The methods that the documents of AdapterHub show, on top of ours.

What they describe as active, for the model as a whole, does not exist here: every call names its
adapters and heads, so that one model answers many callers at once. Those methods say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from polyhead.composition import Block, Fuse, acting_of, fusion_of, trained_names
from polyhead.contracts import AdapterConfig, HeadConfig, validate_config
from polyhead.errors import ConfigError, shown
from polyhead.merging import equal_shares
from polyhead.model.merging import MergingModel
from polyhead.model.sharing import SharingModel
from polyhead.registry import registry

__all__ = ["DocumentedModel"]


_FUSED_SITES = ("attention", "ffn")
_FUSION_FORMS: Mapping[str, Mapping[str, bool]] = {
    "dynamic": {},
    "static": {"value": False, "regularization": False, "value_initialized": False},
}


class DocumentedModel(MergingModel, SharingModel):
    """A model that takes heads by the names and defaults of AdapterHub's `add_..._head`.

    Source: `DistilBertModelWithHeads` of adapter-transformers and `DistilBertAdapterModel` of
    `adapters` 1.3.
    """

    def add_classification_head(
        self,
        head_name: str,
        num_labels: int = 2,
        layers: int = 2,
        activation_function: str = "tanh",
        *,
        overwrite_ok: bool = False,
        multilabel: bool = False,
        id2label: Mapping[int, str] | None = None,
    ) -> None:
        """Adds a classification head on each row's first token.

        With one label it is a regression head.

        Args:
            head_name: For calls, and for the file it is saved to.
            num_labels: The number of labels.
            layers: The number of linear layers.
            activation_function: Behind each layer but the last.
            overwrite_ok: Whether a head of that name may be replaced.
            multilabel: Whether a row may have any number of labels.
            id2label: The labels' names; "LABEL_0" and so on when None.

        Raises:
            NameTakenError: There is a head of that name.
            ConfigError: The labels or layers make no head.
        """
        kind = "multilabel" if multilabel else "classification"
        names: dict[str, Any] = {"labels": _names(num_labels, id2label)}
        if num_labels == 1 and not multilabel:
            kind, names = "regression", {"outputs": _names(num_labels, id2label)}
        self._add_head(
            head_name,
            kind,
            overwrite_ok,
            **names,
            layers=layers,
            activation=activation_function,
            pooling="cls",
        )

    def add_multiple_choice_head(
        self,
        head_name: str,
        num_choices: int = 2,
        layers: int = 2,
        activation_function: str = "tanh",
        *,
        overwrite_ok: bool = False,
    ) -> None:
        """Adds a multiple-choice head on each row's first token.

        Args:
            head_name: For calls, and for the file it is saved to.
            num_choices: At least 1. It changes nothing: the examples may have any number of them.
            layers: The number of linear layers.
            activation_function: Behind each layer but the last.
            overwrite_ok: Whether a head of that name may be replaced.

        Raises:
            NameTakenError: There is a head of that name.
            ConfigError: The choices or layers make no head.
        """
        if num_choices < 1:
            raise ConfigError(f"num_choices must be at least 1, not {num_choices}.")
        self._add_head(
            head_name,
            "multiple_choice",
            overwrite_ok,
            layers=layers,
            activation=activation_function,
            pooling="cls",
        )

    def add_tagging_head(
        self,
        head_name: str,
        num_labels: int = 2,
        layers: int = 1,
        activation_function: str = "tanh",
        *,
        overwrite_ok: bool = False,
        id2label: Mapping[int, str] | None = None,
    ) -> None:
        """Adds a tagging head on the last layer.

        Args:
            head_name: For calls, and for the file it is saved to.
            num_labels: The number of tags.
            layers: The number of linear layers.
            activation_function: Behind each layer but the last.
            overwrite_ok: Whether a head of that name may be replaced.
            id2label: The tags' names; "LABEL_0" and so on when None.

        Raises:
            NameTakenError: There is a head of that name.
            ConfigError: The tags or layers make no head.
        """
        self._add_head(
            head_name,
            "tagging",
            overwrite_ok,
            labels=_names(num_labels, id2label),
            layers=layers,
            activation=activation_function,
            hidden="last",
            context=0,
            label_all=False,
            aggregation="first",
        )

    def add_qa_head(self, head_name: str, *, overwrite_ok: bool = False) -> None:
        """Adds a question answering head: one linear layer, a start and an end logit a token.

        Args:
            head_name: For calls, and for the file it is saved to.
            overwrite_ok: Whether a head of that name may be replaced.

        Raises:
            NameTakenError: There is a head of that name.
        """
        self._add_head(head_name, "question_answering", overwrite_ok, hidden="last")

    def add_masked_lm_head(
        self, head_name: str, activation_function: str = "gelu", *, overwrite_ok: bool = False
    ) -> None:
        """Adds a masked language model's head, tied to the frozen word embeddings.

        Args:
            head_name: For calls, and for the file it is saved to.
            activation_function: Behind its first layer.
            overwrite_ok: Whether a head of that name may be replaced.

        Raises:
            NameTakenError: There is a head of that name.
            ConfigError: There is no such activation.
        """
        self._add_head(head_name, "masked_lm", overwrite_ok, activation=activation_function)

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

    def add_adapter_fusion(
        self,
        adapter_names: str | Sequence[str] | Fuse,
        config: str | AdapterConfig | Mapping[str, Any] = "dynamic",
        name: str | None = None,
        *,
        overwrite_ok: bool = False,
        set_active: bool = False,
    ) -> str:
        """Adds an AdapterFusion with fresh weights: an adapter that puts together what others do.

        It is used by its name, or by `Fuse` with those that it fuses; `train_adapter` with its name
        trains its weights alone.

        Args:
            adapter_names: Those that are fused, in their order; also in one string, "a,b".
            config: "dynamic", "static", a FusionConfig of these adapters, or some of its fields.
            name: Of the fusion; the names with "_" between them when None.
            overwrite_ok: Whether an adapter of that name may be replaced.
            set_active: False: no adapter is active by itself.

        Returns:
            Its name.

        Raises:
            UnknownAdapterError: One of them is not there.
            NameTakenError: There is an adapter of that name.
            InvalidNameError: It cannot be a name.
            ConfigError: The config is not understood, or they act where nothing can be fused.
            InputError: A task or a fusion uses the adapter to be replaced.
        """
        names = _fuse(adapter_names).fused
        name = "_".join(names) if name is None else name
        if set_active:
            raise ConfigError(_not_active("adapter", f"adapter_names={name!r}"))
        fusion = self._new_adapter(self._fusion_config(names, config))
        if name in names:
            raise ConfigError(f"a fusion of {name!r} needs another name than that.")
        if overwrite_ok and name in self.adapters:
            self.delete_adapter(name)
        self._adapters.add(self._adapters.check_new(name), fusion)
        return name

    def delete_adapter_fusion(self, adapter_names: str | Sequence[str] | Fuse) -> None:
        """Removes a fusion; the adapters that it fuses stay.

        Args:
            adapter_names: Its name, or those that it fuses.

        Raises:
            UnknownAdapterError: There is none.
            ConfigError: There are several of these adapters.
            InputError: A task or a fusion uses it.
        """
        self.delete_adapter(self._fusion_called(adapter_names))

    def train_adapter_fusion(self, names: str | Sequence[str] | Fuse) -> None:
        """Prepares a training loop of one's own for a fusion; see `train_adapter`.

        Args:
            names: Its name, or those of the adapters that it fuses.

        Raises:
            UnknownAdapterError: There is no such fusion.
            ConfigError: There are several of these adapters.
        """
        self.train_adapter(self._fusion_called(names))

    def _fusion_called(self, names: str | Sequence[str] | Fuse) -> str:
        """The name of a fusion, out of it or of those that it fuses."""
        if isinstance(names, str) and names in self.adapter_table.fusions:
            return names
        return fusion_of(_fuse(names), self.adapter_table)

    def _fusion_config(
        self, names: Sequence[str], config: str | AdapterConfig | Mapping[str, Any]
    ) -> AdapterConfig:
        """The configuration of a fusion of these adapters at all sites where they act."""
        if isinstance(config, AdapterConfig):
            fused = getattr(config, "adapters", None)
            if fused != tuple(names):
                raise ConfigError(
                    f"{type(config).__name__} is no configuration of a fusion of "
                    f"{', '.join(names)}; give adapters={tuple(names)!r}."
                )
            return config
        parts = [acting_of(self._adapters.find(name), self._adapters) for name in names]
        layers = range(self.shape.n_layers)
        taps = [part.taps(layer) for part in parts for layer in layers]
        sites = [site for site in _FUSED_SITES if any(getattr(tap, site) for tap in taps)]
        fields: dict[str, Any] = {"adapters": tuple(names), "sites": tuple(sites) or ("ffn",)}
        kind = registry().adapter("fusion").Config
        if isinstance(config, str):
            if config not in _FUSION_FORMS:
                raise ConfigError(
                    f"a fusion is 'dynamic', 'static' or a FusionConfig, not {shown(config)}."
                )
            fields |= _FUSION_FORMS[config]
        elif isinstance(config, Mapping):
            fields |= config
        else:
            raise ConfigError(
                "a fusion is 'dynamic', 'static', a FusionConfig or some of its fields, not "
                f"{shown(config)}."
            )
        return self._fusion_config(names, validate_config(kind, fields, "adapter kind 'fusion'"))

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
            raise ConfigError(_not_active("adapter", f"adapter_names={adapter_name!r}"))
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
            raise ConfigError(_not_active("head", f"head={head_name!r}"))
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
        raise ConfigError(_not_active("adapter", f"adapter_names={adapter_setup!r}"))

    @property
    def active_adapters(self) -> None:
        """None: no adapter is active by itself. It cannot be set."""
        return

    @active_adapters.setter
    def active_adapters(self, value: object) -> None:
        raise ConfigError(_not_active("adapter", f"adapter_names={value!r}"))

    @property
    def active_head(self) -> None:
        """None: no head is active by itself. It cannot be set."""
        return

    @active_head.setter
    def active_head(self, value: object) -> None:
        raise ConfigError(_not_active("head", f"head={value!r}"))

    def _add_head(self, name: str, kind: str, overwrite_ok: bool, **fields: Any) -> None:
        config: HeadConfig = validate_config(
            registry().head(kind).Config, fields, f"head kind {kind!r}"
        )
        if overwrite_ok and name in self.heads:
            self.delete_head(name)
        self.add_head(name, config)


def _fuse(names: str | Sequence[str] | Fuse) -> Fuse:
    """The block of those that a fusion is made of."""
    if isinstance(names, Fuse):
        return names
    try:
        return Fuse(*(names.split(",") if isinstance(names, str) else names))
    except TypeError:
        raise ConfigError(
            f"a fusion is named by the adapters that it fuses, a list of them, not {shown(names)}."
        ) from None


def _names(number: int, id2label: Mapping[int, str] | None) -> tuple[str, ...]:
    if id2label is None:
        return tuple(f"LABEL_{place}" for place in range(number))
    if sorted(id2label) != list(range(number)):
        raise ConfigError(
            f"id2label must name the labels 0 to {number - 1}, not {sorted(id2label)}."
        )
    return tuple(id2label[place] for place in range(number))


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


def _not_active(what: str, argument: str) -> str:
    return (
        f"no {what} is active for the model as a whole, since many callers share it; name it in "
        f"each call: model(..., {argument})."
    )
