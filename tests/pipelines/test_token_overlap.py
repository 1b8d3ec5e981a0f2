import pytest

from polyhead.pipelines.token_overlap import without_overlap


def entity(start: int, end: int, score: float) -> dict[str, float]:
    return {"start": start, "end": end, "score": score}


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ([], []),
        ([(0, 3, 0.5), (4, 6, 0.5)], [(0, 3, 0.5), (4, 6, 0.5)]),
        ([(4, 6, 0.5), (0, 3, 0.5)], [(0, 3, 0.5), (4, 6, 0.5)]),
        ([(0, 3, 0.5), (0, 3, 0.6)], [(0, 3, 0.6)]),
        ([(0, 3, 0.6), (0, 3, 0.5)], [(0, 3, 0.6)]),
        ([(0, 3, 0.9), (0, 5, 0.1)], [(0, 5, 0.1)]),
        ([(0, 5, 0.1), (2, 4, 0.9)], [(0, 5, 0.1)]),
        ([(0, 3, 0.1), (2, 6, 0.1), (5, 9, 0.1)], [(2, 6, 0.1)]),
        ([(0, 3, 0.5), (3, 5, 0.5)], [(0, 3, 0.5), (3, 5, 0.5)]),
    ],
)
def test_of_entities_within_one_another_the_longer_or_surer_stays(found, kept):
    assert without_overlap([entity(*item) for item in found]) == [entity(*item) for item in kept]
