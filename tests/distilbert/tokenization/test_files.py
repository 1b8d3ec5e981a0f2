"""Tokenizers in checkpoint folders: read, written, and read by transformers."""

import json

import pytest
from tokenizers import AddedToken, Tokenizer, models

from polyhead.distilbert.tokenization.tokenizer import DistilBertTokenizer
from polyhead.errors import CheckpointError, ConfigError, UnknownBackboneError, WriteError
from polyhead.tokenizer import Tokenizer as RowTokenizer

TEXTS = ["The cat's Café — sat!", "[MASK] <e>mat\tdon't", "CAFÉ 中 x[SEP]", ""]
OPTION_SETS = {
    "as documented": {},
    "cased": {"do_lower_case": False, "strip_accents": False},
    "other sides": {"padding_side": "left", "truncation_side": "left", "model_max_length": 6},
    "tokens": {"bos_token": "<s>", "additional_special_tokens": ["<e>"], "mask_token": None},
    "chinese": {"tokenize_chinese_chars": False, "model_input_names": ["input_ids"]},
}
OURS_ALONE = {
    "never split": {"never_split": ["don't", "the"]},
    "prefix": {"wordpieces_prefix": "#"},
    "no basic tokens": {"do_basic_tokenize": False, "clean_text": False},
}


@pytest.fixture(scope="module")
def vocabulary(tiny_vocabulary) -> dict[str, int]:
    tokens = dict.fromkeys((*tiny_vocabulary, "café", "cafe", "##é"))
    return {token: number for number, token in enumerate(tokens)}


def write_vocabulary(folder, vocabulary, **files):
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("options", {**OPTION_SETS, **OURS_ALONE}.values(), ids=repr)
@pytest.mark.parametrize("legacy_format", [None, True, False])
def test_a_saved_tokenizer_is_read_as_it_was(vocabulary, tmp_path, options, legacy_format):
    made = DistilBertTokenizer(vocabulary, **options)
    made.add_tokens(["zebra", AddedToken("day x", lstrip=True)])
    paths = made.save_pretrained(tmp_path / "saved", legacy_format=legacy_format)
    names = {path.rpartition("/")[2] for path in paths}
    assert ("tokenizer.json" in names) == (legacy_format is not True)
    assert ("vocab.txt" in names) == (legacy_format is not False)
    found = DistilBertTokenizer.from_pretrained(tmp_path / "saved")
    texts = [*TEXTS, "a zebra day x"]
    assert found(texts, return_offsets_mapping=True) == made(texts, return_offsets_mapping=True)
    assert found(texts, max_length=5, truncation=True) == made(texts, max_length=5, truncation=True)
    assert found.special_tokens_map == made.special_tokens_map
    assert found.additional_special_tokens == made.additional_special_tokens
    assert found.get_vocab() == made.get_vocab()
    assert [str(found.added_tokens_decoder)] == [str(made.added_tokens_decoder)]
    saved = {name: vars(found)["_options"].model_dump()[name] for name in options}
    assert saved == {name: vars(made)["_options"].model_dump()[name] for name in options}


@pytest.mark.parametrize("options", OPTION_SETS.values(), ids=repr)
def test_transformers_reads_a_saved_tokenizer_as_we_do(vocabulary, tmp_path, options):
    transformers = pytest.importorskip("transformers", minversion="5.0")
    made = DistilBertTokenizer(vocabulary, **options)
    made.add_tokens(["zebra", AddedToken("day x", lstrip=True)])
    made.save_pretrained(tmp_path)
    theirs = transformers.DistilBertTokenizerFast.from_pretrained(tmp_path)
    auto = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = [*TEXTS, "a zebra day x"]
    for arguments in ({}, {"truncation": True, "max_length": 5}, {"padding": True}):
        expected = made(texts, **arguments)
        assert dict(theirs(texts, **arguments)) == dict(expected)
        assert dict(auto(texts, **arguments)) == dict(expected)
    assert theirs.batch_decode(made(texts)["input_ids"]) == made.batch_decode(
        made(texts)["input_ids"]
    )
    assert theirs.special_tokens_map == made.special_tokens_map
    assert theirs.extra_special_tokens == made.extra_special_tokens
    assert theirs.model_max_length == made.model_max_length
    assert len(theirs) == len(made)


@pytest.mark.parametrize("options", OPTION_SETS.values(), ids=repr)
def test_we_read_what_transformers_saves(vocabulary, tmp_path, options):
    transformers = pytest.importorskip("transformers", minversion="5.0")
    theirs = transformers.DistilBertTokenizerFast(vocabulary, **options)
    theirs.add_tokens(["zebra", AddedToken("day x", lstrip=True)])
    theirs("a", truncation=True, max_length=3)  # it saves the limits of its last call
    theirs.save_pretrained(tmp_path)
    made = DistilBertTokenizer.from_pretrained(tmp_path)
    texts = [*TEXTS, "a zebra day x"]
    for arguments in ({}, {"truncation": True, "max_length": 5}, {"padding": True}):
        assert dict(made(texts, **arguments)) == dict(theirs(texts, **arguments))
    assert made.special_tokens_map == theirs.special_tokens_map
    assert made.extra_special_tokens == theirs.extra_special_tokens
    assert made.model_max_length == theirs.model_max_length
    assert made.get_vocab() == theirs.get_vocab()


