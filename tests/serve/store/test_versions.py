"""A replaced folder is a new version: loaded beside the old one, swapped in, and rolled back."""

import json
import logging
import os
import time

import pytest

from polyhead.artifact import read_contents
from polyhead.errors import ArtifactError, InputError, UnknownTaskError
from polyhead.serve.store.archive import Archive


def version_of(store, name="mood"):
    return store.describe(name).version


def published(publish, store, name="mood"):
    """Publishes a version and has it loaded; what it is called."""
    publish(name)
    store.refresh()
    store.acquire(name).result(0).release()
    return version_of(store, name)


# ------------------------------------------------------------------------------- swapping


def test_a_new_version_is_loaded_beside_the_old_and_swapped_in(
    publish, open_store, executor, answers
):
    publish("mood")
    store = open_store()
    old = store.acquire("mood").result(0)
    before = answers(old)
    publish("mood")
    with executor.held():
        store.refresh()
        meanwhile = store.acquire("mood")
        assert meanwhile.result(0).task == old.task
        executor.run_all()
    new = store.acquire("mood").result(0)
    assert new.task.version == version_of(store) != old.task.version
    assert answers(old) == before != answers(new)


def test_a_new_version_of_what_is_not_in_memory_is_loaded_when_it_is_asked_for(
    publish, open_store, executor
):
    publish("mood")
    store = open_store()
    old = store.load("mood").version
    store.unload("mood")
    publish("mood")
    with executor.held():
        store.refresh()
        assert not executor.waiting
    assert store.acquire("mood").result(0).task.version == version_of(store) != old


def test_a_miss_loads_what_lies_there_even_if_nobody_looked(publish, open_store):
    publish("mood")
    store = open_store()
    old = version_of(store)
    publish("mood")
    assert store.acquire("mood").result(0).task.version != old


def test_load_brings_what_lies_there_now(publish, open_store):
    publish("mood")
    store = open_store()
    old = store.load("mood").version
    publish("mood")
    record = store.load("mood")
    assert record.version != old
    assert record.state == "resident"
    publish("topic")
    assert store.load("topic").state == "resident"


def test_a_pinned_task_is_pinned_in_its_new_version(publish, open_store):
    publish("mood")
    store = open_store(max_bytes=10)
    store.pin("mood")
    publish("mood")
    store.refresh()
    assert store.describe("mood").state == "resident"
    assert store.statistics().n_resident == 1


@pytest.mark.parametrize("file", ["task.json", "head.safetensors", "adapter.safetensors"])
def test_a_broken_new_version_leaves_the_old_one_serving(publish, open_store, answers, file):
    publish("mood")
    store = open_store()
    old = store.acquire("mood").result(0)
    before = answers(old)
    old.release()
    publish("mood")
    publish.replace_by_half("mood", file)
    store.refresh()
    for _ in range(3):
        with store.acquire("mood").result(0) as lease:
            assert lease.task == old.task
            assert answers(lease) == before
    record = store.describe("mood")
    assert (record.state, record.version) == ("resident", old.task.version)
    assert file in record.error
    store.unload("mood")
    assert store.acquire("mood").result(0).task == old.task  # from the archive
    assert file in store.load("mood").error
    publish("mood")
    store.refresh()
    assert store.acquire("mood").result(0).task.version != old.task.version
    assert store.describe("mood").error is None


def test_a_broken_new_version_leaves_the_last_good_one_after_a_restart(publish, open_store):
    publish("mood")
    with open_store() as store:
        old = store.load("mood").version
    publish("mood")
    publish.replace_by_half("mood")
    store = open_store()
    assert store.acquire("mood").result(0).task.version == old
    record = store.describe("mood")
    assert (record.version, record.state) == (old, "resident")
    assert "mood/head.safetensors" in record.error


def test_weights_lost_on_disk_are_taken_from_the_archive_and_told(publish, open_store, answers):
    publish("mood")
    store = open_store()
    with store.acquire("mood").result(0) as lease:
        before = answers(lease)
    publish.replace_by_half("mood")
    store.unload("mood")
    record = store.describe("mood")
    assert record.state == "on_disk"
    assert "mood/head.safetensors" in record.error
    assert answers(store.acquire("mood").result(0)) == before


