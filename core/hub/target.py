"""The repository that is pushed to: found or made, and what it holds now."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from polyhead.encoder import HubOptions
from polyhead.errors import HubError
from polyhead.hub.address import Address
from polyhead.hub.layout import CARD_FILE, FILES_OF
from polyhead.hub.listing import Listing, RemoteFile, client, listing_on_hub

__all__ = ["Target", "find_target"]


@dataclass(frozen=True)
class Target:
    """Where a push goes.

    Attributes:
        listing: Of the folder that is pushed to.
        files: All files of the repository, by their paths in it.
        is_new: Whether the repository was made now.
        token: What it is asked with.
    """

    listing: Listing
    files: Mapping[str, RemoteFile]
    is_new: bool
    token: str | None

    def text(self, path: str) -> str:
        """The content of a card; "" for one of another size than a card has."""
        if (self.files[path].n_bytes or 0) > FILES_OF["task"][CARD_FILE]:
            return ""
        place = client(self.token).hf_hub_download(
            self.listing.address.repo_id, path, revision=self.listing.commit
        )
        return Path(place).read_text(encoding="utf-8", errors="replace")


def find_target(
    address: Address, *, private: bool, revision: str | None, token: str | None
) -> Target:
    """The target; the repository and the branch are made where they are missing.

    Raises:
        HubError: The repository is public, and it was to be private.
    """
    from huggingface_hub.errors import (  # noqa: PLC0415
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    api = client(token)
    root = Address(address.repo_id)
    is_new = False
    try:
        whole = listing_on_hub(root, HubOptions(token=token))
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        api.create_repo(address.repo_id, private=private or None, exist_ok=True)
        whole, is_new = listing_on_hub(root, HubOptions(token=token)), True
    if private and not whole.is_private:
        raise HubError(
            f"{address.repo_id!r} is there already and is public, and --private asks for a private "
            "one; choose another name, or change it on its page on the hub."
        )
    if revision is not None:
        with suppress(RevisionNotFoundError):
            return _target(
                listing_on_hub(root, HubOptions(revision, token=token)), address, is_new, token
            )
        api.create_branch(address.repo_id, branch=revision, exist_ok=True)
        whole = listing_on_hub(root, HubOptions(revision, token=token))
    return _target(whole, address, is_new, token)


def _target(whole: Listing, address: Address, is_new: bool, token: str | None) -> Target:
    prefix = address.path("")
    files = {
        path.removeprefix(prefix): file
        for path, file in whole.files.items()
        if path.startswith(prefix)
    }
    listing = Listing(address, whole.commit, files, is_private=whole.is_private)
    return Target(listing, whole.files, is_new, token)
