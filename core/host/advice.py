"""What messages say of plugins when something is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from polyhead.host.records import PluginRecord, Provider

__all__ = ["how_to_have", "suspects"]


def suspects(records: Sequence[PluginRecord]) -> str:
    """The plugins that may provide what nobody has, and why they do not; empty without any."""
    failed = _listed(f"{r.provider}: {r.failure}" for r in records if r.status == "failed")
    disabled = _listed(f"{r.provider} by {r.disabled}" for r in records if r.status == "disabled")
    parts = [
        f"These plugins failed to load and may provide it: {failed}." if failed else "",
        f"These are switched off and may provide it: {disabled}." if disabled else "",
    ]
    return " ".join(part for part in parts if part)


def how_to_have(wanted: Provider, records: Sequence[PluginRecord]) -> str:
    """Why something of a distribution is not there, and what helps.

    Args:
        wanted: What a saved artifact names.
        records: The installed plugins.
    """
    own = [record for record in records if record.provider.key == wanted.key]
    failed = next((record for record in own if record.status == "failed"), None)
    if failed is not None:
        return (
            f"{failed.provider} is installed and failed to load ({failed.failure}); `polyhead "
            "plugins` shows its traceback."
        )
    disabled = next((record for record in own if record.status == "disabled"), None)
    if disabled is not None:
        return f"{disabled.provider} is installed and switched off by {disabled.disabled}."
    fact = f"{own[0].provider} is installed and does not provide it" if own else "it is missing"
    if not wanted.is_known:
        return f"{fact}; install the plugin that provides it."
    return f"{fact}; {wanted.install_command}"


def _listed(parts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(parts))