def test_a_deleted_task_serves_until_it_is_looked_for(publish, open_store, answers, model):
    publish("mood")
    store = open_store()
    lease = store.acquire("mood").result(0)
    before = answers(lease)
    publish.delete("mood")
    with store.acquire("mood").result(0) as other:
        assert answers(other) == before
    store.refresh()
    assert store.names() == []
    with pytest.raises(UnknownTaskError):
        store.acquire("mood").result(0)
    assert answers(lease) == before
    lease.release()
    assert not model.tasks


def test_a_task_deleted_while_it_is_loaded_is_unknown_or_leased(publish, open_store, executor):
    publish("mood")
    store = open_store()
    with executor.held():
        future = store.acquire("mood")
        publish.delete("mood")
        executor.run_all()
    with pytest.raises(UnknownTaskError):
        future.result(0)
    assert store.names() == []


def test_a_task_replaced_while_it_is_loaded_is_loaded_anew(publish, open_store, executor):
    publish("mood")
    store = open_store()
    with executor.held():
        future = store.acquire("mood")
        exact = store.acquire("mood", version_of(store))
        publish("mood")
        executor.run_all()
    assert future.result(0).task.version == version_of(store)
    with pytest.raises(ArtifactError, match="holds another version by now"):
        exact.result(0)
    assert store.describe("mood").error is None


def test_a_folder_that_is_being_replaced_is_not_gone(publish, open_store, monkeypatch):
    place = publish("mood")
    store = open_store()
    store.load("mood")
    aside = place.with_name(".mood.0a1b2c3d")
    place.rename(aside)
    monkeypatch.setattr(store._keeper._catalogue, "_pause", lambda _: aside.rename(place))
    store.refresh()
    assert store.names() == ["mood"]
    assert store.describe("mood").state == "resident"


def test_a_folder_of_all_tasks_that_is_gone_leaves_what_is_in_memory(publish, open_store):
    publish("mood")
    store = open_store()
    store.load("mood")
    publish.folder.rename(publish.folder.with_name("elsewhere"))
    with pytest.raises(ArtifactError):
        store.refresh()
    assert store.acquire("mood").result(0)


# -------------------------------------------------------------------------------- rollback


def test_versions_are_told_the_newest_first(publish, open_store):
    store = open_store_with(publish, open_store)
    versions = [published(publish, store) for _ in range(3)]
    told = store.describe("mood").versions
    assert [one.version for one in told] == versions[::-1]
    assert [one.is_current for one in told] == [True, False, False]
    assert all(one.is_archived and one.created is not None for one in told)


def open_store_with(publish, open_store, **settings):
    publish("other")
    return open_store(**settings)


def test_a_rollback_goes_to_the_version_before(publish, open_store, answers):
    store = open_store_with(publish, open_store)
    first = published(publish, store)
    with store.acquire("mood").result(0) as lease:
        before = answers(lease)
    second, third = published(publish, store), published(publish, store)
    store.unload("mood")
    assert store.rollback("mood").version == second
    assert store.rollback("mood").version == first
    with store.acquire("mood").result(0) as lease:
        assert answers(lease) == before
    with pytest.raises(InputError, match="has no version before its current"):
        store.rollback("mood")
    assert store.rollback("mood", third).version == third
    with pytest.raises(UnknownTaskError, match=f"no version 'nonsense'; the task has: .*{first}"):
        store.rollback("mood", "nonsense")


def test_a_rollback_keeps_to_leases_and_to_what_is_current(publish, open_store, answers):
    store = open_store_with(publish, open_store)
    published(publish, store)
    published(publish, store)
    lease = store.acquire("mood").result(0)
    before = answers(lease)
    store.rollback("mood")
    store.refresh()
    assert answers(lease) == before
    assert store.acquire("mood").result(0).task.version != lease.task.version


