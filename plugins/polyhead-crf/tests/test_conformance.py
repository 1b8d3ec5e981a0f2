"""polyhead's own checks of a head."""

from polyhead_crf import CRFHead, CRFHeadConfig

from polyhead.testing import HeadConformance

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
EXAMPLES = [
    (["Ada", "Lovelace", "lived", "in", "London"], ["B-PER", "I-PER", "O", "O", "B-LOC"]),
    (["Oslo"], ["B-LOC"]),
    (["nobody", "came"], ["O", "O"]),
    (["Ada", "went", "to", "New", "York"], ["B-PER", "O", "O", "B-LOC", "I-LOC"]),
    {"text": "It rains in Bergen.", "entities": [(12, 18, "LOC")]},
    {"text": "Ada came.", "entities": [(0, 3, "PER")]},
]


class TestCRFHead(HeadConformance):
    """Under its scheme, without it, and with other layers."""

    head = CRFHead
    configs = (
        CRFHeadConfig(labels=LABELS),
        CRFHeadConfig(labels=LABELS, follows_scheme=False, aggregation="first"),
        CRFHeadConfig(labels=LABELS, layers=1, context=0, hidden="last", bias=False),
    )
    examples = EXAMPLES
    refused = (
        {"text": " "},
        {"tokens": ["Ada", "came"], "tags": ["B-PERSON", "O"]},
        {"text": "It rains in Bergen.", "entities": [(12, 15, "LOC")]},
    )
