"""The read cache: fetched once, bounded, shared, indifferent to damage, and there when the archive is not."""

import gzip
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from orthanc.archive import Archive
from orthanc.bound import allowed
from orthanc.cache import Archived, ReadCache, SeriesKey
from orthanc.errors import AlteredInArchive, ArchiveUnavailable, NoSuchBulk, NoSuchFrame, NotInArchive, Unreadable

LARGE = 1 << 40
BASE = "https://overread.example/dicom-web"


@pytest.fixture
def stored(archive_server, samples):
    """`stored(part10)` puts a file into a real archive and says where it is."""
    archive = archive_server.archive()

    def store(part10):
        return Archived(samples.sha256(part10), archive.store(part10, samples.md5(part10)))

    yield store
    archive.close()


@pytest.fixture
def with_archive(archive_server, tmp_path):
    """A read cache in front of a real archive that counts what it is asked for."""
    archive = archive_server.archive()
    fetched = []
    stream = archive.stream
    archive.stream = lambda archive_id, patience: (fetched.append(archive_id), stream(archive_id, patience))[1]
    cache = ReadCache(tmp_path / "cache", LARGE, archive)
    yield cache, fetched
    cache.close()
    archive.close()


def files_of(cache_folder, kind):
    return [file for file in (cache_folder / kind).rglob("*") if file.is_file()]


def test_a_frame_is_the_bytes_that_were_put(cache, samples):
    pixels = os.urandom(96)
    instance = cache.put("a" * 64, samples.made(NumberOfFrames=3, PixelData=pixels))
    assert instance.frame_count == 3
    assert b"".join(b"".join(instance.read(instance.frame(n))) for n in (1, 2, 3)) == pixels
    with pytest.raises(NoSuchFrame):
        instance.frame(4)


def test_the_whole_file_is_the_bytes_that_were_put(cache, samples):
    part10 = samples.made()
    instance = cache.put(samples.sha256(part10), part10)
    assert b"".join(instance.stream()) == part10
    assert instance.part10_length == len(part10)
    assert instance.transfer_syntax == ExplicitVRLittleEndian


@pytest.mark.parametrize("name", ["MR_small_implicit.dcm", "MR_small_bigendian.dcm"])
def test_implicit_and_big_endian_are_kept_in_explicit_little_endian(cache, samples, name):
    source = samples.shipped(name)
    instance = cache.put(samples.sha256(source), source)
    assert instance.transfer_syntax == ExplicitVRLittleEndian
    assert instance.index.source_transfer_syntax in {ImplicitVRLittleEndian, ExplicitVRBigEndian}
    explicit = samples.shipped("MR_small.dcm")
    twin = cache.put(samples.sha256(explicit), explicit)
    assert instance.read(instance.frame(1)) == twin.read(twin.frame(1))


def test_a_large_value_is_found_by_its_path(cache, samples):
    instance = cache.put(
        "d" * 64, samples.made(EncapsulatedDocument=b"%PDF" * 400, MIMETypeOfEncapsulatedDocument="a/b")
    )
    assert b"".join(instance.read(instance.bulk("00420011").pieces)) == b"%PDF" * 400
    assert instance.index.document_type == "a/b"
    with pytest.raises(NoSuchBulk):
        instance.bulk("00100010")


def test_another_process_finds_what_was_put(cache, samples, tmp_path):
    part10 = samples.made()
    cache.put(samples.sha256(part10), part10)
    program = (
        "import sys; from pathlib import Path; from orthanc.cache import ReadCache\n"
        "instance = ReadCache(Path(sys.argv[1]), 1 << 40).get(sys.argv[2], '')\n"
        "sys.stdout.buffer.write(b''.join(instance.stream()))"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "cache"), samples.sha256(part10)]
    other = subprocess.run(words, capture_output=True, cwd=Path(__file__).parents[2], check=True)
    assert other.stdout == part10


def test_what_is_not_here_is_fetched_once_and_then_is_here(with_archive, stored, samples):
    cache, fetched = with_archive
    part10 = samples.made(study=samples.fresh_uid())
    one = stored(part10)
    assert cache.held(one.sha256) is None
    for _ in range(3):
        assert b"".join(cache.get(one.sha256, one.archive_id).stream()) == part10
    assert fetched == [one.archive_id]


def test_many_who_ask_at_once_cause_one_fetch(with_archive, stored, samples):
    cache, fetched = with_archive
    one = stored(samples.made(study=samples.fresh_uid(), NumberOfFrames=50_000, PixelData=bytes(1_600_000)))
    together = threading.Barrier(24)

    def ask(_):
        together.wait()
        return cache.get(one.sha256, one.archive_id)

    with ThreadPoolExecutor(24) as pool:
        instances = list(pool.map(ask, range(24)))
    assert fetched == [one.archive_id]
    assert {instance.frame_count for instance in instances} == {50_000}


