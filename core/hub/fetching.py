"""Files of a repository into the client's cache: only known ones, of bounded size, checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from polyhead.encoder import HubOptions
from polyhead.errors import HubError
from polyhead.hub.failures import reported
from polyhead.hub.layout import Layout
from polyhead.hub.listing import Listing, RemoteFile, client, known_token

__all__ = ["fetch"]

_CHUNK: Final = 1024**2


def fetch(
    listing: Listing,
    layout: Layout,
    options: HubOptions,
    *,
    files: Iterable[str] | None = None,
    fresh: bool = False,
) -> Path:
    """The folder in the cache that holds the files of one commit.

    Args:
        listing: What the hub has.
        layout: What of it is wanted.
        options: How to ask the hub.
        files: Of the layout's files those to fetch; all when None.
        fresh: Whether to fetch what the cache already has.

    Raises:
        HubError: A file is too large or is not what the hub says it is, or could not be fetched.
    """
    wanted = layout.files if files is None else tuple(files)
    for file in wanted:
        _check_size(listing, file, layout.limit(file))
    if listing.cached is not None:
        return listing.cached
    token = known_token(options.token)
    folder = Path()
    with reported("fetch", listing.address, has_token=token is not None):
        for file in wanted:
            path = _download(listing, file, options, listing.commit, fresh=fresh)
            _check_digest(path, listing, file)
            folder = path.parents[file.count("/")]
        if wanted:  # by the branch's name too: so the cache can tell offline which commit it was
            _download(listing, wanted[0], options, options.revision, fresh=False)
    return folder


def _download(
    listing: Listing, file: str, options: HubOptions, revision: str | None, *, fresh: bool
) -> Path:
    path: str = client(options.token).hf_hub_download(
        listing.address.repo_id,
        listing.address.path(file),
        revision=revision,
        cache_dir=options.cache_dir,
        force_download=fresh,
    )
    return Path(path)


def _check_size(listing: Listing, file: str, most: int) -> None:
    n_bytes = listing.files[file].n_bytes
    if n_bytes is None or n_bytes > most:
        raise HubError(
            f"{listing.address.within(file)} has {'?' if n_bytes is None else n_bytes} bytes, and "
            f"such a file has at most {most}; it is not fetched."
        )


def _check_digest(path: Path, listing: Listing, file: str) -> None:
    remote = listing.files[file]
    if remote.digest is not None and _digest(path, remote) != remote.digest:
        raise HubError(
            f"{listing.address.within(file)} came with another digest than the hub names: the copy "
            "in the cache or on the way is damaged; pull it with --fresh."
        )


def _digest(path: Path, remote: RemoteFile) -> str:
    if remote.is_large:
        found = hashlib.sha256()
    else:
        found = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
