from polyhead_dependency import DependencyPrediction

ANSWER = DependencyPrediction(
    words=["Ada", "wrote", "it"],
    heads=[2, 0, 2],
    deprels=["nsubj", "root", "obj"],
    scores=[0.9, 1.0, 0.8],
    starts=[0, 4, 10],
    ends=[3, 9, 12],
    n_unread=0,
)


def test_it_is_shown_as_relations_of_head_and_word():
    assert str(ANSWER) == "nsubj(wrote, Ada), root(ROOT, wrote), obj(wrote, it)"


def test_it_can_be_written_as_conllu():
    lines = ANSWER.conllu().split("\n")
    assert lines[0].split("\t") == ["1", "Ada", *"____", "2", "nsubj", *"__"]
    assert [line.split("\t")[6] for line in lines[:3]] == ["2", "0", "2"]
    assert lines[3:] == ["", ""]


def test_white_space_within_a_word_breaks_no_line_or_column_of_conllu():
    answer = ANSWER.model_copy(update={"words": ["Ada\tB.", "wrote\n", ""]})
    lines = answer.conllu().split("\n")
    assert len(lines) == 5
    assert [line.split("\t")[1] for line in lines[:3]] == ["Ada B.", "wrote", "_"]
    assert "\n" not in str(answer)