def test_all_who_wait_for_a_fetch_that_fails_are_told(free_port, tmp_path):
    archive = Archive(f"http://127.0.0.1:{free_port()}", "overread", "x", timeout=2)
    cache = ReadCache(tmp_path, LARGE, archive)

    def ask(_):
        with pytest.raises(ArchiveUnavailable):
            cache.get("a" * 64, "-".join(["0" * 8] * 5))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert files_of(tmp_path, "tmp") == []


def test_other_content_than_the_digest_says_is_not_shown(with_archive, stored, samples, tmp_path):
    cache, _ = with_archive
    one = stored(samples.made(study=samples.fresh_uid()))
    with pytest.raises(AlteredInArchive):
        cache.get("f" * 64, one.archive_id)
    assert files_of(tmp_path / "cache", "instances") == []
    assert files_of(tmp_path / "cache", "tmp") == []


def test_without_an_archive_what_is_not_here_is_nowhere(cache):
    with pytest.raises(NotInArchive):
        cache.get("a" * 64, "-".join(["0" * 8] * 5))


def test_what_is_no_dicom_is_not_kept(cache, tmp_path):
    with pytest.raises(Unreadable):
        cache.put("a" * 64, b"junk")
    assert files_of(tmp_path / "cache", "instances") == []


def test_a_study_opens_while_the_archive_is_down(own_archive_server, samples, tmp_path):
    archive = own_archive_server.archive(timeout=10)
    files = [samples.made(number) for number in range(1, 6)]
    refs = [Archived(samples.sha256(file), archive.store(file, samples.md5(file))) for file in files]
    cache = ReadCache(tmp_path / "cache", LARGE, archive)
    cache.warm(refs)
    own_archive_server.kill()
    metadata = orjson.loads(gzip.decompress(cache.series_metadata(SeriesKey(1, "1", 1), BASE, refs)))
    assert len(metadata) == 5
    for file, ref in zip(files, refs, strict=True):
        assert b"".join(cache.get(ref.sha256, ref.archive_id).stream()) == file
    cold = samples.made(6)
    with pytest.raises(ArchiveUnavailable):
        cache.get(samples.sha256(cold), refs[0].archive_id)
    archive.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(file.read_bytes() + b"x"),
        lambda file: file.unlink(),
    ],
)
def test_what_is_damaged_is_fetched_again(with_archive, stored, samples, tmp_path, damage):
    cache, fetched = with_archive
    part10 = samples.made(study=samples.fresh_uid())
    one = stored(part10)
    cache.get(one.sha256, one.archive_id)
    (file,) = files_of(tmp_path / "cache", "instances")
    damage(file)
    cache.close()
    assert b"".join(cache.get(one.sha256, one.archive_id).stream()) == part10
    assert len(fetched) == 2


@pytest.mark.parametrize(
    ("place", "opened"),
    [((0, 4096), False), ((5_000, 512), False), ((140_000, 1), False), ((5_000, 512), True), ((300_000, 4096), True)],
)
def test_blocks_that_were_lost_or_changed_are_never_shown(with_archive, stored, samples, tmp_path, place, opened):
    """Only the length was compared: after a power cut zeros were shown as an image."""
    cache, fetched = with_archive
    pixels = os.urandom(320_000)
    part10 = samples.made(study=samples.fresh_uid(), NumberOfFrames=10_000, PixelData=pixels)
    one = stored(part10)
    instance = cache.get(one.sha256, one.archive_id)
    (file,) = files_of(tmp_path / "cache", "instances")
    with file.open("r+b") as out:
        out.seek(place[0])
        out.write(b"\x5a" * place[1])
    if not opened:
        cache.close()
        instance = cache.get(one.sha256, one.archive_id)
    assert b"".join(instance.stream()) == part10
    assert b"".join(cache.get(one.sha256, one.archive_id).stream()) == part10
    assert len(fetched) == 2


