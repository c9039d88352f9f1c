"""Decoding: exact, bounded, and harmless whatever the object does to the process."""

import io
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from orthanc.decoder import Decoder
from orthanc.errors import DecoderBusy, NoSuchFrame, Undecodable, Unreadable


@dataclass
class Look:
    size: tuple[int, int] | None = None
    window: tuple[float, float, str] | None = None
    quality: int = 90


# One file of each transfer syntax that pydicom ships: compressed, native, big endian, colour, grey, palette, one bit.
SYNTAXES = (
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_jp2klossless.dcm",
    "JPEG2000.dcm",
    "693_J2KI.dcm",
    "JPEGLSNearLossless_16.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_small_odd.dcm",
    "examples_palette.dcm",
    "examples_ybr_color.dcm",
    "liver_1frame.dcm",
    "rtdose_1frame.dcm",
)


@pytest.fixture(scope="module")
def decoder():
    opened = Decoder(deadline=20)
    yield opened
    opened.close()


@pytest.fixture
def cached(cache, samples):
    return lambda part10: cache.put(samples.sha256(part10), part10)


def child_of(decoder):
    """The process id of the one decoder process."""
    process = decoder._idle.get()
    decoder._idle.put(process)
    return process._child.pid


def opened(picture):
    return Image.open(io.BytesIO(picture))


def shown(decoder, instance, **look):
    return np.asarray(opened(decoder.render(instance, 1, "image/png", Look(**look))))


@pytest.mark.parametrize("name", SYNTAXES)
def test_samples_are_those_of_pydicom(decoder, cached, samples, name):
    dataset = dcmread(io.BytesIO(samples.shipped(name)))
    pixels, _ = get_decoder(dataset.file_meta.TransferSyntaxUID).as_array(dataset, index=0, raw=True)
    little = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    assert decoder.native(cached(samples.shipped(name)), 1) == little


@pytest.mark.parametrize("name", SYNTAXES)
def test_it_is_shown_as_jpeg_and_png_in_its_own_size(decoder, cached, samples, name):
    instance = cached(samples.shipped(name))
    for media_type, kind in (("image/jpeg", "JPEG"), ("image/png", "PNG")):
        picture = opened(decoder.render(instance, 1, media_type, Look()))
        assert picture.format == kind
        assert picture.size == (instance.index.columns, instance.index.rows)


def test_twelve_bit_jpeg_is_decoded(decoder, cached, samples):
    values = np.frombuffer(decoder.native(cached(samples.shipped("JPEG-lossy.dcm")), 1), "<u2")
    assert (values.size, values.max()) == (1024 * 256, 264)


@pytest.mark.parametrize("size", [(16, 16), (64, 16), (300, 300)])
def test_it_fits_into_the_size_asked_for_and_is_not_enlarged(decoder, cached, samples, size):
    picture = opened(decoder.render(cached(samples.shipped("CT_small.dcm")), 1, "image/jpeg", Look(size=size)))
    assert picture.size == (min(size[1], size[0], 128),) * 2


GREY = np.arange(16, dtype="<u2") * 100


def grey(samples, **more):
    return samples.made(PixelData=GREY.tobytes(), **more)


def test_the_window_that_is_asked_for_is_shown(decoder, cached, samples):
    pixels = shown(decoder, cached(grey(samples)), window=(750.0, 201.0, "linear"))
    assert pixels.ravel()[:7].max() == 0
    assert pixels.ravel()[9:].min() == 255
    assert 0 < pixels.ravel()[7] < pixels.ravel()[8] < 255


@pytest.mark.parametrize("function", ["linear", "linear-exact", "sigmoid"])
def test_every_function_grows_from_black_to_white(decoder, cached, samples, function):
    pixels = shown(decoder, cached(grey(samples)), window=(750.0, 400.0, function)).ravel().astype(int)
    assert (np.diff(pixels) >= 0).all()
    assert pixels[0] < 10
    assert pixels[-1] > 245


def test_the_images_own_window_is_of_modality_values(decoder, cached, samples):
    rescaled = grey(samples, RescaleSlope="2", RescaleIntercept="-1000", WindowCenter="500", WindowWidth="401")
    pixels = shown(decoder, cached(rescaled)).ravel()
    assert pixels[:6].max() == 0
    assert pixels[10:].min() == 255


def test_monochrome1_is_shown_inverted(decoder, cached, samples):
    upright = shown(decoder, cached(grey(samples, WindowCenter="750", WindowWidth="1500")))
    inverted = shown(
        decoder, cached(grey(samples, WindowCenter="750", WindowWidth="1500", PhotometricInterpretation="MONOCHROME1"))
    )
    assert (upright == 255 - inverted).all()


def test_signed_values_are_signed(decoder, cached, samples):
    part10 = samples.made(PixelData=np.linspace(-1000, 1000, 16).astype("<i2").tobytes(), PixelRepresentation=1)
    pixels = shown(decoder, cached(part10)).ravel().astype(int)
    assert (np.diff(pixels) > 0).all()


def test_padding_does_not_widen_the_window(decoder, cached, samples):
    values = GREY.copy()
    values[0] = 65535
    part10 = samples.made(PixelData=values.tobytes(), PixelPaddingValue=65535)
    assert shown(decoder, cached(part10)).ravel()[15] == 255


def test_a_voi_lut_is_followed(decoder, cached, samples):
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4, 0, 8], [0, 85, 170, 255]
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    part10 = samples.made(PixelData=np.array([0, 1, 2, 3] * 4, "<u2").tobytes(), VOILUTSequence=[table])
    assert shown(decoder, cached(part10)).ravel()[:4].tolist() == [0, 85, 170, 255]


