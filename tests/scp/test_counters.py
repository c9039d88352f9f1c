"""Counts that outlive their process."""

from scp.counters import Count, Counters, totals


def test_counts_of_all_processes_add_up_and_go_on_after_a_restart(tmp_path):
    for process, instances in (("dicom-0", 2), ("dicom-1", 3), ("dicom-0", 4)):
        counters = Counters(tmp_path, process)
        counters.add(Count.INSTANCES, instances)
        counters.save()
    assert totals(tmp_path)[Count.INSTANCES] == 9
    assert set(totals(tmp_path)) == set(Count)


def test_a_torn_file_counts_as_nothing(tmp_path):
    (tmp_path / "dicom-0.json").write_text('{"instances": 1')
    assert totals(tmp_path)[Count.INSTANCES] == 0
    assert totals(tmp_path / "none")[Count.BYTES] == 0
