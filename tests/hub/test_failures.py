"""Whatever the hub answers to a push or a pull is one sentence with a remedy."""

import pytest
from huggingface_hub import constants

from polyhead import hub

# of the hub's client, to itself
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def token(monkeypatch):
    def use(value):
        if value is None:
            monkeypatch.delenv("HF_TOKEN")
        else:
            monkeypatch.setenv("HF_TOKEN", value)

    return use


def test_a_push_without_a_token_says_where_to_get_one(fake_hub, mood, refusal, token):
    token(None)
    told = refusal(hub.push, mood, "me/mood")
    assert told == (
        "there is no token to push to 'me/mood' with; log in with: hf auth login (or set HF_TOKEN)."
    )
    assert fake_hub.requests == []


def test_a_given_token_is_the_one_that_is_sent(fake_hub, mood, token):
    token(None)
    hub.push(mood, "me/mood", private=True, token="hf_of_me")  # noqa: S106
    assert hub.pull("me/mood", token="hf_of_me").is_dir()  # noqa: S106


def test_a_token_that_the_hub_does_not_know_is_told(fake_hub, mood, refusal, token):
    token("hf_of_nobody")
    assert "does not accept the token (401)" in refusal(hub.push, mood, "me/mood")
    assert "does not accept the token (401)" in refusal(hub.pull, "me/mood")


def test_a_token_without_rights_is_told(fake_hub, mood, refusal, token):
    hub.push(mood, "me/mood")
    token("hf_of_somebody")
    (mood / "README.md").write_text("# Mine\n")
    told = refusal(hub.push, mood, "me/mood", overwrite_card=True)
    assert "the token may not push to it (403)" in told
    assert "'me'" in told
    assert "(403)" in refusal(hub.push, mood, "me/new")
    assert ("models", "me/new") not in fake_hub.repos


def test_a_private_repository_is_not_told_from_a_missing_one(fake_hub, mood, refusal, token):
    hub.push(mood, "me/mood", private=True)
    token("hf_of_somebody")
    told = refusal(hub.pull, "me/mood")
    assert told == (
        "could not find 'me/mood': the hub has no such repository, or the token may not see it."
    )
    token(None)
    assert "or it is private: log in with" in refusal(hub.pull, "me/mood")


def test_a_gated_repository_is_told(fake_hub, mood, refusal, token):
    hub.push(mood, "me/mood")
    fake_hub.repos["models", "me/mood"].gated = True
    token(None)
    assert "it is gated: accept its conditions" in refusal(hub.pull, "me/mood")


def test_a_missing_revision_is_told(fake_hub, mood, refusal):
    hub.push(mood, "me/mood")
    assert "it has no revision 'v9'" in refusal(hub.pull, "me/mood", revision="v9")


def test_no_push_goes_out_when_the_hub_may_not_be_asked(fake_hub, mood, refusal, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refusal(hub.push, mood, "me/mood")
    assert fake_hub.requests == []


def test_a_hub_that_does_not_answer_is_told(fake_hub, mood, refusal, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "(http://127.0.0.1:9) does not answer" in refusal(hub.push, mood, "me/mood")


@pytest.mark.parametrize(
    "where",
    ["GET /api/models/", "POST .*preupload", "POST .*batch", "PUT /lfs/", "POST .*/commit/"],
)
@pytest.mark.parametrize("fault", [500, 503, 429, 400, "drop"])
def test_a_push_that_fails_anywhere_changes_nothing(fake_hub, mood, refusal, where, fault):
    fake_hub.add_repo("me/mood", {"a.txt": b"a"})
    fake_hub.fail(where, fault)
    told = refusal(hub.push, mood, "me/mood")
    assert told.startswith("could not push to 'me/mood': ")
    known = {500: "(500)", 503: "(503)", 429: "(429)", 400: "as it was told", "drop": "not answer"}
    assert known[fault] in told
    assert set(fake_hub.files("me/mood")) == {"a.txt"}
    fake_hub.faults.clear()
    hub.push(mood, "me/mood")


@pytest.mark.parametrize("where", ["POST .*preupload", "POST .*batch", "PUT /lfs/"])
def test_a_problem_that_passes_is_outlived(fake_hub, mood, where):
    fake_hub.fail(where, 503, times=2)
    assert hub.push(mood, "me/mood").files


def test_a_branch_that_moves_meanwhile_is_not_overwritten(fake_hub, mood, refusal):
    hub.push(mood, "me/mood")
    (mood / "README.md").write_text("# Mine\n")
    fake_hub.fail("POST .*commit/", "race")
    assert "it was changed meanwhile; try again" in refusal(hub.push, mood, "me/mood")


def test_a_name_that_the_client_refuses_is_told(fake_hub, mood, refusal):
    assert "names no repository" in refusal(hub.push, mood, "mood")
    assert "names no repository" in refusal(hub.pull, "me/" + "x" * 200)
    assert fake_hub.requests == []
