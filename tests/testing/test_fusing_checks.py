from polyhead.contracts import NO_TAPS, LayerTaps

REFUSED = "test_parts_that_it_cannot_put_together_are_refused"
NOTHING = "test_parts_that_do_nothing_are_no_error"


def test_a_part_that_goes_missing_is_found(good_fusing, fails):
    class Broken(good_fusing):
        def _check(self, name, part, layer):
            if part.prefix is None:
                super()._check(name, part, layer)

    match = "Broken.taps_over drops what a part does at 'prefix'; raise a ConfigError that names"
    fails(Broken, REFUSED, match)


def test_parts_that_must_all_act_are_found(good_fusing, fails):
    class First(good_fusing):
        def taps_over(self, layer, parts):
            parts[0].ffn.change  # noqa: B018 - it is there, or this fails
            return super().taps_over(layer, parts)

    class Nothing(good_fusing):
        def taps_over(self, layer, parts):
            return None if all(part == NO_TAPS for part in parts) else LayerTaps(ffn=parts[-1].ffn)

    match = "First.taps_over fails where a part does nothing in layer 0; fuse those that act, and"
    fails(First, NOTHING, match)
    match = "Nothing.taps_over returns a NoneType; return a LayerTaps or NO_TAPS"
    fails(Nothing, NOTHING, match)


def test_parts_that_cannot_be_built_are_told(good_fusing, fails):
    match = "what GoodFusing is to fuse cannot be built. It raised UnknownKindError"
    fails(good_fusing, NOTHING, match, fused="no_such_kind")


def test_other_kinds_are_skipped(good_adapter, good_side, skips):
    for adapter in (good_adapter, good_side):
        for name in (REFUSED, NOTHING):
            skips(adapter, name, "it acts by itself")


def test_good_fusing_adapters_pass(good_fusing, check_adapter):
    for name in (REFUSED, NOTHING):
        check_adapter(good_fusing, name)
        check_adapter(good_fusing, name, fused="par_bn[mh_adapter=false]")
