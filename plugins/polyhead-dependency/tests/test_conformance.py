"""polyhead's own checks of a head."""

from polyhead_dependency import DependencyHead, DependencyHeadConfig

from polyhead.testing import HeadConformance

RELATIONS = ("det", "nsubj", "obj", "punct", "root")


class TestDependencyHead(HeadConformance):
    """As it is by default, as AdapterHub's, and between the two."""

    head = DependencyHead
    configs = (
        DependencyHeadConfig(labels=RELATIONS, root_relation="root"),
        DependencyHeadConfig(
            labels=RELATIONS,
            hidden="last",
            pooling="mean",
            context=0,
            arc_width=0,
            relation_width=0,
            decoding="greedy",
        ),
        DependencyHeadConfig(
            labels=RELATIONS,
            pooling="mean",
            arc_width=8,
            relation_width=4,
            decoding="nonprojective",
        ),
    )
    examples = (
        (["Ada", "wrote", "programs", "."], [2, 0, 2, 2], ["nsubj", "root", "obj", "punct"]),
        (["Go"], [0], ["root"]),
        (["the", "whale", "sings"], [2, 3, 0], ["det", "nsubj", "root"]),
        {"tokens": ["Go", "!"], "heads": [0, 1], "deprels": ["root", "punct"]},
        (
            ["the", "engineer", "repaired", "the", "engine", "."],
            [2, 3, 0, 5, 3, 3],
            ["det", "nsubj", "root", "det", "obj", "punct"],
        ),
    )
    questions = (
        "Ada wrote programs .",
        {"tokens": ["the", "whale", "sings"]},
        "Go",
        "a sentence of more words than the others have",
    )
    refused = (
        {"tokens": ["go", "home"], "heads": [2, 1], "deprels": ["root", "obj"]},
        {"tokens": ["go", "home"], "heads": [0, 0], "deprels": ["root", "root"]},
        {"tokens": ["go", "home"], "heads": [0, 3], "deprels": ["root", "obj"]},
        {"tokens": ["go", "home"], "heads": [0], "deprels": ["root", "obj"]},
        {"tokens": []},
    )
