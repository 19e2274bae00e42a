import re

import msgspec
import pytest

from guru.config import KnowledgeSettings
from guru.errors import InvalidParameter
from guru.evaluate.corpus import Cut
from guru.evaluate.options import TuneOptions
from guru.evaluate.settings import MOST, Setting, configuration, current_setting, served_together, settings_of

CUT = Cut(chunking="recursive", chunk_tokens=200, chunk_overlap=40, parent_tokens=None)
USUAL = KnowledgeSettings()
CURRENT = current_setting(USUAL, CUT)


def names(knowledge=USUAL, cut=CUT, **options):
    return [setting.name for setting in tried(knowledge, cut, **options)]


def tried(knowledge=USUAL, cut=CUT, **options):
    return settings_of(TuneOptions(**options), current_setting(knowledge, cut), knowledge)


def test_without_a_word_what_is_cheap_is_tried_and_only_hybrid_search_has_something_to_fuse():
    found = tried(ks=[3])
    assert [setting.name for setting in found] == [
        "hybrid, 3 x 200", "hybrid, 6 x 200", "hybrid, 3 x 200, rrf 0.5", "hybrid, 6 x 200, rrf 0.5",
        "hybrid, 3 x 200, weighted 0.5", "hybrid, 6 x 200, weighted 0.5",
        "dense, 3 x 200", "dense, 6 x 200", "sparse, 3 x 200", "sparse, 6 x 200",
    ]  # fmt: skip
    assert not any(setting.reranks for setting in found)
    assert {setting.cut for setting in found} == {CUT}


def test_nothing_is_tried_twice():
    options = {"modes": ["hybrid", "sparse", "hybrid"], "ks": [6, 6], "fusions": ["rrf", "rrf", "learned"]}
    found = names(**options, dense_weights=[0.5, 0.3, 0.5], reranks=["off", "rerank", "rerank"], rerank_tops=[20, 20])
    assert len(found) == len(set(found)) == 2 * (3 + 1)  # learned, rrf with two weights, and sparse
    assert len([name for name in found if name.endswith("rerank 20")]) == 4


def test_the_current_setting_is_what_the_configuration_and_the_collection_say():
    knowledge = KnowledgeSettings(
        mode="hybrid",
        passages=4,
        fusion="weighted",
        dense_weight=0.6,
        sparse_weight=0.2,
        rerank="rerank",
        rerank_top=50,
    )
    cut = Cut(chunking="hierarchical", chunk_tokens=100, chunk_overlap=10, parent_tokens=400)
    current = current_setting(knowledge, cut)
    assert (current.k, current.fusion, current.dense_weight, current.rerank_top) == (4, "weighted", 0.75, 50)
    assert (current.cut, current.context) == (cut, 1600)
    found = tried(knowledge, cut, modes=["sparse"], ks=[2])
    assert [setting.name for setting in found if setting.reranks] == [
        "hybrid, 2 x 100, hierarchical, weighted 0.75, rerank 50",
        "hybrid, 4 x 100, hierarchical, weighted 0.75, rerank 50",
    ]
    assert current in found


def test_what_does_not_matter_makes_no_other_setting():
    knowledge = KnowledgeSettings(mode="sparse", fusion="learned", dense_weight=0.9, rerank_top=7)
    current = current_setting(knowledge, CUT)
    assert (current.dense_weight, current.rerank_top, current.parent_tokens) == (None, None, None)


def test_every_way_to_cut_is_tried_in_every_size_and_the_overlap_keeps_its_share():
    found = tried(modes=["sparse"], ks=[6], chunkings=["heading", "hierarchical"], chunk_tokens=[100])
    cuts = [(cut.chunking, cut.chunk_tokens, cut.chunk_overlap, cut.parent_tokens) for cut in (s.cut for s in found)]
    assert sorted(set(cuts)) == [
        ("heading", 100, 20, None), ("heading", 200, 40, None), ("hierarchical", 100, 20, 800),
        ("hierarchical", 200, 40, 800), ("recursive", 100, 20, None), ("recursive", 200, 40, None),
    ]  # fmt: skip
    assert [cut[:2] for cut in cuts].index(("recursive", 200)) == 0  # the collection itself, before any copy


def test_too_many_are_refused_with_what_to_leave_out():
    with pytest.raises(InvalidParameter, match=f"at most {MOST}") as raised:
        tried(chunkings=["heading", "sentence", "fixed"], chunk_tokens=[50, 100], reranks=["rerank"])
    assert "5 ways to search x 2 rerankings x 12 ways to cut x 5 numbers of passages" in raised.value.message
    assert (raised.value.param, "ways to cut" in raised.value.hint) == ("chunkings", True)


def test_too_many_copies_are_refused():
    with pytest.raises(InvalidParameter, match="17 copies"):
        tried(modes=["sparse"], ks=[6], chunkings=["heading", "sentence"], chunk_tokens=[50, 60, 70, 80, 90])


def test_a_setting_is_written_by_the_keys_of_the_configuration():
    after = Setting(
        mode="hybrid", k=3, fusion="rrf", dense_weight=0.3, rerank="rerank", rerank_top=20,
        chunking="hierarchical", chunk_tokens=100, chunk_overlap=20, parent_tokens=800,
    )  # fmt: skip
    changed = configuration(after, CURRENT)
    assert changed == {
        "passages": 3, "fusion": "rrf", "dense_weight": 0.3, "sparse_weight": 0.7, "rerank": "rerank", "rerank_top": 20,
        "chunking": "hierarchical", "chunk_tokens": 100, "chunk_overlap": 20, "parent_tokens": 800,
    }  # fmt: skip
    configured = msgspec.convert(changed, KnowledgeSettings)  # every key is there, and takes its value
    cut = Cut(chunking="hierarchical", chunk_tokens=100, chunk_overlap=20, parent_tokens=800)
    assert current_setting(configured, cut) == after
    assert configuration(CURRENT, after)["rerank"] == "off"
    assert configuration(CURRENT, CURRENT) == {}


def test_a_search_is_told_all_that_the_configuration_could_say_otherwise():
    assert CURRENT.search.rerank == "off"
    assert CURRENT.search.fusion == "learned"
    weighted = msgspec.structs.replace(CURRENT, fusion="weighted", dense_weight=0.7)
    assert weighted.search.weights == {"dense": 0.7, "sparse": 0.3}


def test_one_reranked_search_serves_fewer_passages_and_nothing_else_does():
    def together(**options):
        groups = served_together(tried(modes=["hybrid"], fusions=["learned"], **options))
        return sorted([setting.k for setting in group] for group in groups if group[0].reranks)

    assert together(ks=[1, 3, 20], reranks=["rerank"]) == [[20, 6, 3, 1]]
    assert together(ks=[1, 20], reranks=["rerank"], rerank_tops=[10]) == [
        [6, 1],
        [20],
    ]  # it reads ten, whatever is wanted
    assert together(ks=[1], reranks=["a", "b"]) == [[6, 1], [6, 1]]
    parents = Cut(chunking="hierarchical", chunk_tokens=200, chunk_overlap=40, parent_tokens=800)
    assert together(ks=[1], reranks=["rerank"], cut=parents) == [[1], [6]]
    assert all(len(group) == 1 for group in served_together(tried()))


def test_names_tell_all_settings_of_a_tuning_apart():
    found = names(
        ks=[1], dense_weights=[0.3, 0.7], reranks=["a/b"], rerank_tops=[10, 20], chunkings=["heading"], modes=["hybrid"]
    )
    assert len(set(found)) == len(found)
    assert all(re.match(r"hybrid, \d x 200", name) for name in found)
