import torch

from polyhead.contracts import Metrics
from polyhead.errors import MissingExtraError


class Counting(Metrics):
    """The mean of what is counted in each batch."""

    primary = "mean"

    def __init__(self):
        self.counts = []

    def update(self, output, encoded):
        self.counts.append(len(encoded))

    def compute(self):
        return {"mean": sum(self.counts) / len(self.counts)}


def with_metrics(good_head, metrics_class):
    class Broken(good_head):
        def metrics(self):
            return metrics_class()

    return Broken


def test_a_primary_figure_that_is_none_is_found(good_head, fails):
    class Renamed(Counting):
        primary = "f1"

    match = r"Renamed.primary is 'f1', which is none of the figures that compute\(\) returns: mean"
    broken = with_metrics(good_head, Renamed)
    fails(broken, "test_its_metrics_have_their_primary_figure", match)


def test_figures_that_are_tensors_are_found(good_head, fails):
    class Tensors(Counting):
        def compute(self):
            return {"mean": torch.ones(())}

    match = r"the figures \['mean'\] of Tensors are no numbers; return floats"
    broken = with_metrics(good_head, Tensors)
    fails(broken, "test_its_metrics_have_their_primary_figure", match)


def test_metrics_that_are_none_are_found(good_head, fails):
    match = "Broken.metrics makes a dict; make an instance of a subclass of polyhead.Metrics"
    broken = with_metrics(good_head, dict)
    fails(broken, "test_its_metrics_have_their_primary_figure", match)


def test_metrics_that_depend_on_the_batches_are_found(good_head, fails):
    match = "the figures of Broken are .* for batches of one, and .* for all at once. Collect"
    broken = with_metrics(good_head, Counting)
    fails(broken, "test_its_metrics_do_not_depend_on_the_batches", match)


def test_metrics_that_fail_on_a_batch_are_found(good_head, fails):
    class Failing(Counting):
        def update(self, output, encoded):
            raise IndexError("no such label")

    match = "the metrics of Broken cannot take in its own output. It raised IndexError: no such"
    broken = with_metrics(good_head, Failing)
    fails(broken, "test_its_metrics_do_not_depend_on_the_batches", match)


def test_counts_that_collectors_share_are_found(good_head, fails):
    counts = []

    class Shared(Counting):
        def __init__(self):
            self.counts = counts

    match = "Broken are .* after another evaluation. `metrics` must make a new collector each time"
    broken = with_metrics(good_head, Shared)
    fails(broken, "test_each_collector_counts_for_itself", match)


def test_metrics_that_need_another_package_are_skipped(good_head, skips):
    class Needy(Counting):
        def compute(self):
            raise MissingExtraError("scikit-learn", "train", "evaluation")

    match = "evaluation needs the package 'scikit-learn'"
    skips(with_metrics(good_head, Needy), "test_its_metrics_have_their_primary_figure", match)