def test_a_rollback_survives_a_restart_and_ends_with_a_new_version(publish, open_store):
    with open_store_with(publish, open_store) as store:
        first = published(publish, store)
        published(publish, store)
        assert store.rollback("mood").version == first
    for _ in range(2):
        with open_store() as store:
            assert store.acquire("mood").result(0).task.version == first
            assert store.describe("mood").version == first
    publish("mood")
    with open_store() as store:
        third = store.acquire("mood").result(0).task.version
        assert third != first
        assert store.rollback("mood", first).version == first
        assert store.rollback("mood", third).version == third
    with open_store() as store:
        assert version_of(store) == third


def test_a_version_published_again_is_the_newest(publish, open_store, folder):
    store = open_store_with(publish, open_store)
    first = published(publish, store)
    kept = folder.parent / "kept"
    (folder / "mood").rename(kept)
    second = published(publish, store)
    publish.delete("mood")
    kept.rename(folder / "mood")
    store.refresh()
    assert version_of(store) == first
    assert [one.version for one in store.describe("mood").versions] == [first, second]
    assert store.rollback("mood").version == second


def test_only_so_many_versions_are_kept(publish, open_store, folder):
    store = open_store_with(publish, open_store, max_versions=2)
    versions = [published(publish, store) for _ in range(4)]
    assert [one.version for one in store.describe("mood").versions] == versions[:1:-1]
    assert len(list((folder / ".versions" / "mood").iterdir())) == 2
    assert store.statistics().n_resident <= 2


def test_a_version_that_is_broken_in_the_archive_is_not_gone_to(publish, open_store, folder):
    store = open_store_with(publish, open_store)
    first, second = published(publish, store), published(publish, store)
    store.unload("mood")
    [place] = (folder / ".versions" / "mood").glob(f"{first}*")
    os.truncate(place / "head.safetensors", 100)
    with pytest.raises(ArtifactError, match=r"head\.safetensors"):
        store.rollback("mood")
    assert version_of(store) == second
    assert store.acquire("mood").result(0).task.version == second


# --------------------------------------------------------------------------------- archive


def test_the_archive_takes_no_room_of_its_own(publish, open_store, folder):
    store = open_store_with(publish, open_store)
    published(publish, store)
    [kept] = (folder / ".versions" / "mood").iterdir()
    for name in ("head.safetensors", "adapter.safetensors"):
        assert (kept / name).samefile(folder / "mood" / name)
    assert read_contents(kept).digest == kept.name
    assert (kept / "README.md").is_file()


