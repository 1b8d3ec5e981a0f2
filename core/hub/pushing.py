"""From a folder to the hub: one commit of what differs, and nobody's words are overwritten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from polyhead.artifact import ADAPTER_FILE, HEAD_FILE, TASK_FILE, CardDetails
from polyhead.errors import HubError
from polyhead.hub.address import Address, parse_address
from polyhead.hub.cards import Card, cards_for
from polyhead.hub.contents import Contents, contents_of
from polyhead.hub.failures import LOG_IN, reported
from polyhead.hub.layout import Layout, LayoutKind, layout_of
from polyhead.hub.listing import Listing, client, known_token
from polyhead.hub.target import Target, find_target

__all__ = ["PushSettings", "Pushed", "push", "push_checked"]

_OURS: Final = re.compile(
    r"(task\.json|train\.jsonl|(head|adapter|adapters/[\w-]+)\.safetensors)", re.ASCII
)
"""What belongs to a task: what an older one had and this one has not is taken away."""
_OTHERS: Final[Mapping[LayoutKind, str]] = {
    "adapters": "an adapter of the library 'adapters'",
    "peft": "an adapter of the library 'peft'",
    "checkpoint": "a whole model",
}


@dataclass(frozen=True)
class Pushed:
    """What came to the hub.

    Attributes:
        url: The page of it: of the repository's folder, or of the pull request.
        repo_id: The repository.
        commit: The commit that holds it.
        files: What was sent or taken away, by paths in the repository; empty where the hub had it
            all.
        is_new: Whether the repository was made for it.
        kept_cards: The cards there that somebody had written, and that were left as they are.
        left_out: Files beside it that were not pushed, since they are no part of it.
        remarks: What its owner may want to know.
    """

    url: str
    repo_id: str
    commit: str
    files: tuple[str, ...] = ()
    is_new: bool = False
    kept_cards: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class PushSettings:
    """How to push.

    Attributes:
        private: Whether a repository that is made for it is private.
        revision: The branch; made where it is missing. The default one when None.
        message: Of the commit; says what was pushed when None.
        create_pr: Whether to propose it as a pull request.
        overwrite_card: Whether a card that somebody wrote on the hub may be replaced.
        details: What the card says beside what the manifests do.
        token: The one that the hub's client stores when None.
    """

    private: bool = False
    revision: str | None = None
    message: str | None = None
    create_pr: bool = False
    overwrite_card: bool = False
    details: CardDetails = field(default_factory=CardDetails)
    token: str | None = None


def push(
    place: str | Path,
    repo_id: str,
    *,
    subfolder: str | None = None,
    private: bool = False,
    revision: str | None = None,
    message: str | None = None,
    create_pr: bool = False,
    overwrite_card: bool = False,
    license: str | None = None,  # noqa: A002 - as the hub calls it
    language: Iterable[str] = (),
    datasets: Iterable[str] = (),
    token: str | None = None,
) -> Pushed:
    """Puts a saved task, adapter or head on the hub; the repository is made where it is missing.

    Only files that belong to it are sent, and only those that differ from what the hub has. A card
    is made from the manifests. One that somebody wrote, here or there, is kept.

    Args:
        place: A task's folder; the file of an adapter or a head, or the folder that holds it; or a
            folder with tasks in it, each of which comes to a folder of its own.
        repo_id: As "owner/name", or "owner/name/folder" for a folder there.
        subfolder: The folder in the repository, where `repo_id` does not have it.
        private: Whether a repository that is made for it is private; one that is there must be so.
        revision: The branch; made where it is missing. The default one when None.
        message: Of the commit; says what was pushed when None.
        create_pr: Whether to propose it as a pull request.
        overwrite_card: Whether a card that somebody wrote on the hub may be replaced.
        license: For the card, as the hub names it.
        language: For the card: codes of the texts' languages.
        datasets: For the card: ids on the hub of what it learnt from.
        token: One with write access; the one that the hub's client stores when None.

    Raises:
        ArtifactError: It is damaged or would not load; nothing was sent.
        HubError: The hub refuses it, or could not be asked.
    """
    details = CardDetails(license, tuple(language), tuple(datasets))
    settings = PushSettings(private, revision, message, create_pr, overwrite_card, details, token)
    return push_checked(Path(place), parse_address(repo_id, subfolder), settings)


def push_checked(place: Path, address: Address, settings: PushSettings) -> Pushed:
    """As `push`, with what it takes already read."""
    if settings.create_pr and settings.revision not in {None, "main"}:
        raise HubError("a pull request is made to the default branch; leave the revision out.")
    contents = contents_of(place)
    if known_token(settings.token) is None:
        raise HubError(f"there is no token to push to {str(address)!r} with; {LOG_IN}.")
    with reported("push to", address, revision=settings.revision, has_token=True):
        target = find_target(
            address, private=settings.private, revision=settings.revision, token=settings.token
        )
        return _commit(contents, target, settings)


def _commit(contents: Mapping[str, Contents], target: Target, settings: PushSettings) -> Pushed:
    listing = target.listing
    _check_room(contents, listing)
    cards = cards_for(contents, target, settings.details, overwrite=settings.overwrite_card)
    wanted = {
        _path(listing, folder, name): path.read_bytes()
        for folder, held in contents.items()
        for name, path in held.files.items()
    }
    wanted.update({card.path: card.text.encode() for card in cards if not card.is_kept})
    changed = {
        path: content
        for path, content in wanted.items()
        if path not in target.files or not target.files[path].holds(content)
    }
    gone = [
        _path(listing, folder, name)
        for folder, held in contents.items()
        if TASK_FILE in held.files
        for name in _names_in(listing, folder)
        if _OURS.fullmatch(name) and name not in held.files
    ]
    url = _page(listing.address, settings.revision)
    commit = listing.commit
    if changed or gone:
        message = settings.message or _message(contents)
        pr_url, commit = _send(target, _operations(changed, gone), message, settings)
        url = pr_url or url
    return Pushed(
        url,
        listing.address.repo_id,
        commit,
        tuple(sorted([*changed, *gone])),
        is_new=target.is_new,
        kept_cards=tuple(card.path for card in cards if card.is_kept),
        left_out=tuple(
            f"{folder}/{name}" if folder else name
            for folder, held in contents.items()
            for name in held.left_out
        ),
        remarks=_remarks(contents, cards),
    )


def _operations(changed: Mapping[str, bytes], gone: Iterable[str]) -> list[Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete  # noqa: PLC0415

    return [
        *(CommitOperationAdd(path, content) for path, content in sorted(changed.items())),
        *(CommitOperationDelete(path) for path in sorted(gone)),
    ]


def _send(
    target: Target, operations: list[Any], message: str, settings: PushSettings
) -> tuple[str | None, str]:
    """The page of the pull request, and the commit; refused where the branch moved meanwhile."""
    done = client(settings.token).create_commit(
        target.listing.address.repo_id,
        operations,
        commit_message=message,
        revision=settings.revision,
        create_pr=settings.create_pr,
        parent_commit=target.listing.commit,
    )
    return done.pr_url, str(done.oid)


def _check_room(contents: Mapping[str, Contents], listing: Listing) -> None:
    """Refuses to put ours among the files of something else."""
    for folder, held in contents.items():
        names = _names_in(listing, folder)
        other = _other(layout_of(names), names, held)
        if other is not None:
            raise HubError(
                f"{listing.address.within(folder).rstrip('/')!r} holds {other}; push to another "
                "repository, or to a folder of this one with --subfolder."
            )


def _other(layout: Layout, names: set[str], held: Contents) -> str | None:
    """What a folder holds that cannot stand beside what is pushed, or None."""
    if layout.kind in _OTHERS:
        return _OTHERS[layout.kind]
    if TASK_FILE in held.files:
        return "tasks in folders of their own" if layout.kind == "tasks" else None
    if layout.kind == "task":
        return "a task"
    twin = (names & {ADAPTER_FILE, HEAD_FILE}) - held.files.keys()
    return f"{twin.pop()} too, which would have no card any more" if twin else None


def _names_in(listing: Listing, folder: str) -> set[str]:
    """The paths, in a folder of the listing's, of the files in it."""
    prefix = f"{folder}/" if folder else ""
    return {path.removeprefix(prefix) for path in listing.files if path.startswith(prefix)}


def _path(listing: Listing, folder: str, name: str) -> str:
    return listing.address.path(f"{folder}/{name}" if folder else name)


def _message(contents: Mapping[str, Contents]) -> str:
    return f"Push {', '.join(held.what for held in contents.values())} with polyhead"


def _page(address: Address, revision: str | None) -> str:
    from huggingface_hub import constants  # noqa: PLC0415

    page = f"{constants.ENDPOINT}/{address.repo_id}"
    if revision is None and not address.subfolder:
        return page
    return f"{page}/tree/{revision or 'main'}/{address.subfolder}".rstrip("/")


def _remarks(contents: Mapping[str, Contents], cards: Iterable[Card]) -> tuple[str, ...]:
    names = sorted({held.backbone for held in contents.values()})
    local = [name for name in names if Path(name).is_dir()]
    remarks = [
        f"Others do not have the folder {name!r} that its encoder was loaded from; they need a "
        "copy of their own, and --backbone."
        for name in local
    ]
    remarks += [
        f"{card.path} on the hub was written by hand, and is kept; --overwrite-card replaces it."
        for card in cards
        if card.is_kept
    ]
    return tuple(remarks)