def test_the_options_of_a_call_win_over_the_folders(vocabulary, tmp_path):
    write_vocabulary(tmp_path, vocabulary, tokenizer_config={"do_lower_case": False, "max_len": 7})
    assert not DistilBertTokenizer.from_pretrained(tmp_path).do_lower_case
    found = DistilBertTokenizer.from_pretrained(tmp_path, do_lower_case=True, model_max_length=9)
    assert (found.do_lower_case, found.model_max_length) == (True, 9)
    assert DistilBertTokenizer.from_pretrained(tmp_path).model_max_length == 7
    assert found.name_or_path == str(tmp_path)


def test_a_folder_of_transformers_4_is_read(vocabulary, tmp_path):
    """Special and added tokens in files of their own; what concerns others is passed over."""
    write_vocabulary(
        tmp_path,
        vocabulary,
        tokenizer_config={
            "do_lower_case": True,
            "model_max_length": 1e30,
            "never_split": None,
            "padding_side": None,
            "tokenizer_class": "DistilBertTokenizer",
            "name_or_path": "/elsewhere",
            "special_tokens_map_file": "/elsewhere/special_tokens_map.json",
        },
        special_tokens_map={
            "mask_token": {"content": "day", "lstrip": True, "normalized": False},
            "additional_special_tokens": ["<e>"],
        },
        added_tokens={"zebra": len(vocabulary) + 1, "<e>": len(vocabulary)},
    )
    found = DistilBertTokenizer.from_pretrained(str(tmp_path))
    assert found.mask_token == "day"  # noqa: S105
    assert found.added_tokens_decoder[found.mask_token_id].lstrip
    assert found.convert_tokens_to_ids(["<e>", "zebra"]) == [len(vocabulary), len(vocabulary) + 1]
    assert found.added_tokens_decoder[len(vocabulary)].special
    assert not found.added_tokens_decoder[len(vocabulary) + 1].special
    assert found.model_max_length == int(1e30)
    assert found.padding_side == "right"


def test_special_tokens_by_names_of_their_own_are_read(vocabulary, tmp_path):
    write_vocabulary(
        tmp_path, vocabulary, tokenizer_config={"extra_special_tokens": {"image_token": "<img>"}}
    )
    assert DistilBertTokenizer.from_pretrained(tmp_path).extra_special_tokens == ["<img>"]


def test_a_token_on_two_lines_of_a_vocabulary_has_the_later_id(vocabulary, tmp_path):
    write_vocabulary(tmp_path, [*vocabulary, "cat"])
    found = DistilBertTokenizer.from_pretrained(tmp_path)
    assert found.convert_tokens_to_ids("cat") == len(vocabulary)


def test_lines_end_at_line_feeds_alone(vocabulary, tmp_path):
    write_vocabulary(tmp_path, [*vocabulary, "a\u2028b", "c\x85d", "\u3000"])
    found = DistilBertTokenizer.from_pretrained(tmp_path)
    assert found.vocab_size == len(vocabulary) + 3
    text = (tmp_path / "vocab.txt").read_text(encoding="utf-8")
    (tmp_path / "vocab.txt").write_bytes(text.replace("\n", "\r\n").encode())
    assert DistilBertTokenizer.from_pretrained(tmp_path).get_vocab() == found.get_vocab()


def test_the_rows_of_the_engine_are_those_of_the_documents(vocabulary, tmp_path):
    write_vocabulary(tmp_path, vocabulary, tokenizer_config={"do_lower_case": False})
    rows = RowTokenizer.from_folder(tmp_path).rows(TEXTS[:3])
    found = DistilBertTokenizer.from_pretrained(tmp_path)(TEXTS[:3])
    assert [list(row.ids) for row in rows] == found["input_ids"]


def test_the_named_backbones_tokenizer_is_found(monkeypatch, vocabulary, tmp_path):
    from polyhead.contracts import NamedBackbone  # noqa: PLC0415 - for this test alone
    from polyhead.registry import registry  # noqa: PLC0415

    write_vocabulary(tmp_path, vocabulary)
    backbone = NamedBackbone(name="tiny", description="for tests", locate=lambda: tmp_path)
    monkeypatch.setattr(
        type(registry()), "backbone", lambda _, name: backbone if name == "tiny" else None
    )
    assert DistilBertTokenizer.from_pretrained("tiny").vocab_size == len(vocabulary)