def test_an_enhanced_frame_has_its_own_window(decoder, cached, samples):
    def group(center):
        window, whole = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = center, "2"
        whole.FrameVOILUTSequence = [window]
        return whole

    part10 = samples.made(
        NumberOfFrames=2,
        PixelData=GREY.tobytes() * 2,
        PerFrameFunctionalGroupsSequence=[group("100"), group("1400")],
    )
    instance = cached(part10)
    whites = [(np.asarray(opened(decoder.render(instance, n, "image/png", Look()))) == 255).sum() for n in (1, 2)]
    assert whites[0] > whites[1]


def test_colours_are_right(decoder, cached, samples):
    pixels = shown(decoder, cached(samples.shipped("SC_rgb_rle.dcm")))
    assert pixels[5, 50].tolist() == [255, 0, 0]
    assert pixels[35, 50].tolist() == [0, 255, 0] or pixels[25, 50].tolist() == [0, 255, 0]


def test_there_is_no_picture_of_a_frame_that_is_not_there(decoder, cached, samples):
    instance = cached(samples.shipped("CT_small.dcm"))
    with pytest.raises(NoSuchFrame):
        decoder.render(instance, 2, "image/jpeg", Look())
    with pytest.raises(NoSuchFrame):
        decoder.render(cached(samples.shipped("reportsi.dcm")), 1, "image/jpeg", Look())


# --- what a bad object may do


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless, "1.2.840.10008.1.2.4.50"])
def test_what_is_no_image_is_undecodable(decoder, cached, samples, syntax):
    part10 = samples.made(
        transfer_syntax=syntax, PixelData=encapsulate([os.urandom(200)]), BitsAllocated=8, BitsStored=8
    )
    with pytest.raises(Undecodable):
        decoder.render(cached(part10), 1, "image/jpeg", Look())


def test_a_frame_that_would_not_fit_into_memory_is_refused(decoder, cached, samples):
    huge = samples.made(
        transfer_syntax=RLELossless, Rows=65535, Columns=65535, PixelData=encapsulate([bytes(200)]), BitsAllocated=8
    )
    with pytest.raises(Undecodable):
        decoder.render(cached(huge), 1, "image/jpeg", Look())


def test_a_process_that_was_killed_is_replaced(decoder, cached, samples):
    instance = cached(samples.shipped("CT_small.dcm"))
    before = decoder.render(instance, 1, "image/png", Look())
    first = child_of(decoder)
    os.kill(first, signal.SIGSEGV)
    assert decoder.render(instance, 1, "image/png", Look()) == before
    assert child_of(decoder) != first


def test_a_process_that_hangs_is_killed_at_the_deadline_and_replaced(cached, samples):
    decoder = Decoder(deadline=1.0)
    instance = cached(samples.shipped("CT_small.dcm"))
    decoder.render(instance, 1, "image/png", Look())
    hanging = child_of(decoder)
    os.kill(hanging, signal.SIGSTOP)
    with pytest.raises(Undecodable):
        decoder.render(instance, 1, "image/png", Look())
    assert not Path(f"/proc/{hanging}").exists()
    assert decoder.render(instance, 1, "image/png", Look())
    decoder.close()


def test_whoever_finds_every_process_at_work_may_try_again(cached, samples):
    decoder = Decoder(deadline=2)
    instance = cached(samples.shipped("CT_small.dcm"))
    decoder.render(instance, 1, "image/png", Look())
    taken = decoder._idle.get()
    with pytest.raises(DecoderBusy):
        decoder.render(instance, 1, "image/png", Look())
    decoder._idle.put(taken)
    assert decoder.render(instance, 1, "image/png", Look())
    decoder.close()


def test_it_has_a_memory_limit_no_core_and_none_of_our_environment(decoder, cached, samples, monkeypatch):
    monkeypatch.setenv("OVERREAD_ARCHIVE__PASSWORD", "secret")
    fresh = Decoder()
    fresh.render(cached(samples.shipped("CT_small.dcm")), 1, "image/png", Look())
    process = Path(f"/proc/{child_of(fresh)}")
    limits = {line[:26].strip(): line[26:].split()[0] for line in (process / "limits").read_text().splitlines()}
    assert limits["Max address space"] == str(3 << 30)
    assert (limits["Max core file size"], limits["Max file size"]) == ("0", "0")
    assert b"OVERREAD" not in (process / "environ").read_bytes()
    fresh.close()
    assert not process.exists()


def test_nothing_is_left_running_when_nobody_asks_any_more(cached, samples, wait_for):
    decoder = Decoder()
    decoder.render(cached(samples.shipped("CT_small.dcm")), 1, "image/png", Look())
    child = decoder._idle.get()._child
    child.stdin.close()
    wait_for(lambda: child.poll() is not None, 10)
    child.stdout.close()


def test_every_bad_file_is_answered_and_the_decoder_lives(decoder, cache, samples):
    for number, file in enumerate(samples.bad()):
        try:
            instance = cache.put(f"{number:064x}", file.read_bytes())
            decoder.render(instance, 1, "image/jpeg", Look(size=(64, 64)))
        except (Unreadable, Undecodable, NoSuchFrame):
            continue
    good = samples.shipped("CT_small.dcm")
    assert decoder.render(cache.put(samples.sha256(good), good), 1, "image/jpeg", Look())