def test_nothing_of_an_image_lies_in_clear(cache, samples, tmp_path):
    refs = put_all(cache, samples, [samples.made(1, PixelData=b"In clear" * 4)])
    baked(cache, refs)
    (tmp_path / "cache" / "objects").mkdir()
    (tmp_path / "cache" / "objects" / "of-an-older-version.dcm").write_bytes(b"Synthetic^Sam")
    ReadCache(tmp_path / "cache", LARGE)
    kept = [file.read_bytes() for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert len(kept) >= 2
    assert not any(secret in content for content in kept for secret in (b"In clear", b"Synthetic", b"1.2.3.1"))


def test_a_cache_whose_key_is_gone_is_empty(with_archive, stored, samples, tmp_path):
    cache, fetched = with_archive
    one = stored(part10 := samples.made(study=samples.fresh_uid()))
    cache.get(one.sha256, one.archive_id)
    (tmp_path / "keys.json").unlink()
    other = ReadCache(tmp_path / "cache", LARGE, cache._archive)
    assert other.held(one.sha256) is None
    assert b"".join(other.get(one.sha256, one.archive_id).stream()) == part10
    assert len(fetched) == 2


def test_the_least_recently_used_go_first(samples, tmp_path):
    files = [samples.made(n, NumberOfFrames=1000, PixelData=bytes(32_000)) for n in range(25)]
    cache = ReadCache(tmp_path, 20 * 33_500)
    for age, file in enumerate(files[:10]):
        instance = cache.put(samples.sha256(file), file)
        os.utime(instance.path, (1000 + age, 1000 + age))
    cache.close()
    assert cache.get(samples.sha256(files[0]), "")  # used just now, though it came first
    for file in files[10:]:
        cache.put(samples.sha256(file), file)
    cache.close()
    kept = [n for n, file in enumerate(files) if cache.held(samples.sha256(file))]
    assert 0 in kept
    assert set(range(20, 25)) <= set(kept)
    assert not {1, 2, 3} & set(kept)
    total = sum(file.stat().st_size for file in files_of(tmp_path, "instances"))
    assert total <= 20 * 33_500 * 1.1


@pytest.mark.parametrize(
    ("used", "free", "may_have"),
    [(0, 1000, 500), (400, 500, 500), (400, 90, 390), (400, 0, 300), (50, 0, 0)],
)
def test_a_disk_that_fills_up_shrinks_the_bound(used, free, may_have):
    assert allowed(max_bytes=500, used=used, free=free, disk=1000) == may_have


def test_what_is_evicted_stays_readable_for_whoever_holds_it(cache, samples):
    part10 = samples.made()
    instance = cache.put(samples.sha256(part10), part10)
    instance.path.unlink()
    assert b"".join(instance.stream()) == part10


def test_file_descriptors_are_given_back(cache, samples):
    files = [samples.made(number) for number in range(400)]
    before = len(list(Path("/proc/self/fd").iterdir()))
    for file in files:
        cache.put(samples.sha256(file), file)
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 520
    cache.close()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


# --- the metadata of a series


def put_all(cache, samples, files):
    return [Archived(cache.put(samples.sha256(file), file) and samples.sha256(file), "") for file in files]


def baked(cache, refs, version=1, base=BASE):
    return orjson.loads(gzip.decompress(cache.series_metadata(SeriesKey(7, "1.2.3.1", version), base, refs)))


def test_instances_are_sorted_by_number_then_uid(cache, samples):
    files = [samples.made(n, InstanceNumber=number) for n, number in enumerate([30, 4, None, 4, 1], 1)]
    numbers = [
        one.get("00200013", {"Value": [None]})["Value"][0] for one in baked(cache, put_all(cache, samples, files))
    ]
    assert numbers == [1, 4, 4, 30, None]


def test_addresses_lead_through_the_base_url_to_bytes_that_are_there(cache, samples):
    refs = put_all(cache, samples, [samples.made(1), samples.made(2)])
    for one, ref in zip(baked(cache, refs), refs, strict=True):
        sop = one["00080018"]["Value"][0]
        address = one["7FE00010"]["BulkDataURI"]
        assert address == f"{BASE}/studies/1.2.3/series/1.2.3.1/instances/{sop}/bulk/7FE00010"
        assert cache.get(ref.sha256, "").bulk(address.rpartition("/bulk/")[2])


def test_an_evil_uid_stays_inside_its_address(cache, samples):
    part10 = samples.made(SOPInstanceUID=samples.raw("SOPInstanceUID", '1"},"x":"/../'))
    (one,) = baked(cache, put_all(cache, samples, [part10]))
    assert one["7FE00010"]["BulkDataURI"].startswith(f"{BASE}/studies/1.2.3/series/1.2.3.1/instances/1%22%7D")


def test_it_is_baked_once_and_the_instances_are_not_asked_for_again(cache, samples):
    refs = put_all(cache, samples, [samples.made(1)])
    first = baked(cache, refs)

    def nobody_asks():
        raise AssertionError("the instances were asked for")
        yield

    assert baked(cache, nobody_asks()) == first


def test_a_new_version_or_another_base_is_baked_anew(cache, samples):
    refs = put_all(cache, samples, [samples.made(n) for n in (1, 2)])
    assert len(baked(cache, refs[:1], version=1)) == 1
    assert len(baked(cache, refs, version=2)) == 2
    assert baked(cache, refs, version=2, base="/other")[0]["7FE00010"]["BulkDataURI"].startswith("/other/studies/")


def test_damaged_series_metadata_are_baked_again(cache, samples, tmp_path):
    refs = put_all(cache, samples, [samples.made(1)])
    first = baked(cache, refs)
    (file,) = files_of(tmp_path / "cache", "baked")
    file.write_bytes(file.read_bytes()[:-3])
    cache.close()
    assert baked(cache, refs) == first


def test_a_picture_is_made_once_kept_sealed_and_made_again_when_it_is_damaged(cache, tmp_path):
    name, made = "ab" * 32, iter([b"the picture", b"the picture anew"])
    assert [cache.picture(name, lambda: next(made)) for _ in range(3)] == [b"the picture"] * 3
    (file,) = files_of(tmp_path / "cache", "pictures")
    assert b"the picture" not in file.read_bytes()
    file.write_bytes(file.read_bytes()[:-3])
    assert cache.picture(name, lambda: next(made)) == b"the picture anew"