def test_a_hub_repository_is_read_from_the_cache(vocabulary, tmp_path):
    repository = tmp_path / "models--someone--tiny"
    write_vocabulary(
        tmp_path / "files", vocabulary, config={}, tokenizer_config={"strip_accents": 0}
    )
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0ffee")
    (repository / "snapshots").mkdir()
    write_vocabulary(
        repository / "snapshots" / "c0ffee",
        vocabulary,
        config={},
        tokenizer_config={"do_lower_case": False},
    )
    found = DistilBertTokenizer.from_pretrained(
        "someone/tiny", cache_dir=tmp_path, local_files_only=True
    )
    assert not found.do_lower_case
    assert found.name_or_path == "someone/tiny"


def test_the_vocabulary_is_written_alone(vocabulary, tmp_path):
    made = DistilBertTokenizer(vocabulary)
    made.add_tokens("zebra")
    (path,) = made.save_vocabulary(tmp_path / "new", filename_prefix="my")
    assert path.endswith("my-vocab.txt")
    assert DistilBertTokenizer(path).get_vocab() == vocabulary


def test_other_files_of_a_folder_stay(vocabulary, tmp_path):
    (tmp_path / "model.safetensors").write_text("weights")
    DistilBertTokenizer(vocabulary).save_pretrained(tmp_path, filename_prefix="x")
    assert {path.name for path in tmp_path.iterdir()} == {
        "model.safetensors",
        "x-tokenizer_config.json",
        "x-special_tokens_map.json",
        "x-tokenizer.json",
        "x-vocab.txt",
    }


def test_a_vocabulary_with_gaps_is_saved_without_vocab_txt(tmp_path):
    gap = DistilBertTokenizer({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 4})
    with pytest.raises(ConfigError, match=r"vocab.txt cannot hold this vocabulary: token 'a' has"):
        gap.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())
    gap.save_pretrained(tmp_path, legacy_format=False)
    assert DistilBertTokenizer.from_pretrained(tmp_path).get_vocab() == gap.get_vocab()


def test_a_place_that_cannot_be_written_is_told(vocabulary, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(WriteError, match="taken"):
        DistilBertTokenizer(vocabulary).save_pretrained(tmp_path / "taken")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer_config.json", "not json", "tokenizer_config.json cannot be read: Expecting"),
        ("tokenizer_config.json", "[]", "tokenizer_config.json holds list, and not a JSON object"),
        ("tokenizer_config.json", '{"do_lower_case": 3}', "tokenizer_config.json: .*do_lower_case"),
        ("tokenizer_config.json", '{"added_tokens_decoder": [3]}', "must have tokens by id"),
        ("special_tokens_map.json", "{", "special_tokens_map.json cannot be read"),
        ("added_tokens.json", '{"<e>": 900}', "give the added token '<e>' the id 900"),
        ("added_tokens.json", '{"<e>": "x"}', "added_tokens.json must have ids by token"),
        ("tokenizer.json", "{}", "tokenizer.json is not a tokenizer's file"),
        ("vocab.txt", "", "vocab.txt is empty; a vocabulary has one token a line"),
        ("vocab.txt", "a\nb\n", "of 2 tokens lacks the unknown token"),
        ("vocab.txt", b"a\n\xff\n", "vocab.txt is not a vocabulary: byte 2 is not UTF-8"),
    ],
)
def test_damaged_files_are_told(vocabulary, tmp_path, name, content, message):
    write_vocabulary(tmp_path, vocabulary)
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=message):
        DistilBertTokenizer.from_pretrained(tmp_path)


def test_a_tokenizer_of_another_kind_is_refused(tmp_path):
    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="holds a BPE tokenizer; DistilBERT has WordPiece"):
        DistilBertTokenizer.from_pretrained(tmp_path)


def test_an_unknown_token_that_a_file_lacks_is_refused(vocabulary, tmp_path):
    DistilBertTokenizer(vocabulary).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="lacks the unknown token <unk>"):
        DistilBertTokenizer.from_pretrained(tmp_path, unk_token="<unk>")  # noqa: S106


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"has no tokenizer; a checkpoint needs tokenizer.json"
    ):
        DistilBertTokenizer.from_pretrained(tmp_path)
    with pytest.raises(UnknownBackboneError, match="no backbone 'nowhere'"):
        DistilBertTokenizer.from_pretrained("nowhere")
    with pytest.raises(CheckpointError, match=r"vocab.txt cannot be read: No such file"):
        DistilBertTokenizer(tmp_path / "vocab.txt")
    with pytest.raises(CheckpointError, match=r"t.json cannot be read: No such file"):
        DistilBertTokenizer(tokenizer_file=tmp_path / "t.json")
    with pytest.raises(ConfigError, match="no tokenizer option 'use_fast'"):
        DistilBertTokenizer.from_pretrained(tmp_path, use_fast=True)
