"""What the hub says of a repository: its commit, and its files with their sizes and digests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyhead.encoder import HubOptions
from polyhead.errors import HubError
from polyhead.hub.address import Address
from polyhead.hub.failures import is_unreachable, reported

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Listing", "RemoteFile", "client", "find_listing", "known_token"]


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository.

    Attributes:
        n_bytes: Its size, or None where the hub does not say.
        digest: Its SHA-256 where it is stored as a large file, else its git object's SHA-1.
        is_large: Which of the two.
    """

    n_bytes: int | None
    digest: str | None
    is_large: bool

    def holds(self, content: bytes) -> bool:
        """Whether `content` is what it holds; False where the hub does not say."""
        return self.digest == (
            hashlib.sha256(content).hexdigest() if self.is_large else _git_digest(content)
        )


@dataclass(frozen=True)
class Listing:
    """A commit of a repository.

    Attributes:
        address: Of the folder that is asked for.
        commit: Its hash.
        files: Those in that folder and below, by their paths in it.
        is_private: Whether the repository is.
        cached: The folder's place in the client's cache, where the hub was not asked.
    """

    address: Address
    commit: str
    files: Mapping[str, RemoteFile] = field(default_factory=dict)
    is_private: bool = False
    cached: Path | None = None


def find_listing(address: Address, options: HubOptions) -> Listing:
    """The listing of a revision; from the cache where the hub may not be asked or does not answer.

    Raises:
        HubError: There is no such repository or revision, it may not be seen, or the hub is out of
            reach and the cache does not have it.
    """
    from huggingface_hub import constants  # noqa: PLC0415

    if options.local_files_only or constants.HF_HUB_OFFLINE:
        found = _in_cache(address, options)
        if found is None:
            raise HubError(
                f"{str(address)!r} is not in the cache and the hub may not be asked (offline); "
                "pull it once without the offline flag."
            )
        return found
    token = known_token(options.token)
    with reported("find", address, revision=options.revision, has_token=token is not None):
        try:
            return listing_on_hub(address, options)
        except Exception as error:
            found = _in_cache(address, options) if is_unreachable(error) else None
            if found is not None:
                return found
            _check_other_kind(error, address, options)
            raise


def listing_on_hub(address: Address, options: HubOptions) -> Listing:
    """What the hub answers; raises what its client raises."""
    api = client(options.token)
    info = api.model_info(address.repo_id, revision=options.revision, files_metadata=True)
    prefix = address.path("")
    files = {
        sibling.rfilename.removeprefix(prefix): _remote_file(sibling)
        for sibling in info.siblings or ()
        if sibling.rfilename.startswith(prefix)
    }
    return Listing(address, str(info.sha), files, is_private=bool(info.private))


def client(token: str | None) -> HfApi:
    """The hub's client, which names us in its requests."""
    from importlib.metadata import version  # noqa: PLC0415

    from huggingface_hub import HfApi, constants  # noqa: PLC0415

    return HfApi(
        endpoint=constants.ENDPOINT,
        token=token,
        library_name="polyhead",
        library_version=version("polyhead"),
    )


def known_token(given: str | None) -> str | None:
    """The token that the client will send: the given one, or the one it stores."""
    from huggingface_hub import constants, get_token  # noqa: PLC0415

    if given is not None or constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return given
    return get_token()


def _remote_file(sibling: Any) -> RemoteFile:
    large = sibling.lfs
    if large is None:
        return RemoteFile(sibling.size, sibling.blob_id, is_large=False)
    return RemoteFile(large.size, large.sha256, is_large=True)


def _git_digest(content: bytes) -> str:
    head = f"blob {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def _check_other_kind(error: Exception, address: Address, options: HubOptions) -> None:
    """Says so where the name is that of a dataset or a space."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError  # noqa: PLC0415

    if not isinstance(error, RepositoryNotFoundError) or isinstance(error, GatedRepoError):
        return
    for kind in ("dataset", "space"):
        with suppress(Exception):
            client(options.token).repo_info(address.repo_id, repo_type=kind)
            break
    else:
        return
    raise HubError(
        f"{address.repo_id!r} is a {kind} of the hub; tasks, adapters and heads lie in model "
        "repositories."
    ) from None


def _in_cache(address: Address, options: HubOptions) -> Listing | None:
    """What the cache holds of the revision."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    try:
        snapshot = Path(
            snapshot_download(
                address.repo_id,
                revision=options.revision,
                cache_dir=options.cache_dir,
                local_files_only=True,
                allow_patterns=[],
            )
        )
    except Exception:  # noqa: BLE001 - the client has many ways to say that it is not there
        return None
    folder = snapshot / address.subfolder
    if not folder.is_dir():
        return None
    files = {
        path.relative_to(folder).as_posix(): RemoteFile(path.stat().st_size, None, is_large=False)
        for path in folder.rglob("*")
        if path.is_file()
    }
    return Listing(address, snapshot.name, files, cached=folder)
