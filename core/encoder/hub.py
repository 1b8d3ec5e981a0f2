"""Fetching a checkpoint from the Hugging Face hub, through its own client and cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polyhead.encoder.weights import INDEX_FILES, WEIGHT_FILES, shards_of
from polyhead.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["HubOptions", "download_checkpoint", "download_config", "download_tokenizer"]

_TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


@dataclass(frozen=True)
class HubOptions:
    """How to ask the hub.

    Attributes:
        revision: A branch, tag or commit; the default branch when None.
        cache_dir: Where downloads are kept; the client's own place when None.
        local_files_only: Whether to use the cache alone. The client's environment variable
            HF_HUB_OFFLINE=1 does the same.
        token: For private repositories; the one the client stores when None.
    """

    revision: str | None = None
    cache_dir: str | Path | None = None
    local_files_only: bool = False
    token: str | None = None


def download_checkpoint(repo_id: str, options: HubOptions) -> Path:
    """The folder in the cache that holds config, weights and tokenizer of one commit.

    Only what is needed is fetched: safetensors where there are any, else `.bin`.

    Raises:
        DownloadError: There is no such repository, revision or file, or the hub cannot be reached
            and the cache does not have it.
    """
    folder, options = _pinned(repo_id, options)
    _fetch_weights(repo_id, options)
    _fetch_tokenizer(repo_id, options)
    return folder


def download_tokenizer(repo_id: str, options: HubOptions) -> Path:
    """The folder in the cache that holds the tokenizer of one commit; weights are left out.

    Raises:
        DownloadError: There is no such repository, revision or file, or the hub cannot be reached
            and the cache does not have it.
    """
    folder, options = _pinned(repo_id, options)
    _fetch_tokenizer(repo_id, options)
    return folder


def _pinned(repo_id: str, options: HubOptions) -> tuple[Path, HubOptions]:
    """The folder of a commit, and options that ask for that one, even if its branch moves."""
    folder = download_config(repo_id, options).parent
    return folder, HubOptions(
        folder.name, options.cache_dir, options.local_files_only, options.token
    )


def _fetch_tokenizer(repo_id: str, options: HubOptions) -> None:
    for name in _TOKENIZER_FILES:
        _fetch_pinned(repo_id, name, options)


def download_config(repo_id: str, options: HubOptions) -> Path:
    """The place in the cache of the repository's config.json.

    Raises:
        DownloadError: There is no such repository, revision or file, or the hub cannot be reached
            and the cache does not have it.
    """
    config = _fetch(repo_id, "config.json", options)
    if config is None:
        raise DownloadError(f"the hub repository {repo_id!r} has no config.json.")
    return config


def _fetch_weights(repo_id: str, options: HubOptions) -> None:
    for whole, index in zip(WEIGHT_FILES, INDEX_FILES, strict=True):
        if _fetch_pinned(repo_id, whole, options) is not None:
            return
        found = _fetch_pinned(repo_id, index, options)
        if found is not None:
            _fetch_all(repo_id, shards_of(found), options)
            return
    raise _lacking(repo_id, f"has neither {' nor '.join(WEIGHT_FILES)}", options)


def _fetch_all(repo_id: str, names: Iterable[str], options: HubOptions) -> None:
    for name in names:
        if _fetch_pinned(repo_id, name, options) is None:
            raise _lacking(repo_id, f"lists {name} and lacks it", options)


def _lacking(repo_id: str, problem: str, options: HubOptions) -> DownloadError:
    if _is_offline(options):
        return DownloadError(
            f"what the cache holds of {repo_id!r} {problem}, and the hub may not be asked "
            "(offline); fetch it once without the offline flag."
        )
    return DownloadError(f"the hub repository {repo_id!r} {problem}.")


def _fetch_pinned(repo_id: str, name: str, options: HubOptions) -> Path | None:
    """As `_fetch`, for a commit, which never changes: what the cache knows is not asked again."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415

    known = try_to_load_from_cache(repo_id, name, options.cache_dir, options.revision)
    # neither a path nor None: the client's mark for a file that the commit does not have
    is_absent = known is not None and not isinstance(known, str)
    return None if is_absent else _fetch(repo_id, name, options)


def _fetch(repo_id: str, name: str, options: HubOptions) -> Path | None:
    """One file's place in the cache, or None where the repository has no such file."""
    # imported here: the client takes a while to import, and most backbones are local
    from huggingface_hub import hf_hub_download  # noqa: PLC0415
    from huggingface_hub.errors import (  # noqa: PLC0415
        EntryNotFoundError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        path = hf_hub_download(
            repo_id,
            name,
            revision=options.revision,
            cache_dir=options.cache_dir,
            local_files_only=options.local_files_only,
            token=options.token,
        )
    except LocalEntryNotFoundError:
        _check_offline(repo_id, name, options)
        return None
    except EntryNotFoundError:
        return None
    except RepositoryNotFoundError:
        raise DownloadError(
            f"the hub has no repository {repo_id!r}, or it is private and needs a token."
        ) from None
    except RevisionNotFoundError:
        raise DownloadError(
            f"the hub repository {repo_id!r} has no revision {options.revision!r}."
        ) from None
    except Exception as error:  # of the client, the HTTP library below it, or the disk
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DownloadError(f"{repo_id!r} could not be fetched from the hub: {reason}") from error
    return Path(path)


def _check_offline(repo_id: str, name: str, options: HubOptions) -> None:
    """Accepts that a file is not cached when offline and the repository itself is."""
    offline = _is_offline(options)
    if offline and name != "config.json":
        return
    if offline:
        raise DownloadError(
            f"{repo_id!r} is not in the cache and the hub may not be asked (offline); fetch it "
            "once without the offline flag, or give a local folder."
        )
    raise DownloadError(
        f"the hub cannot be reached and {name} of {repo_id!r} is not in the cache; give a local "
        "folder, or try again with a connection."
    )


def _is_offline(options: HubOptions) -> bool:
    from huggingface_hub import constants  # noqa: PLC0415

    return options.local_files_only or bool(constants.HF_HUB_OFFLINE)