def test_where_links_fail_the_archive_holds_copies(publish, open_store, folder, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(1, "no links here")

    monkeypatch.setattr("os.link", refused)
    store = open_store_with(publish, open_store)
    first, _ = published(publish, store), published(publish, store)
    store.unload("mood")
    assert store.rollback("mood").version == first


def test_files_replaced_after_the_load_do_not_get_into_the_archive(publish, folder):
    archive = Archive(folder, max_versions=3, is_wanted=True)
    contents = read_contents(publish("mood"))
    publish("mood")
    archive.keep("mood", contents)
    [kept] = archive.versions("mood")
    assert read_contents(kept.folder).digest == contents.digest == kept.digest


def test_without_an_archive_only_what_is_in_memory_can_be_gone_to(publish, open_store, folder):
    store = open_store_with(publish, open_store, archive=False)
    first, second = published(publish, store), published(publish, store)
    record = store.rollback("mood")
    assert record.version == first
    assert "holds until a restart: the archive is switched off" in record.error
    assert store.rollback("mood", second).error is None
    store.unload("mood")
    with pytest.raises(InputError, match="the archive is switched off"):
        store.rollback("mood")
    assert not (folder / ".versions").exists()


def test_a_folder_that_cannot_be_written_is_served_and_says_so(publish, open_store, monkeypatch):
    def refused(*_, **__):
        raise OSError(30, "Read-only file system")

    publish("mood")
    monkeypatch.setattr("pathlib.Path.mkdir", refused)
    store = open_store()
    assert store.acquire("mood").result(0)
    with pytest.raises(InputError, match=r"cannot be written: Read-only file system"):
        store.rollback("mood")


def test_a_full_disk_is_logged_and_the_task_serves(publish, open_store, monkeypatch, caplog):
    publish("mood")
    store = open_store()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("polyhead.serve.store.archive._copy", full)
    with caplog.at_level(logging.WARNING):
        assert store.acquire("mood").result(0)
    assert "No space left on device" in caplog.text


def test_what_a_killed_process_left_is_cleaned_and_harms_nothing(publish, open_store, folder):
    with open_store_with(publish, open_store) as store:
        published(publish, store)
        first = published(publish, store)
        store.rollback("mood")
    archive = folder / ".versions"
    leftover, recent = archive / ".new" / "0123456789abcdef", archive / ".new" / "fedcba9876543210"
    for place in (leftover, recent):
        place.mkdir()
        (place / "head.safetensors").write_bytes(b"half")
    half_written = archive / ".chosen.json.0a1b2c3d"
    half_written.write_text('{"chosen"')
    (archive / "mood" / "junk").mkdir()
    (folder / ".mood.deadbeef").mkdir()
    an_hour_ago = time.time() - 3600
    for place in (leftover, half_written):
        os.utime(place, (an_hour_ago, an_hour_ago))
    store = open_store()
    assert not leftover.exists()
    assert not half_written.exists()
    assert recent.exists()  # it may be of another process that is at it
    assert store.names() == ["mood", "other"]
    assert version_of(store) != first
    assert store.acquire("mood").result(0)


def test_two_stores_on_one_folder_keep_each_others_choices(publish, open_store):
    one = open_store_with(publish, open_store)
    first = published(publish, one), published(publish, one, "topic")
    published(publish, one)
    published(publish, one, "topic")
    for name in ("mood", "topic"):
        one.unload(name)
    other = open_store()
    one.rollback("mood")
    one.unload("mood")
    other.rollback("topic")
    other.unload("topic")
    third = open_store()
    assert (version_of(third), version_of(third, "topic")) == first


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"chosen": {"mood": 3}}'])
def test_choices_that_are_damaged_are_as_good_as_none(publish, open_store, folder, content):
    with open_store_with(publish, open_store) as store:
        published(publish, store)
        second = published(publish, store)
        store.rollback("mood")
    (folder / ".versions" / "chosen.json").write_bytes(content)
    assert version_of(open_store()) == second


def test_a_choice_cannot_lead_out_of_the_archive(publish, open_store, folder):
    publish("mood")
    with open_store():
        pass
    chosen = {"mood": {"version": "../../..", "known": []}}
    (folder / ".versions" / "chosen.json").write_text(json.dumps({"chosen": chosen}))
    assert open_store().acquire("mood").result(0)


def test_a_choice_whose_version_is_gone_is_dropped(publish, open_store, folder):
    with open_store_with(publish, open_store) as store:
        first, second = published(publish, store), published(publish, store)
        store.rollback("mood")
    [place] = (folder / ".versions" / "mood").glob(f"{first}*")
    place.rename(folder.parent / "elsewhere")
    for _ in range(2):
        with open_store() as store:
            assert store.acquire("mood").result(0).task.version == second


# --------------------------------------------------------------------------------- watching


def test_watching_notices_what_is_published_and_outlives_trouble(
    publish, open_store, monkeypatch, caplog
):
    publish("mood")
    store = open_store()
    store.watch(0.001)
    publish("topic")
    wait_until(lambda: store.names() == ["mood", "topic"])
    gone = publish.folder.with_name("elsewhere")
    with caplog.at_level(logging.WARNING):
        publish.folder.rename(gone)
        wait_until(lambda: "could not be looked at" in caplog.text)
        gone.rename(publish.folder)
    publish("third")
    wait_until(lambda: "third" in store.names())
    assert caplog.text.count("could not be looked at") == 1


def wait_until(is_so, patience_s=20.0):
    end = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_watching_reads_nothing_that_has_not_changed(publish, open_store, monkeypatch):
    publish("mood")
    store = open_store()
    store.load("mood")

    def touched(*_, **__):
        raise AssertionError("a file was read")

    monkeypatch.setattr("pathlib.Path.read_bytes", touched)
    store.refresh()


@pytest.mark.parametrize("interval_s", [0, -1, float("nan"), float("inf"), "often", None, True])
def test_an_interval_that_is_none_is_refused(publish, open_store, interval_s):
    publish("mood")
    with pytest.raises(ValueError, match="such as 5"):
        open_store().watch(interval_s)
